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
require_relative 'hooks'
require_relative 'options'
require_relative 'parts'
require_relative 'results'
require_relative 'runs'
require_relative 'suites'

module Gorgon
  module Frameworks
    # Test::Unit 3. Its AutoRunner runs the suite of each file: with the runner, the options and the
    # listeners that the project chose, and with our listener beside them. The classes of the file
    # make their suites by themselves. Each test runs once in a process, with the file whose loading
    # brought it.
    class TestUnit
      LIBRARIES = %w[test/unit test/unit/collector/descendant test/unit/ui/console/testrunner].freeze

      AHEAD = Ahead.new(gems: %w[test/unit power_assert], ruby: %w[English io/console/size optparse ripper])
      private_constant :AHEAD

      # Compiles Test::Unit ahead, and does not load it: in a plain run, too, it is not there before a test file asks
      # for it.
      def self.keep_warm(compiled)
        AHEAD.keep(compiled) unless defined?(::Test::Unit::TestCase)
      end

      def initialize(settings, reporter)
        @settings = settings
        @reporter = reporter
        @places = Places.new(settings.root)
        @faults = Faults.new(@places)
        @results = TestUnitResults.new(reporter, @places)
        @hooks = TestUnitHooks::Once.new(reporter, @results)
        @loading = Loading.new(@places)
        @files = {} # path => its turns, for its further parts
        @stand_in = STAND_INS['Test::Unit::AutoRunner']
        @exits = Exits.new { Frameworks.test_unit_asked? }
      end

      def start
        @memory = Memory.new(@places, Frameworks.job_files(@settings)) { |klass| @suites.names(klass) }
        @options = TestUnitOptions.new(@settings, @reporter)
        @options.offer
        return unless there?

        ready
        @memory.before_first_file(classes)
      end

      # Loads the file and runs its tests, or those selected. A further part of the file runs
      # what its first loading brought. `loaded`: another adapter has loaded it, and found none.
      def run(path, selection = nil, loaded: false)
        turns = @files[path] || load_turns(path, loaded) or return
        run_tests(path, turns, selection)
      ensure
        @memory.pass_over(classes, (turns || []).map(&:first)) if there?
        @suites&.forget
      end

      # Runs the hooks of Test::Unit.at_exit, and asks a `run` that the suite has put over the runner's.
      def finish
        return unless @runner

        @exits.forget_trap
        guarded('Test::Unit.at_exit') { ::Test::Unit.run_at_exit_hooks }
        @memory.pass_over(classes, [])
        Frameworks.at_last(@memory, @reporter, @faults) { Frameworks.test_unit_asked? ? classes : [] }
        @stand_in.answer = @verdict = !@failed
        return unless @stand_in.overridden?

        said = @verdict = guarded('Test::Unit::AutoRunner.run') { @stand_in.ask }
        return if @failed || @stand_in.passed?(said)

        tell('Test::Unit::AutoRunner.run', "Test::Unit::AutoRunner.run, which the suite overrides, answers #{said.inspect}: the run did not pass")
      end

      # What Test::Unit gives to `exit` at the end of a plain run; nil: it does not exit.
      def verdict
        @verdict if @runner && Frameworks.test_unit_asked?
      end

      # The status at exit of a process that a test forked, and that came to the end of the file.
      def fork_status(failed)
        failed ? 1 : 0
      end

      private

      def there?
        defined?(::Test::Unit::TestCase::DESCENDANTS)
      end

      # Called once Test::Unit is loaded: loads the files that every plain run has loaded before its first test.
      def ready
        return if @suites

        AHEAD.used { Frameworks.disarmed { LIBRARIES.each { |library| Frameworks::REQUIRE.call(library) } } }
        @stand_in.put(::Test::Unit::AutoRunner)
        TestUnitRuns.put(::Test::Unit::UI::TestRunnerMediator)
        TestUnitHooks.install
        @suites = TestUnitSuites.new { |klass, error| @reporter.file_error(**@faults.of("suite of #{klass.name}", error)) }
      end

      def classes
        ::Test::Unit::TestCase::DESCENDANTS
      end

      def load_turns(path, loaded)
        @exited = nil
        absolute = @places.absolute(path)
        now = loaded || @loading.watch(path) { load_file(absolute) }
        return unless exits_passed? && there?

        ready
        return unless prepared?

        turns = @memory.fresh(classes, absolute, Frameworks.opened, Frameworks.scan.text(absolute)).reject { |_, names| names.empty? }
        return had_their_turn if @results.any? && @memory.lost.any?
        return tell_exit(turns) if @exited && turns.any?

        @files[path] = turns
        @reporter.warning(Frameworks.loaded_before(path)) if !now && @files[path].empty?
        @files[path]
      rescue *PASSED_UP
        raise
      rescue Exception => e # what a file raises is a result, whatever its class
        @reporter.file_error(**@faults.of('load', e))
        nil
      ensure
        @exits.let_go
      end

      def load_file(path)
        TestUnitRuns.while_loading do
          @exits.held { there? ? Frameworks.load_file(path) : AHEAD.used { Frameworks.load_file(path) } }
        end
      rescue SystemExit => e
        raise unless e.success?

        # `exit Test::Unit::AutoRunner.run`. Without it, Test::Unit runs nothing after an exit.
        @exited = e unless TestUnitRuns.asked
        true
      ensure
        @options.offer if TestUnitRuns.asked && !@runner
      end

      def tell_exit(turns)
        names = turns.flat_map { |klass, tests| tests.map { |name| "#{klass.name || klass.inspect}##{name}" } }
        @reporter.file_error(**@faults.exited(@exited, names))
        nil
      end

      def had_their_turn
        @reporter.file_error(**@faults.had_their_turn(@memory.lost))
        nil
      end

      # Handlers of at_exit that come before the tests. They may end the run.
      def exits_passed?
        error = TestUnitRuns.while_loading { @exits.run }
        @options.offer if TestUnitRuns.asked && !@runner
        return true if error.nil? || (SystemExit === error && error.success? && TestUnitRuns.asked)

        @reporter.file_error(**@faults.before_tests(error))
        false
      end

      # Done after a file is loaded, as its helpers may bring options.
      def prepared?
        prepare unless @broken
        @reporter.file_error(**@broken, spent: true) if @broken
        !@broken
      end

      def prepare
        @runner = @options.runner
      rescue *PASSED_UP
        raise
      rescue Exception => e
        @broken = @faults.of('options of Test::Unit', e)
      end

      # All tests of the file are numbered before any is filtered: an id names the same test in each run.
      def run_tests(path, turns, selection)
        parts = TestUnitParts.new(@places)
        suite = @suites.of_file(path, turns, @runner.filters) { |test| parts.add(test) }
        tell_filtered(parts.size - suite.size) unless selection
        chosen = parts.chosen(@suites.tests(suite), @places.absolute(path), selection, @reporter)
        @reporter.indivisible if @loading.keeps_whole?(path, @hooks.all)
        @suites.keep(suite, chosen.map(&:instance)) if selection
        @results.expect(parts, chosen, suite.size)
        run_suite(suite) unless suite.empty?
      end

      def tell_filtered(left_out)
        @reporter.left_out(tests: left_out, by: @options.filters) if left_out.positive? && @reporter.respond_to?(:left_out)
      end

      def run_suite(suite)
        @results.prints = @options.prints?
        passed = @hooks.held { @options.run(suite, @results) }
        @failed ||= !passed
        return unless @reporter.ours?

        @results.ran
        tell_what_did_not_run
        tell_the_verdict unless passed
      rescue *PASSED_UP
        raise
      rescue Exception => e
        raise unless @reporter.ours?

        tell_raised(e)
      end

      def tell_raised(error)
        return tell_what_did_not_run && @reporter.file_error(**@faults.of('run', error), spent: !Printing.raised.nil?) unless @hooks.broken

        @broken = @faults.of('Test::Unit.at_start', error)
        @reporter.file_error(**@broken, spent: true)
      end

      # A file whose tests did not all end has not passed, whatever those say that did.
      def tell_what_did_not_run
        return true unless @results.left.positive?

        names = @results.not_ended
        shown = Faults.first_names(names)
        @reporter.file_error(what: 'quit', exception: nil, backtrace: [],
                             message: "#{@results.left} of #{@results.expected} tests did not run#{" (#{shown})" unless names.empty?}: " \
                                      'Test::Unit was stopped, or a `run` of the suite or of the test leaves them out')
      end

      def guarded(what)
        yield
      rescue SystemExit => e
        return e.success? || e.status unless what == 'Test::Unit.at_exit'

        tell(what, "a hook of Test::Unit.at_exit called exit, status #{e.status}", 'SystemExit') unless e.success?
      rescue *PASSED_UP
        raise
      rescue Exception => e
        @reporter.suite_hook_failed(**@faults.of(what, e))
        true
      end

      def tell(what, message, exception = nil)
        @reporter.suite_hook_failed(what: what, exception: exception, message: message, backtrace: [])
      end

      # The project's runner, or the result that it kept, may say that the run failed although each test passed.
      def tell_the_verdict
        return if @results.red?

        @reporter.file_error(what: 'run', exception: nil, backtrace: [],
                             message: 'the runner of Test::Unit says that the run did not pass, though each of its tests did')
      end
    end
  end
end
