# frozen_string_literal: true

require_relative '../../frameworks'
require_relative '../ahead'
require_relative '../exits'
require_relative '../faults'
require_relative '../ids'
require_relative '../loading'
require_relative '../memory'
require_relative '../part'
require_relative '../selection'
require_relative 'ending'
require_relative 'options'
require_relative 'parts'
require_relative 'rerun'
require_relative 'reporters'
require_relative 'results'
require_relative 'run'
require_relative 'test'

module Gorgon
  module Frameworks
    # Minitest 5 and 6, classic and spec style. Does what Minitest.run does, file after file: each test method runs once
    # in a process, with the file whose loading brought it.
    class Minitest
      # What the loading of a file brought: its classes and tests, whether each test is known by an id of its own and may
      # run without the others, the full names of tests of the same classes that ran with a file before, its options, and
      # whether it brought filters itself.
      Loaded = Struct.new(:classes, :tests, :divisible, :had, :options, :focus)

      AHEAD = Ahead.new(gems: %w[minitest], ruby: %w[optparse mutex_m delegate tempfile tmpdir fileutils])
      private_constant :AHEAD

      class << self
        # Asked by version: suites define the methods of both, so `respond_to?` would not tell.
        def six?
          ::Minitest::VERSION.to_i >= 6
        end

        # Compiles Minitest ahead, and does not load it: in a plain run, too, it is not there before a test file asks
        # for it.
        def keep_warm(compiled)
          AHEAD.keep(compiled) unless defined?(::Minitest::Runnable)
        end
      end

      def initialize(settings, reporter)
        @settings = settings
        @reporter = reporter
        @places = Places.new(settings.root)
        @faults = Faults.new(@places)
        @options = Options.new(settings)
        @results = Results.new(reporter, @places) { |klass, name| test(klass, name, @ids) }
        @reporters = Reporters.new(@results, reporter, @faults)
        @memory = Memory.new(@places, Frameworks.job_files(settings)) { |klass| method_names(klass) }
        @stand_in = STAND_INS['Minitest']
        @exits = Exits.new { Frameworks.minitest_asked? }
        @ending = Ending.new(@stand_in, reporter, @faults, @exits)
        @loading = Loading.new(@places)
        @files = {} # path => what its loading brought, for its further parts
        # Random numbers from the seed of this Ruby child, which no other worker has: for files as they load, and tests
        # as they run.
        @loads = ::Random.new(::Random.seed)
        @draws = @loads.rand(1 << 64)
      end

      def start
        return unless there?

        @stand_in.put(::Minitest)
        @memory.before_first_file(runnables)
      end

      # Loads the file and runs its tests, or those selected. A further part of the file runs what its first loading
      # brought. `loaded`: another adapter has loaded it, and found none.
      def run(path, selection = nil, loaded: false)
        file = @files[path] || load_tests(path, loaded) or return
        run_tests(file, chosen(file, path, selection), path, selection)
      ensure
        if there?
          # A test may have reset the seed, and Minitest needs it to list the tests of a class.
          seed(file.options) if file
          @memory.pass_over(runnables, file ? file.tests.map(&:klass).uniq : [])
        end
        # While it is loaded, each file draws random numbers of its own: no other file, of any worker, draws the same.
        ::Kernel.srand(@loads.rand(1 << 64))
      end

      # The reporters report, then the hooks of Minitest.after_run run, last one first, as in Minitest.
      def finish
        return unless there?

        @exits.forget_trap
        @reporters.report
        @ending.ask(@options.given, passed: !@results.failed && !@reporters.told)
        @ending.run_hooks
        @memory.pass_over(runnables, [])
        Frameworks.at_last(@memory, @reporter, @faults) { Frameworks.minitest_asked? ? runnables : [] }
      end

      private

      def there?
        defined?(::Minitest::Runnable)
      end

      def runnables
        ::Minitest::Runnable.runnables
      end

      def load_tests(path, loaded)
        @exited = nil
        absolute = @places.absolute(path)
        @options.expose
        now = loaded || @loading.watch(path) { load_file(absolute) }
        return unless exits_passed? && there? && prepared?

        turns = @memory.fresh(runnables, absolute, Frameworks.opened, Frameworks.scan.text(absolute))
        return had_their_turn if @results.any? && @memory.lost.any?

        tests = new_tests(turns)
        return tell_exit(tests) if @exited && tests.any?

        @reporter.warning(Frameworks.loaded_before(path)) if !now && tests.empty?
        divisible = @ids.distinct? && !@loading.keeps_whole?(path, @ending.hooks)
        @files[path] = Loaded.new(classes(turns), tests, divisible, @had, @parsed, @options.of_the_file?)
      rescue *PASSED_UP
        raise
      rescue Exception => e # what a file raises is a result, whatever its class
        @reporter.file_error(**@faults.of('load', e))
        nil
      ensure
        @exits.let_go
      end

      def load_file(path)
        ready
        @stand_in.while_loading do
          @exits.held { there? ? Frameworks.load_file(path) : AHEAD.used { Frameworks.load_file(path) } }
        end
      rescue SystemExit => e
        raise unless e.success?

        # After a successful exit, as of `exit Minitest.run`, Minitest still runs the tests if it was asked to.
        @exited = e unless @stand_in.asked || Frameworks.minitest_asked?
        true
      end

      def tell_exit(tests)
        @reporter.file_error(**@faults.exited(@exited, tests.map(&:name)))
        nil
      end

      def had_their_turn
        @reporter.file_error(**@faults.had_their_turn(@memory.lost))
        nil
      end

      # Handlers of at_exit that come before the tests. They may end the run.
      def exits_passed?
        error = @stand_in.while_loading { @exits.run }
        return true if error.nil? || (SystemExit === error && error.success?)

        @reporter.file_error(**@faults.before_tests(error))
        false
      end

      # Called as soon as Minitest is loaded: puts our methods around its own.
      def ready
        return if @ready || !there?

        @ready = true
        ::Minitest::Test.prepend(Results::Originals)
      end

      # Done after a file is loaded, as its helpers may bring plugins.
      def prepared?
        ready
        prepare unless @broken
        @reporter.file_error(**@broken, spent: true) if @broken
        !@broken && !@parsed.nil?
      end

      def prepare
        @parsed = nil
        parsed = @options.parse
        first = @composite.nil?
        seed(parsed)
        fit_executor
        first_time(parsed) if first
        @composite = @reporters.set_up(parsed)
        @reporter.warning(Frameworks.no_options('Minitest', @options.left_over)) if first && @options.left_over.any?
        @parsed = parsed
      rescue Options::OfTheFile => e
        @reporter.file_error(what: 'arguments that the file gives to Minitest', exception: nil, message: e.message, backtrace: [])
      rescue *PASSED_UP
        raise
      rescue Exception => e
        @broken = @faults.of('options and plugins of Minitest', e)
      end

      def first_time(options)
        ::Kernel.srand(options[:seed])
        @ending.begin
      end

      # Minitest 5.15 has none.
      def seed(options)
        ::Minitest.seed = options[:seed] if ::Minitest.respond_to?(:seed=)
      end

      # Minitest reads the number of its threads when it is loaded. A helper may have set it later.
      def fit_executor
        size = (ENV['MT_CPU'] || (ENV['N'] unless Minitest.six?))&.to_i or return
        executor = ::Minitest.parallel_executor
        return unless executor.instance_of?(::Minitest::Parallel::Executor) && executor.size != size && size.positive?

        ::Minitest.parallel_executor = ::Minitest::Parallel::Executor.new(size)
      end

      # Classes with tests, and classes that may run tests which they do not list.
      def classes(turns)
        turns.reject { |klass, names| names.empty? && !Parts.own_run?(klass) }.map(&:first)
      end

      def new_tests(turns)
        @ids = Ids.new
        @had = {}
        turns.flat_map do |klass, names|
          (@memory.names(klass) - names).each { |name| @had["#{klass}##{name}"] = true }
          names.sort.map { |name| test(klass, name, @ids) }
        end
      end

      def method_names(klass)
        klass.runnable_methods
      rescue *PASSED_UP
        raise
      rescue Exception => e
        @reporter.file_error(**@faults.of("tests of #{klass}", e))
        []
      end

      def test(klass, method_name, ids)
        name = "#{klass.name || klass.inspect}##{method_name}"
        # A class may list names that it answers by method_missing.
        file, line = klass.instance_method(method_name).source_location if klass.method_defined?(method_name)
        Test.new(klass, method_name, ids.id(name), name, file && @places.absolute(file), line, Parts.group(klass))
      end

      def chosen(file, path, selection)
        part = Part.of(selection)
        @reporter.divisible if file.divisible && (part || (!selection && file.tests.size > 1))
        return part.of(file.tests.select { |test| named?(test, file.options) }, @reporter) if part

        Selection.new(@places.absolute(path), selection, @reporter).of(file.tests)
      end

      # The tests that Minitest's filters leave in a run of the whole file.
      def named?(test, options)
        kept = Options.pattern(options[:filter] || options[:include])
        out = Options.pattern(options[:exclude])
        names = [test.method_name, "#{test.klass}##{test.method_name}"]
        # Rails lets a name be a description with spaces.
        names << kept if kept.is_a?(String) && test.method_name == "test_#{kept.delete_prefix('test_').gsub(/\s+/, '_')}" && rails?(test)
        (kept.nil? || names.any? { |name| kept === name }) && (out.nil? || names.none? { |name| out === name })
      end

      def rails?(test)
        Rerun.rails?(test)
      end

      def run_tests(file, wanted, path, selection)
        return if file.classes.empty?

        @reporter.before_tests
        # Else `ruby FILE` would load the file, and run no test.
        @reporter.plain_run(require: 'minitest/autorun') unless Frameworks.minitest_asked? || @stand_in.asked
        run = Run.new(@results, @composite, file.options, @draws)
        ::Kernel.srand(file.options[:seed])
        # With one class there is no order to find. Asking all other classes for their tests takes longer than a small
        # file.
        run.call(file, wanted, file.classes.size > 1 ? around(path) : []) { |text| @reporter.warning(text) }
        tell_faults(run)
        @reporters.ran { |error| @reporter.file_error(**@faults.of('run', error), spent: true) } unless run.raised
        return if selection

        tell_filtered(run.left_out, file, path)
        # Minitest 6 fails a run that is given a name that no test has.
        @reporter.needs_tests if Minitest.six? && file.options[:include] && run.left_out == file.tests.size
      end

      # The classes without tests that a plain run of the file has as well: they are shuffled with its own.
      def around(path)
        runnables.select { |klass| @memory.without_tests?(klass) && !of_another_file?(klass, path) && !Parts.own_run?(klass) }
      end

      def of_another_file?(klass, path)
        @homes ||= {}.compare_by_identity
        home = @homes.fetch(klass) { @homes[klass] = home_of(klass) }
        !home.nil? && home != path && @files.key?(home)
      end

      def home_of(klass)
        file, = klass.name && Object.const_source_location(klass.name)
        file && @places.relative(file)
      rescue NameError
        nil
      end

      # If threads ran, work that is left in the executor's queue would run with the next file. So the child gets no
      # next file. Nor where its reporter cannot print.
      def tell_faults(run)
        spent = run.threads || !Printing.raised.nil?
        if run.raised
          error, test = run.raised
          @reporter.file_error(**@faults.of('run', error), test: test&.name, spent: spent)
        end
        run.missing.each do |message, test|
          @reporter.file_error(what: 'quit', exception: nil, message: message, backtrace: [], test: test&.name, spent: spent)
        end
      end

      # The warning is there because a focus is easily committed by mistake.
      def tell_filtered(left_out, file, path)
        return if left_out.zero?
        return @reporter.left_out(tests: left_out, by: @options.filters) unless file.focus

        tests = left_out == 1 ? '1 test was' : "#{left_out} tests were"
        @reporter.warning("a focus was active in #{path}: #{tests} left out")
      end
    end
  end
end
