# frozen_string_literal: true

require_relative '../../protocol'
require_relative '../../raised'

module Gorgon
  module Frameworks
    class Minitest
      # Our reporter among those of a run: turns Minitest's results into ours.
      class Results
        # Minitest replaces an exception that cannot be marshalled by another, which may be of another class and has no
        # causes: remembers what it stands for.
        module Originals
          class << self
            # The exception that stands in for another => that one.
            def kept
              @kept ||= {}.compare_by_identity
            end
          end

          def sanitize_exception(error)
            super.tap { |kept| Originals.kept[kept] = error unless kept.equal?(error) }
          end
        end

        # As in Minitest's reporters: the IO that a class writes to, and the options of the run.
        attr_accessor :io, :options

        # Whether a test has failed in this process.
        attr_reader :failed

        # The block makes the test of a class and a method's name that was not expected.
        def initialize(reporter, places, &unexpected)
          @reporter = reporter
          @places = places
          @unexpected = unexpected
          @running = {} # thread => [test, when it started]
          @failed = false
        end

        # The tests to come. `statistic` is the reporter that counts for Minitest itself, if there is one.
        def expect(tests, statistic = nil)
          @statistic = statistic
          @counted = [statistic.count, statistic.results.size] if statistic
          @recorded = 0
          @seen = {}.compare_by_identity
          @rerun = Rerun.new(tests)
          @tests = {}.compare_by_identity
          tests.each { |test| (@tests[test.klass] ||= {})[test.method_name] = test }
          @begun = {}.compare_by_identity
          @ended = Hash.new(0).compare_by_identity
          @beside = {}
          @by_name = nil
        end

        def start; end

        def report; end

        def passed?
          !@failed
        end

        def prerecord(klass, method_name)
          test = begin_test((@tests[klass] || {})[method_name.to_s] || @unexpected.call(klass, method_name.to_s))
          @running[Thread.current] = [test, Frameworks.now]
        end

        def record(result)
          @recorded += 1
          @seen[result] = true unless result.failures.empty?
          test, started_at = @running.delete(Thread.current)
          test, started_at = by_name(test, started_at, result)
          return beside_tests(result) unless test

          seconds = started_at ? Frameworks.now - started_at : result.time.to_f
          end_test(test, seconds, of_result(result))
        end

        # A suite that runs tests in forks may give their counts to Minitest's statistic, and no result to the reporters.
        # Takes the results from the statistic, if they are those of all tests that are `left`.
        def adopt(left)
          return if @statistic.nil? || left.empty? || @statistic.count - @counted.first - @recorded != left.size

          @statistic.results.drop(@counted.last).each { |result| record(result) unless @seen.key?(result) }
          left.reject { |test| ended?(test) }.each { |test| end_test(begin_test(test), 0.0, { outcome: 'passed' }) }
          @recorded = @statistic.count - @counted.first
        end

        # Whether any test has ended in this process.
        def any?
          !@any.nil?
        end

        # Whether the test had its result.
        def ended?(test)
          @ended.key?(test)
        end

        # Whether a hook of its class has told why its tests do not run.
        def beside?(test)
          @beside.key?(class_name(test))
        end

        # Takes out the test that this thread has begun and will not end.
        def drop
          @running.delete(Thread.current)&.first
        end

        # Takes out all tests that were begun and did not end.
        def lost
          lost = @running.values.map(&:first)
          @running.clear
          lost
        end

        private

        def begin_test(test)
          # A class may run a test more than once: Minitest counts each.
          number = @begun[test] = @begun.fetch(test, 0) + 1
          @reporter.test_started(id: id(test, number), name: test.name)
          test
        end

        def id(test, number)
          number > 1 ? "#{test.id}@#{number}" : test.id
        end

        def end_test(test, seconds, fault)
          @ended[test] += 1
          @any = true
          bad = %w[failed errored].include?(fault[:outcome])
          @failed = true if bad
          fault = fault.merge(rerun: @rerun.of(test)) if bad
          @reporter.test_finished(of_test(test).merge(seconds: seconds).merge(fault))
        end

        # A result may come without its begin, from another thread or process: its names say whose it is.
        def by_name(test, started_at, result)
          return [test, started_at] if test && test.method_name == result.name.to_s

          @by_name ||= @tests.each_value.flat_map(&:values).group_by(&:name)
          found = @by_name.fetch("#{owner(result)}##{result.name}", []).find { |each| !@ended.key?(each) }
          return [test, started_at] if found.nil?

          @running[Thread.current] = [test, started_at] if test
          [begin_test(found), nil]
        end

        def owner(result)
          result.respond_to?(:klass) ? result.klass : result.class.name
        end

        # Faults of the hooks of a class, which plugins record like tests.
        def beside_tests(result)
          @beside[owner(result).to_s] = true
          fault = of_result(result)
          return if fault[:outcome] == 'passed'

          what = "#{owner(result)}##{result.name}"
          return @reporter.warning("#{what} was skipped: #{fault[:message]}") if fault[:outcome] == 'skipped'

          @failed = true
          @reporter.file_error(what: what, exception: fault[:exception], message: fault[:message],
                               backtrace: fault[:backtrace])
        end

        def of_test(test)
          { id: id(test, @ended[test]), name: test.name, classname: class_name(test), group: test.group,
            file: test.file ? @places.relative(test.file) : '', line: test.line || 0 }.compact
        end

        def class_name(test)
          test.name.delete_suffix("##{test.method_name}")
        end

        # The first failure decides, as in Minitest's own summary; the text holds all of them.
        def of_result(result)
          failures = result.failures
          first = failures.first or return { outcome: 'passed' }
          {
            outcome: outcome(first), exception: first.is_a?(::Minitest::Skip) ? nil : Raised.class_text(error(first)),
            message: failures.size == 1 ? message(first) : failures.map { |failure| labelled(failure) }.join("\n\n"),
            backtrace: backtrace(first)
          }.compact
        ensure
          Originals.kept.clear
        end

        LABELS = { 'skipped' => 'Skipped', 'errored' => 'Error', 'failed' => 'Failure' }.freeze
        private_constant :LABELS

        def outcome(failure)
          case failure
          when ::Minitest::Skip then 'skipped'
          when ::Minitest::UnexpectedError then 'errored'
          else 'failed'
          end
        end

        # What was raised.
        def error(failure)
          return failure unless failure.is_a?(::Minitest::UnexpectedError)

          Originals.kept.fetch(failure.error) { failure.error }
        end

        def message(failure)
          error = error(failure)
          text = Json.utf8(Raised.message(error))
          text = "#{Raised.class_text(error)}: #{text}" unless error.equal?(failure)
          "#{text}#{Raised.caused_by(error, text) { |lines| shown(lines) }}"
        end

        def labelled(failure)
          lines = backtrace(failure).map { |line| "    #{Json.utf8(line)}" }
          ["#{LABELS.fetch(outcome(failure))}:", message(failure), *lines].join("\n")
        end

        def backtrace(failure)
          shown(Raised.backtrace(error(failure)))
        end

        def shown(lines)
          kept = Raised.guarded(-> { lines }) { ::Minitest.backtrace_filter.filter(lines) }
          @places.backtrace(kept.empty? ? lines : kept)
        end
      end
    end
  end
end
