# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Which test methods of which classes had their turn in this process: each has it once, with
    # the file whose loading brought the method. A file that reopens a class and writes one of its
    # methods anew brings that method: two files may have hit on one name for their class.
    class Memory
      # A class that such a file defines waits for the file, even when callbacks loaded it.
      TEST_FILE = %r{(?:_tests?|_spec|(?:\A|/)(?:test|tc|spec)_[^/]*)\.rb\z}.freeze
      HELPER = %r{(?:helper|support|utils|setup|case|base)[^/]*\.rb\z}.freeze
      # Below a number of methods there is room for one of ancestors.
      ROOM_BITS = 32

      # The block gives the names of a class's test methods.
      def initialize(places, &names)
        @places = places
        @names = names
        @spent = {}.compare_by_identity   # class => name => the method that had its turn
        @passed = {}.compare_by_identity  # classes that have no turn, unless a file opens them
        @shapes = {}.compare_by_identity  # class => what tells that it was reopened
        @waiting = {}.compare_by_identity # class => the test file that it waits for, or nil
        @latest = nil                     # the turns of the file that runs
      end

      def before_first_file(classes)
        classes.each { |klass| @waiting[klass] = home(klass) }
      end

      # The turns that the loading of a file brought: [[class, names], …]. A class that was there
      # before the first file has its turn with that. `opened` holds the classes that the file opened.
      def fresh(classes, path, opened)
        @waiting.delete_if { |_, home| home.nil? || home == path }
        waits = @waiting.any?
        changed = {}.compare_by_identity
        @latest = classes.each_with_object([]) do |klass, turns|
          next if waits && @waiting.key?(klass)

          grown = reshaped?(klass) || (!changed.empty? && changed.key?(klass.superclass))
          next unless opened.key?(klass) || (grown && !@passed.key?(klass))

          changed[klass] = true
          turns << [klass, spend(klass)]
        end
      end

      # No turn for classes that a test made, or a file that could not be loaded; nor for methods that a
      # test defined in the classes that ran, or in others of the file, which had none.
      def pass_over(classes, ran)
        classes.each { |klass| pass(klass) unless @spent.key?(klass) || @waiting.key?(klass) }
        [*ran, *@latest&.map(&:first)].each { |klass| spend(klass) if reshaped?(klass) }
        @latest = nil
      end

      # A base class, of the framework or of a helper.
      def without_tests?(klass)
        spent = @spent[klass]
        !spent.nil? && spent.empty?
      end

      # The names of the class's test methods that have had their turn.
      def names(klass)
        @spent.fetch(klass, {}).keys
      end

      private

      def pass(klass)
        @passed[klass] = true
        @spent[klass] = klass.public_instance_methods.to_h { |name| [name.to_s, klass.instance_method(name)] }
      end

      # Cheap to ask of thousands of classes after each file: is it new, reopened, extended?
      def reshaped?(klass)
        # Of two small numbers one: no object for each class.
        shape = (klass.public_instance_methods(false).size << ROOM_BITS) + klass.ancestors.size
        return false if shape == @shapes[klass]

        @shapes[klass] = shape
        true
      end

      def spend(klass)
        spent = (@spent[klass] ||= {})
        @names.call(klass).select do |name|
          now = klass.method_defined?(name) ? klass.instance_method(name) : true
          spent[name] != now && (spent[name] = now) unless spent[name] == true
        end
      end

      # The test file that the class's own tests stand in; nil for those of helpers.
      def home(klass)
        klass.public_instance_methods(false).grep(/\Atest/).each do |name|
          file, = klass.instance_method(name).source_location
          return @places.absolute(file) if file && TEST_FILE.match?(file) && !HELPER.match?(file)
        end
        nil
      end
    end
  end
end
