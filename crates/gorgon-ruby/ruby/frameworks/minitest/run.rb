# frozen_string_literal: true

require_relative '../faults'
require_relative 'exclusion'
require_relative 'handed'
require_relative 'parts'

module Gorgon
  module Frameworks
    class Minitest
      # One run of the classes of a file, by Minitest's own entry point, as Minitest.run does it: in the order that the
      # seed gives, with the executor of the suite, each class asked to run itself.
      class Run
        # `draws` seeds what the tests of a class draw.
        def initialize(results, composite, options, draws)
          @results = results
          @composite = composite
          @options = options
          @draws = draws
          @missing = []
          @left_out = 0
        end

        # Tests that were selected and did not run; sentences about them.
        attr_reader :missing
        # How many tests the filters of the options left out.
        attr_reader :left_out
        # Whether threads of the executor may hold more work.
        attr_reader :threads

        # What ended the run, and the test that it ended with; nil: it came to its end.
        attr_reader :raised

        # Runs the wanted ones among the tests of the file; `around` are classes without tests that Minitest shuffles
        # with theirs.
        def call(file, wanted, around, &warn)
          @file = file
          @warn = warn
          @results.expect(file.tests, @composite.reporters.grep(::Minitest::StatisticsReporter).first)
          rounds(wanted).each { |classes, tests| run_round(around, classes, tests) unless @raised }
        end

        private

        # The classes with wanted tests, and these tests. Of two classes with one name Minitest's filters cannot tell the
        # tests apart: where not all are wanted, each has a round of its own.
        def rounds(wanted)
          return [[@file.classes, wanted]] if @file.tests.size == wanted.size

          by_class = wanted.group_by(&:klass).compare_by_identity
          named = by_class.keys.group_by(&:to_s).values
          named.map(&:size).max.to_i.times.map do |at|
            classes = named.map { |same| same[at] }.compact
            [classes, by_class.values_at(*classes).flatten(1)]
          end
        end

        def run_round(around, classes, wanted)
          known = classes.to_h { |klass| [klass, true] }.compare_by_identity
          tests = @file.tests.select { |test| known.key?(test.klass) }
          exclusion = Exclusion.new(@options[:exclude], classes, tests, wanted, @file.had) { draw_apart }
          with_runnables(around, classes) do
            within_executor(classes) { entry(@options.merge(exclude: exclusion)) }
          end
          check(wanted, exclusion)
        rescue *PASSED_UP
          raise
        rescue Exception => e # rubocop:disable Lint/RescueException
          @raised = [e, @results.drop]
          check(wanted, exclusion)
        end

        # Minitest seeds the order of a class with the job's seed, and so what its tests draw: names and ports that are
        # to be distinct would be the same in two workers.
        def draw_apart
          ::Kernel.srand(@draws) if ::Minitest.respond_to?(:seed) && ::Random.seed == ::Minitest.seed
        end

        def entry(options)
          Minitest.six? ? ::Minitest.run_all_suites(@composite, options) : ::Minitest.__run(@composite, options)
        end

        # The classes, in the order of a plain run of this file alone. Classes that tests define meanwhile are kept.
        def with_runnables(around, classes)
          all = ::Minitest::Runnable.runnables.dup
          shown = {}.compare_by_identity
          around.each { |klass| shown[klass] = true }
          classes.each { |klass| shown[klass] = true }
          ::Minitest::Runnable.runnables.replace(shown.size > 1 ? all.select { |klass| shown.key?(klass) } : classes)
          yield
        ensure
          now = ::Minitest::Runnable.runnables
          now.replace(all.concat(now.reject { |klass| shown.key?(klass) }))
        end

        # If no test will use threads, none are started: starting them takes longer than a small file.
        def within_executor(classes)
          executor = ::Minitest.parallel_executor
          @threads = needed?(executor, classes)
          return yield unless @threads

          @handed = (Handed.new(executor) if classes.any? { |klass| Parts.own_step?(klass) })
          begin
            executor.start if executor.respond_to?(:start)
            yield
          ensure
            executor.shutdown if executor.respond_to?(:shutdown)
            @handed&.forget
          end
        end

        def needed?(executor, classes)
          return false if executor.nil?

          !executor.instance_of?(::Minitest::Parallel::Executor) ||
            classes.any? { |klass| ::Minitest::Parallel::Test::ClassMethods === klass || Parts.order(klass) == :parallel || Parts.own_run?(klass) }
        end

        # The tests that were selected and did not end.
        def check(wanted, exclusion)
          lost = @results.lost
          lost.each { |test| @missing << ["#{test.name} began, and did not end#{': its thread ended before it did' if @threads}", test] }
          @results.adopt(wanted.reject { |test| @results.ended?(test) || lost.include?(test) })
          told = [*lost, @raised&.last]
          left = wanted.reject { |test| @results.ended?(test) || @results.beside?(test) || told.include?(test) }
          selected, others = left.partition { |test| exclusion.selected?(test) }
          quit(chosen_by_class(kept_back(selected)), ': their class or the executor dropped them, or the threads that were to run them have ended')
          not_selected(others, exclusion)
        end

        # Tests that a filter left out, or whose class did not even ask.
        def not_selected(tests, exclusion)
          filtered, others = tests.partition { |test| filters? || exclusion.asked?(test.klass) || exclusion.excludes?(test) }
          @left_out += filtered.size
          quit(chosen_by_class(dropped(others, 'has a `run` of its own') { |test| Parts.own_run?(test.klass) }), '')
        end

        # A class that runs none of its tests has chosen not to run: an abstract one, say. It may run some, and lose others.
        def kept_back(tests)
          dropped(tests, 'has a `run` of its own') do |test|
            klass = test.klass
            Parts.own_step?(klass) && !@handed&.any_of?(klass) && @file.tests.none? { |each| each.klass.equal?(klass) && @results.ended?(each) }
          end
        end

        def chosen_by_class(tests)
          dropped(tests, 'leaves them out (filter_runnable_methods)') { |test| Parts.filtered?(test, @options) }
        end

        # Tells of tests that their class did not want to run; returns the others.
        def dropped(tests, why, &block)
          own, others = tests.partition(&block)
          @warn.call("#{told(own)} did not run: their class #{why}") unless own.empty?
          others
        end

        def filters?
          !@options[:filter].nil? || !@options[:include].nil?
        end

        def quit(tests, why)
          @missing << ["#{told(tests)} did not run#{why}", nil] unless tests.empty?
        end

        def told(tests)
          "#{tests.size == 1 ? '1 test' : "#{tests.size} tests"} of this file (#{Faults.first_names(tests.map(&:name))})"
        end
      end
    end
  end
end
