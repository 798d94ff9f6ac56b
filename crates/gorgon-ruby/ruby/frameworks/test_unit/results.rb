# frozen_string_literal: true

require_relative '../../protocol'
require_relative '../printing'
require_relative 'rerun'

module Gorgon
  module Frameworks
    # A listener of Test::Unit, as a project may have its own: turns what the mediator tells into results.
    class TestUnitResults
      # A test that has begun.
      Running = Struct.new(:test, :started_at, :faults)

      # What its console runner calls of STDOUT when a test has ended.
      PRINTS = [[:write, '.'], [:flush]].freeze

      def initialize(reporter, places)
        @reporter = reporter
        @places = places
        @printing = Printing.new
        @running = {}.compare_by_identity # thread => its test
      end

      # Whether the console runner would print to STDOUT.
      attr_writer :prints

      # The tests to come, those of them that were chosen, and how many the suite says it has.
      def expect(parts, chosen, size)
        @parts = parts
        @chosen = chosen
        @expected = size
        @ended = 0
        @over = {}.compare_by_identity
        @red = false
        @running.clear
      end

      # To be called when the tests of a file have run: in a plain run the sums may come next.
      def ran
        @printing.print_if_changed([:puts], [:flush]) if @prints
      end

      # How many tests are to end.
      attr_reader :expected

      # How many of them did not.
      def left
        @expected - @ended
      end

      # Whether any test has ended in this process.
      def any?
        !@any.nil?
      end

      # The names of the chosen tests that did not end.
      def not_ended
        @chosen.reject { |test| @over.key?(test) }.map(&:name)
      end

      # Whether anything was told that fails a run.
      def red?
        @red
      end

      # Whether this thread is inside a test.
      def in_test?
        @running.key?(::Thread.current)
      end

      # Registered under a key of our own: making a key from a block costs Test::Unit more than a small test.
      def attach_to_mediator(mediator)
        mediator.add_listener(::Test::Unit::TestCase::STARTED_OBJECT, self) { |test| started(test) }
        mediator.add_listener(::Test::Unit::TestResult::FAULT, self) { |fault| fault(fault) }
        mediator.add_listener(::Test::Unit::TestCase::FINISHED_OBJECT, self) { |test| finished(test) }
      end

      private

      def started(instance)
        test = @parts[instance]
        @reporter.test_started(id: test.id, name: test.name)
        @running[::Thread.current] = Running.new(test, Frameworks.now, [])
      end

      def fault(fault)
        @red = true if outcome(fault) == 'failed' || outcome(fault) == 'errored'
        running = @running[::Thread.current]
        running ? running.faults << fault : outside_fault(fault)
      end

      def finished(instance)
        running = @running.delete(::Thread.current) or return
        seconds = Frameworks.now - running.started_at
        @ended += 1
        @any = true
        @over[running.test] = true
        @reporter.test_finished(of_test(running.test).merge(seconds: seconds).merge(of_faults(running.faults, instance)))
        @printing.print_if_changed(*PRINTS) if @prints
      end

      def of_test(test)
        { id: test.id, name: test.name, classname: test.classname, group: test.group,
          file: test.file ? @places.relative(test.file) : '', line: test.line || 0 }.compact
      end

      # The first failure or error decides, else an omission or pending; a notification never.
      # The text holds all of them.
      def of_faults(all, instance)
        faults = all.reject { |fault| outcome(fault) == 'passed' }
        first = faults.find { |fault| outcome(fault) != 'skipped' } || faults.first or return { outcome: 'passed' }
        {
          outcome: outcome(first), exception: exception(first),
          message: faults.size == 1 ? text(first) : faults.map { |fault| labelled(fault) }.join("\n\n"),
          backtrace: backtrace(first), rerun: (TestUnitRerun.of(instance, @parts.instances) if %w[failed errored].include?(outcome(first)))
        }.compact
      end

      def outcome(fault)
        case fault
        when ::Test::Unit::Error then 'errored'
        when ::Test::Unit::Failure then 'failed'
        when ::Test::Unit::Notification then 'passed'
        else 'skipped'
        end
      end

      def exception(fault)
        case fault
        when ::Test::Unit::Error then Raised.class_text(fault.exception)
        when ::Test::Unit::Failure then 'Test::Unit::AssertionFailedError'
        end
      end

      def text(fault)
        said = Json.utf8(Raised.guarded(-> { of_exception(fault) }) { fault.message })
        return said unless ::Test::Unit::Error === fault

        said + Raised.caused_by(fault.exception, said) { |lines| @places.backtrace(lines) }
      end

      # In place of Test::Unit's own words, which ask the exception.
      def of_exception(fault)
        return '(its message cannot be shown)' unless ::Test::Unit::Error === fault

        "#{Raised.class_text(fault.exception)}: #{Raised.message(fault.exception)}"
      end

      def labelled(fault)
        ["#{fault.label}:", text(fault), *backtrace(fault).map { |line| "    #{Json.utf8(line)}" }].join("\n")
      end

      def backtrace(fault)
        @places.backtrace(Raised.guarded(-> { [] }) { fault.location })
      end

      # startup and shutdown of a class
      def outside_fault(fault)
        return if outcome(fault) == 'passed' || outcome(fault) == 'skipped'

        hook = fault.respond_to?(:exception) && Raised.backtrace(fault.exception).join("\n")[/run_(startup|shutdown)/, 1]
        @reporter.file_error(
          what: "#{hook || 'startup or shutdown'} of #{fault.test_name}", exception: exception(fault),
          message: text(fault), backtrace: backtrace(fault)
        )
      end
    end
  end
end
