# frozen_string_literal: true

require_relative '../protocol'

module Gorgon
  module Frameworks
    # Minitest's view of us: a reporter that turns its results into ours.
    class MinitestRecorder
      def initialize(reporter, places)
        @reporter = reporter
        @places = places
        @running = {}   # thread => [test, when it started]
      end

      # The tests to come: class => method name => test.
      def expect(tests)
        @begun = {}.compare_by_identity
        @tests = {}.compare_by_identity
        tests.each { |test| (@tests[test.klass] ||= {})[test.method_name] = test }
      end

      def start; end

      def report; end

      def passed?
        true
      end

      def prerecord(klass, method_name)
        test = (@tests[klass] || {})[method_name.to_s] or return
        @begun[test] = true
        @reporter.test_started(id: test.id, name: test.name)
        @running[Thread.current] = [test, Frameworks.now]
      end

      def record(result)
        test, started_at = @running.delete(Thread.current)
        return beside_tests(result) unless test

        seconds = Frameworks.now - started_at
        @reporter.test_finished(of_test(test).merge(seconds: seconds).merge(of_result(result)))
      end

      # Takes out the test that this thread has begun and will not end.
      def drop
        @running.delete(Thread.current)&.first
      end

      # Takes out all tests that were begun and did not end.
      def lost
        @running.values.map(&:first).tap { @running.clear }
      end

      # Those of the tests that did not begin.
      def not_begun(tests)
        tests.reject { |test| @begun.key?(test) }
      end

      private

      # Of the hooks of a class, which plugins record as they do tests; or a test's second result.
      def beside_tests(result)
        fault = of_result(result)
        return if fault[:outcome] == 'passed'

        what = "#{result.respond_to?(:klass) ? result.klass : result.class}##{result.name}"
        return @reporter.warning("#{what} was skipped: #{fault[:message]}") if fault[:outcome] == 'skipped'

        @reporter.file_error(what: what, exception: fault[:exception], message: fault[:message],
                             backtrace: fault[:backtrace])
      end

      def of_test(test)
        { id: test.id, name: test.name, classname: test.name.delete_suffix("##{test.method_name}"), group: test.group,
          file: test.file ? @places.relative(test.file) : '', line: test.line || 0 }.compact
      end

      # The first failure decides, as in Minitest's own summary; the text holds all of them.
      def of_result(result)
        failures = result.failures
        first = failures.first or return { outcome: 'passed' }
        {
          outcome: outcome(first), exception: first.is_a?(::Minitest::Skip) ? nil : Raised.name(cause(first)),
          message: failures.size == 1 ? message(first) : failures.map { |failure| labelled(failure) }.join("\n\n"),
          backtrace: backtrace(first)
        }.compact
      end

      def outcome(failure)
        case failure
        when ::Minitest::Skip then 'skipped'
        when ::Minitest::UnexpectedError then 'errored'
        else 'failed'
        end
      end

      def cause(failure)
        failure.is_a?(::Minitest::UnexpectedError) ? failure.error : failure
      end

      def message(failure)
        error = cause(failure)
        text = Json.utf8(Raised.message(error))
        text = "#{Raised.name(error)}: #{text}" unless error.equal?(failure)
        "#{text}#{Raised.caused_by(error, text) { |lines| shown(lines) }}"
      end

      def labelled(failure)
        lines = backtrace(failure).map { |line| "    #{Json.utf8(line)}" }
        ["#{Raised.guarded(-> { 'Failure' }) { failure.result_label }}:", message(failure), *lines].join("\n")
      end

      def backtrace(failure)
        shown(Raised.backtrace(cause(failure)))
      end

      def shown(lines)
        @places.backtrace(Raised.guarded(-> { lines }) { ::Minitest.filter_backtrace(lines) })
      end
    end
  end
end
