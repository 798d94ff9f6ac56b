# frozen_string_literal: true

require_relative '../protocol'

module Gorgon
  module Frameworks
    # Listens to Test::Unit's mediator and turns what it tells into results.
    class TestUnitRecorder
      def initialize(reporter, places)
        @reporter = reporter
        @places = places
      end

      # The tests to come: Test::Unit's object => test.
      def expect(tests)
        @tests = {}.compare_by_identity
        @left = tests.size
        tests.each { |test| @tests[test.instance] = test }
      end

      # How many of them did not end.
      attr_reader :left

      # By a key of our own: to make one of a block costs Test::Unit more than a small test.
      def attach(mediator)
        mediator.add_listener(::Test::Unit::TestCase::STARTED_OBJECT, self) { |test| started(test) }
        mediator.add_listener(::Test::Unit::TestResult::FAULT, self) { |fault| fault(fault) }
        mediator.add_listener(::Test::Unit::TestCase::FINISHED_OBJECT, self) { |test| finished(test) }
      end

      private

      def started(instance)
        @test = @tests[instance] or return
        @faults = []
        @reporter.test_started(id: @test.id, name: @test.name)
        @started_at = Frameworks.now
      end

      def fault(fault)
        @test ? @faults << fault : outside_fault(fault)
      end

      def finished(_instance)
        return unless @test

        seconds = Frameworks.now - @started_at
        result = of_test(@test).merge(seconds: seconds).merge(of_faults)
        @test = nil
        @left -= 1
        @reporter.test_finished(result)
      end

      def of_test(test)
        { id: test.id, name: test.name, classname: test.instance.class.name.to_s, group: test.group,
          file: test.file ? @places.relative(test.file) : '', line: test.line || 0 }.compact
      end

      # The first failure or error decides, else an omission or pending; a notification never.
      # The text holds all of them.
      def of_faults
        faults = @faults.reject { |fault| outcome(fault) == 'passed' }
        first = faults.find { |fault| outcome(fault) != 'skipped' } || faults.first or return { outcome: 'passed' }
        {
          outcome: outcome(first), exception: exception(first),
          message: faults.size == 1 ? text(first) : faults.map { |fault| labelled(fault) }.join("\n\n"),
          backtrace: backtrace(first)
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
        when ::Test::Unit::Error then Raised.name(fault.exception)
        when ::Test::Unit::Failure then 'Test::Unit::AssertionFailedError'
        end
      end

      def text(fault)
        Json.utf8(Raised.guarded(-> { of_exception(fault) }) { fault.message })
      end

      # In place of Test::Unit's own words, which ask the exception.
      def of_exception(fault)
        return '(its message cannot be shown)' unless ::Test::Unit::Error === fault

        "#{Raised.name(fault.exception)}: #{Raised.message(fault.exception)}"
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
