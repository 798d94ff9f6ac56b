# frozen_string_literal: true

module Gorgon
  module Frameworks
    # The suites of the classes of a file, which the classes make by themselves, joined as Test::Unit's
    # own collector joins those of a process.
    class TestUnitSuites
      # Test::Unit's collector, which is included once that is loaded, for some of the classes.
      class Collector
        # `made`: class => its suite.
        def initialize(made, filters)
          super()
          @made = made
          self.filter = filters
        end

        def collect(name)
          suite = ::Test::Unit::TestSuite.new(name)
          fill(suite, ::Test::Unit::TestCase, @made.keys.group_by(&:superclass))
          adjust_ractor_tests(suite) if respond_to?(:adjust_ractor_tests, true)
          suite
        end

        private

        def fill(suite, klass, children)
          suites = []
          children.fetch(klass, []).each do |child|
            fill(@made[child], child, children)
            add_suite(suites, @made[child])
          end
          sort(suites).each { |made| suite << made }
        end
      end

      # The block hears of a class whose suite cannot be made.
      def initialize(&broken)
        Collector.include(::Test::Unit::Collector)
        @broken = broken
        @made = {}.compare_by_identity # class => its suite, made to ask for names, until it runs
      end

      # The names of the test methods of a class.
      def names(klass)
        @made[klass] = make(klass)
        tests(@made[klass]).map { |test| name_of(test) }.uniq
      end

      # The tests of a suite and of the suites in it.
      def tests(suite)
        suite.tests.flat_map { |test| test.respond_to?(:tests) ? tests(test) : [test] }
      end

      # The suite of a file. `turns`: [[class, names of its tests], …]; the block gets each test, in order.
      def of_file(path, turns, filters)
        made = {}.compare_by_identity
        turns.each do |klass, names|
          made[klass] = take(klass)
          leave_out(made[klass]) { |test| !names.include?(name_of(test)) }
          tests(made[klass]).each { |test| yield test }
        end
        with_classes_above(made)
        Collector.new(made, filters).collect(path)
      end

      # Removes all other tests.
      def keep(suite, tests)
        kept = tests.to_h { |test| [test, true] }.compare_by_identity
        leave_out(suite) { |test| !kept.key?(test) }
      end

      def forget
        @made.clear
      end

      private

      def take(klass)
        @made.delete(klass) || make(klass)
      end

      def make(klass)
        klass.suite
      rescue *PASSED_UP
        raise
      rescue Exception => e
        @broken.call(klass, e)
        ::Test::Unit::TestSuite.new(klass.name, klass)
      end

      def name_of(test)
        (test.respond_to?(:method_name) ? test.method_name : test.name).to_s
      end

      # A suite that keeps none is left out, too.
      def leave_out(suite, &unwanted)
        suite.tests.grep_v(::Test::Unit::TestCase).each { |inner| leave_out(inner, &unwanted) if inner.respond_to?(:delete_tests) }
        over = suite.tests.select { |test| test.respond_to?(:tests) ? test.empty? : unwanted.call(test) }
        suite.delete_tests(over) unless over.empty?
      end

      # Suites of parent classes, which run `startup` and `shutdown` around the classes below. Their own tests belong to
      # another file.
      def with_classes_above(made)
        made.keys.each do |klass|
          klass.ancestors.grep(Class).take_while { |above| above != ::Test::Unit::TestCase }.each do |above|
            made[above] ||= ::Test::Unit::TestSuite.new(above.name, above)
          end
        end
      end
    end
  end
end
