# frozen_string_literal: true

require_relative '../frameworks'
require_relative 'faults'
require_relative 'ids'
require_relative 'memory'
require_relative 'part'
require_relative 'selection'
require_relative 'minitest_groups'
require_relative 'minitest_options'
require_relative 'minitest_recorder'

module Gorgon
  module Frameworks
    # Minitest 5 and 6, classic and spec style: each test method runs once in a process, with
    # the file whose loading brought it.
    class Minitest
      # A test method of a class; `last` is the line where it ends.
      Test = Struct.new(:klass, :method_name, :id, :name, :file, :line, :group) do
        def last
          Lines.last(klass.instance_method(method_name), line)
        end
      end

      # Stands as Minitest's name filter for exactly these methods.
      class Only
        def initialize(names)
          @names = names
        end

        def ===(other)
          @names.include?(other)
        end

        def =~(_pattern)
          nil
        end
      end

      def self.preload
        Frameworks.disarmed { require 'minitest' }
      end

      def initialize(settings, reporter)
        @settings = settings
        @reporter = reporter
        @places = Places.new(settings.root)
        @faults = Faults.new(@places)
        @recorder = MinitestRecorder.new(reporter, @places)
        @memory = Memory.new(@places) { |klass| method_names(klass) }
        @files = {} # path => its tests, for its further parts
        @divisible = {} # path => whether each of these is known by an id of its own
      end

      def start
        self.class.preload unless defined?(::Minitest::Runnable)
        @memory.before_first_file(runnables)
      end

      # Loads the file and runs its tests, or those selected. A further part of the file runs
      # what its first loading brought. `loaded`: another adapter has loaded it, and found none.
      def run(path, selection = nil, loaded: false)
        tests = @files[path] || load_tests(path, loaded) or return
        run_suites(chosen(tests, path, selection))
      ensure
        # A test may have reset it; to name the tests of a class asks for it.
        ::Minitest.seed = @options[:seed] if @options
        @memory.pass_over(runnables, (tests || []).map(&:klass).uniq)
      end

      # Runs the hooks of Minitest.after_run, last one first, as Minitest does.
      def finish
        return unless defined?(::Minitest::Runnable)

        hooks = ::Minitest.class_variable_get(:@@after_run)
        run_hook(hooks.pop) until hooks.empty?
      end

      private

      def chosen(tests, path, selection)
        part = Part.of(selection)
        @reporter.divisible if @divisible[path] && (part || !selection)
        return part.of(tests.select { |test| named?(test) }, @reporter) if part

        Selection.new(@places.absolute(path), selection, @reporter).of(tests).select { |test| named?(test) }
      end

      def runnables
        ::Minitest::Runnable.runnables
      end

      def load_tests(path, loaded)
        absolute = @places.absolute(path)
        now = loaded || Frameworks.load_file(absolute)
        return unless prepared?

        @files[path] = new_tests(absolute)
        @divisible[path] = @distinct
        @reporter.warning(Frameworks.loaded_before(path)) if !now && @files[path].empty?
        @files[path]
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e # what a file raises is a result, whatever its class
        @reporter.file_error(**@faults.of('load', e))
        nil
      end

      # Done after a file is loaded, as its helpers may bring plugins.
      def prepared?
        prepare unless @broken || @configured&.complete?
        @reporter.file_error(**@broken, spent: true) if @broken
        !@broken
      end

      def prepare
        @configured ||= MinitestOptions.new(@settings)
        @options = @configured.prepare
        left_over = @configured.left_over
        @reporter.warning(Frameworks.no_options('Minitest', left_over)) if left_over.any? && !@composite
        @name = pattern(@options[:filter] || @options[:include])
        @exclude = pattern(@options[:exclude])
        @composite = ::Minitest::CompositeReporter.new(@recorder)
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e
        @broken = @faults.of('options and plugins of Minitest', e)
      end

      # A name, or a regular expression between slashes.
      def pattern(name)
        name.is_a?(String) && name =~ %r{/(.*)/} ? Regexp.new(Regexp.last_match(1)) : name
      end

      def new_tests(path)
        ids = Ids.new
        tests = @memory.fresh(runnables, path, Frameworks.opened).flat_map do |klass, names|
          names.sort.map { |name| test(klass, name, ids) }
        end
        @distinct = ids.distinct?
        tests
      end

      def method_names(klass)
        klass.runnable_methods
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e
        @reporter.file_error(**@faults.of("tests of #{klass}", e))
        []
      end

      def test(klass, method_name, ids)
        name = "#{klass.name || klass.inspect}##{method_name}"
        # A class may list names that it answers by method_missing.
        file, line = klass.instance_method(method_name).source_location if klass.method_defined?(method_name)
        Test.new(klass, method_name, ids.id(name), name, file && @places.absolute(file), line, MinitestGroups.of(klass))
      end

      # Minitest's option -n; Rails lets it be a description with spaces.
      def named?(test)
        return true unless @name

        @name === test.method_name || @name === test.name ||
          (@name.is_a?(String) && test.method_name == "test_#{@name.delete_prefix('test_').gsub(/\s+/, '_')}")
      end

      # In the order of a plain run of the file alone: shuffled by the seed among the classes that
      # are always there, parallel ones last.
      def run_suites(tests)
        by_class = tests.group_by(&:klass).compare_by_identity
        @recorder.expect(tests)
        parallel, serial = suites(by_class).partition { |klass| klass.respond_to?(:test_order) && klass.test_order == :parallel }
        serial.each { |klass| run_suite(klass, by_class[klass]) }
        return if parallel.empty?

        in_threads { parallel.each { |klass| run_suite(klass, by_class[klass]) } }
        tell_lost(by_class.values_at(*parallel).flatten(1))
      end

      # One alone has no order, whatever is shuffled with it.
      def suites(by_class)
        return by_class.keys if by_class.size < 2

        shuffled = runnables.select { |klass| by_class.key?(klass) || @memory.without_tests?(klass) }
                            .shuffle(random: Random.new(::Minitest.seed))
        shuffled.select { |klass| by_class.key?(klass) }
      end

      def in_threads
        executor = ::Minitest.parallel_executor
        executor.start if executor.respond_to?(:start)
        yield
      ensure
        executor.shutdown if executor.respond_to?(:shutdown)
      end

      # A test that ends its thread takes with it its own result, and those of the tests that the
      # thread was to run.
      def tell_lost(tests)
        lost = @recorder.lost
        return if lost.empty?

        lost.each { |test| tell_quit("the thread that ran #{test.name} ended before the test did", test.name) }
        left = @recorder.not_begun(tests).reject { |test| @exclude === test.method_name || @exclude === test.name }
        tell_quit("#{left.size} tests did not run, as their threads had ended") unless left.empty?
      end

      # What is left in the executor's queue would be the next file's.
      def tell_quit(message, test = nil)
        @reporter.file_error(what: 'quit', exception: nil, message: message, backtrace: [], test: test, spent: true)
      end

      def run_suite(klass, tests)
        only = Only.new(tests.to_h { |test| [test.method_name, true] })
        options = @options.merge(filter: only, include: only)
        klass.respond_to?(:run_suite) ? klass.run_suite(@composite, options) : klass.run(@composite, options)
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e
        @reporter.file_error(**@faults.of(klass.name.to_s, e), test: @recorder.drop&.name)
      end

      def run_hook(hook)
        hook.call
      rescue SystemExit => e
        @reporter.warning("a hook of Minitest.after_run exited with status #{e.status}") unless e.success?
      rescue SignalException, NoMemoryError
        raise
      rescue Exception => e
        @reporter.suite_hook_failed(**@faults.of('Minitest.after_run', e))
      end
    end
  end
end
