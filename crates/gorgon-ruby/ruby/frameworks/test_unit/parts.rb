# frozen_string_literal: true

module Gorgon
  module Frameworks
    # The tests of a file, each known by an id, and what of them an item asks for.
    class TestUnitParts
      # `last` is the line where its method ends.
      Test = Struct.new(:instance, :id, :name, :classname, :file, :line, :group) do
        def last
          instance.respond_to?(:method_name) ? Lines.last(instance.method(instance.method_name), line) : line
        end
      end

      def initialize(places)
        @places = places
        @ids = Ids.new
        @tests = {}.compare_by_identity
      end

      def add(instance)
        name = name_of(instance)
        file, line = place(instance)
        @tests[instance] = Test.new(instance, @ids.id(name), name, instance.class.name.to_s, file && @places.absolute(file),
                                    line, group(instance.class))
      end

      def instances
        @tests.keys
      end

      def size
        @tests.size
      end

      # One that a suite makes while it runs has not been added before.
      def [](instance)
        @tests[instance] || add(instance)
      end

      # Those of the instances that are asked for; nil asks for all.
      def chosen(instances, path, selection, reporter)
        tests = instances.map { |instance| self[instance] }
        part = Part.of(selection)
        reporter.divisible if @ids.distinct? && (part || (!selection && tests.size > 1))
        part ? part.of(tests, reporter) : Selection.new(path, selection, reporter).of(tests)
      end

      private

      # A test may have a name of its own; Test::Unit's ends with the class in brackets.
      def name_of(instance)
        klass = instance.class.name.to_s
        name = Raised.guarded(-> { instance.method_name.to_s }) { "#{instance.name}" }
        "#{klass}##{name.delete_suffix("(#{klass})")}"
      end

      def place(instance)
        instance.method(instance.method_name).source_location if instance.respond_to?(:method_name)
      rescue ::NameError
        nil
      end

      # The outermost class that is never cut: it does something around its tests, or has a defined
      # order. nil where there is none.
      def group(klass)
        above = klass.ancestors.grep(Class).take_while { |ancestor| ancestor != ::Test::Unit::TestCase }
        held = above.reverse_each.find { |ancestor| holds?(ancestor) }
        held && Json.utf8(held.name || held.inspect)
      end

      def holds?(klass)
        @holds ||= {}.compare_by_identity
        @holds.fetch(klass) do
          around = %i[suite startup shutdown].any? do |name|
            klass.respond_to?(name) && klass.method(name).owner != ::Test::Unit::TestCase.singleton_class
          end
          @holds[klass] = around || (klass.respond_to?(:test_order) && klass.test_order == :defined)
        end
      end
    end
  end
end
