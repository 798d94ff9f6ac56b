# frozen_string_literal: true

require_relative '../../frameworks'
require_relative '../faults'
require_relative '../ids'
require_relative '../memory'
require_relative '../part'
require_relative '../selection'
require_relative 'hooks'
require_relative 'options'
require_relative 'parts'
require_relative 'results'
require_relative 'suites'

module Gorgon
  module Frameworks
    # Test::Unit 3. Its AutoRunner runs the suite of each file: with the runner, the options and the
    # listeners that the project chose, and with our listener beside them. The classes of the file
    # make their suites by themselves. Each test runs once in a process, with the file whose loading
    # brought it.
    class TestUnit
      # Maximum number of tests that are named where many did not run.
      MOST_NAMED = 5

      # Loads what every plain run has loaded before its first test.
      def self.preload
        Frameworks.disarmed do
          require 'test/unit'
          require 'test/unit/collector/descendant'
          require 'test/unit/ui/console/testrunner'
        end
      end

      def initialize(settings, reporter)
        @settings = settings
        @reporter = reporter
        @places = Places.new(settings.root)
        @faults = Faults.new(@places)
        @results = TestUnitResults.new(reporter, @places)
        @hooks = TestUnitHooks::Once.new(@results)
        @files = {} # path => its turns, for its further parts
      end

      def start
        self.class.preload
        TestUnitHooks.install
        @suites = TestUnitSuites.new { |klass, error| @reporter.file_error(**@faults.of("suite of #{klass.name}", error)) }
        @memory = Memory.new(@places) { |klass| @suites.names(klass) }
        @options = TestUnitOptions.new(@settings, @reporter)
        @options.offer
        @memory.before_first_file(classes)
      end

      # Loads the file and runs its tests, or those selected. A further part of the file runs
      # what its first loading brought. `loaded`: another adapter has loaded it, and found none.
      def run(path, selection = nil, loaded: false)
        turns = @files[path] || load_turns(path, loaded) or return
        run_tests(path, turns, selection)
      ensure
        @memory.pass_over(classes, (turns || []).map(&:first))
        @suites.forget
      end

      # Runs the hooks of Test::Unit.at_exit.
      def finish
        ::Test::Unit.run_at_exit_hooks if @runner
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e
        @reporter.suite_hook_failed(**@faults.of('Test::Unit.at_exit', e))
      end

      private

      def classes
        ::Test::Unit::TestCase::DESCENDANTS
      end

      def load_turns(path, loaded)
        absolute = @places.absolute(path)
        now = loaded || Frameworks.load_file(absolute)
        return unless prepared?

        @files[path] = @memory.fresh(classes, absolute, Frameworks.opened).reject { |_, names| names.empty? }
        @reporter.warning(Frameworks.loaded_before(path)) if !now && @files[path].empty?
        @files[path]
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e # what a file raises is a result, whatever its class
        @reporter.file_error(**@faults.of('load', e))
        nil
      end

      # Done after a file is loaded, as its helpers may bring options.
      def prepared?
        prepare unless @broken
        @reporter.file_error(**@broken, spent: true) if @broken
        !@broken
      end

      def prepare
        @runner = @options.runner
      rescue UnknownOption, *PASSED_UP
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
        @suites.keep(suite, chosen.map(&:instance)) if selection
        @results.expect(parts, chosen, suite.size)
        run_suite(suite) unless suite.empty?
      end

      def tell_filtered(left_out)
        @reporter.left_out(tests: left_out, by: @options.filters) if left_out.positive? && @reporter.respond_to?(:left_out)
      end

      def run_suite(suite)
        passed = @hooks.held { @options.run(suite, @results) }
        return unless @reporter.ours?

        tell_what_did_not_run
        tell_the_verdict unless passed
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e
        raise unless @reporter.ours?

        tell_raised(e)
      end

      def tell_raised(error)
        return tell_what_did_not_run && @reporter.file_error(**@faults.of('run', error)) unless @hooks.broken

        @broken = @faults.of('Test::Unit.at_start', error)
        @reporter.file_error(**@broken, spent: true)
      end

      # A file whose tests did not all end has not passed, whatever those say that did.
      def tell_what_did_not_run
        return true unless @results.left.positive?

        names = @results.not_ended
        shown = names.first(MOST_NAMED).join(', ') + (names.size > MOST_NAMED ? ', …' : '')
        @reporter.file_error(what: 'quit', exception: nil, backtrace: [],
                             message: "#{@results.left} of #{@results.expected} tests did not run#{" (#{shown})" unless names.empty?}: " \
                                      'Test::Unit was stopped, or a `run` of the suite or of the test leaves them out')
      end

      # The runner, or the result that it kept, may know better than the tests.
      def tell_the_verdict
        return if @results.red?

        @reporter.file_error(what: 'run', exception: nil, backtrace: [],
                             message: 'the runner of Test::Unit says that the run did not pass, though each of its tests did')
      end
    end
  end
end
