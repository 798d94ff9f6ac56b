# frozen_string_literal: true

require_relative 'sources'

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

      # The block gives the names of a class's test methods. `files` are the test files of the job.
      def initialize(places, files, &names)
        @places = places
        @files = files.to_h { |file| [places.absolute(file), true] }
        @names = names
        @spent = {}.compare_by_identity   # class => name => the method that had its turn
        @passed = {}.compare_by_identity  # classes that have no turn, unless a file opens them
        @shapes = {}.compare_by_identity  # class => what tells that it was reopened
        @bases = {}.compare_by_identity   # classes that others are below
        @sources = Sources.new
        @listed = []                      # the classes after the last file, and how many methods each had
        @sizes = []
        @waiting = {}.compare_by_identity # class => the test file that it waits for, or nil
        @loaded = {}                      # files of the job that had their turn
        @latest = nil                     # the turns of the file that runs
      end

      def before_first_file(classes)
        classes.each { |klass| @waiting[klass] = home(klass) }
      end

      # The turns that the loading of a file brought: [[class, names], …]. A class that was there
      # before the first file has its turn with that. `opened` holds the classes and modules that the file opened. All
      # known ones are looked at if `text`, the file's source, changes some from outside, or is not known.
      def fresh(classes, path, opened, text = nil)
        waited = @waiting.size
        @waiting.delete_if { |_, home| home.nil? || home == path }
        @lost = []
        waits = @waiting.any?
        changed = {}.compare_by_identity
        outside = Sources.from_outside?(text) || @sources.any_named?(text)
        given = outside ? @sources.changed : @sources.changed(opened.keys)
        # Another file that it has loaded may say anything.
        same = unchanged(classes, opened, all: outside || loads > 1)
        known = waited == @waiting.size && given.empty? ? same : 0
        @latest = classes.drop(known).each_with_object([]) do |klass, turns|
          next if waits && @waiting.key?(klass)

          grown = reshaped?(klass, by: @bases.key?(klass) ? :all : :methods) || (!changed.empty? && changed.key?(klass.superclass))
          next unless opened.key?(klass) || ((grown || given.key?(klass)) && !@passed.key?(klass))

          changed[klass] = true
          next if of_another_file?(klass, path)

          names = opened.key?(klass) && Sources.defines?(text, klass) ? take(klass, path) : spend(klass)
          turns << [klass, names] if grown || opened.key?(klass) || names.any?
        end
      ensure
        @loaded[path] = true
      end

      # Full names of tests that the last file shares with an earlier file, which has run them: both open a class of the
      # same name, and a shared module or base class defines the tests.
      attr_reader :lost

      # These get no turn: classes that a test made, classes of a file that could not be loaded, and methods that a test
      # defined in classes of its file.
      def pass_over(classes, ran)
        latest(classes).each { |klass| pass(klass) unless @spent.key?(klass) || @waiting.key?(klass) }
        of_the_file = [*ran, *@latest&.map(&:first)].uniq
        given = @sources.changed(of_the_file)
        of_the_file.each do |klass|
          next unless reshaped?(klass) || given.key?(klass)

          spend(klass)
          # A later file may bring the number of methods back.
          @listed = []
          @sizes = []
        end
        @latest = nil
      end

      # The full names of tests that no item has asked for, and that get no turn any more.
      def undone(classes)
        changed = @sources.changed
        classes.reject { |klass| @waiting.key?(klass) }.flat_map do |klass|
          next [] unless reshaped?(klass) || changed.key?(klass) || changed.key?(klass.superclass)

          changed[klass] = true
          spend(klass).map { |name| "#{klass.name || klass.inspect}##{name}" }
        end
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

      # A file may load others of the job, as one does that runs all of a directory: their classes wait for them.
      def of_another_file?(klass, path)
        return false if @files.size < 2 || @spent.key?(klass)

        home = place(klass) { |file| @files.key?(file) }
        return false if home.nil? || home == path || @loaded.key?(home)

        @shapes.delete(klass)
        @waiting[klass] = home
      end

      def take(klass, path)
        before = @passed.key?(klass) ? [] : names(klass)
        fresh = spend(klass)
        @lost.concat(shared(klass, before - fresh, path).map { |name| "#{klass}##{name}" }) unless before.empty?
        fresh
      end

      # The names whose method is defined in no file that had its turn.
      def shared(klass, names, path)
        names.select do |name|
          file, = klass.instance_method(name).source_location if klass.method_defined?(name)
          file && (file = @places.absolute(file)) != path && !@loaded.key?(file)
        end
      end

      # Those that came since the turns of the file were found, as far as that can be told.
      def latest(classes)
        count = @listed.size
        count.positive? && classes[count - 1].equal?(@listed.last) ? classes.drop(count) : classes
      end

      def pass(klass)
        @passed[klass] = true
        @spent[klass] = klass.public_instance_methods.to_h { |name| [name.to_s, klass.instance_method(name)] }
      end

      # How many classes at the beginning of the list nobody has opened or given a method since the last file: as a rule
      # all that had been there. 0 if one has changed. With thousands of classes this has to be quick: only if one may
      # have been given methods without being opened, are they counted for `all`.
      def unchanged(classes, opened, all:)
        count = @listed.size
        same = opened.each_key.none? { |klass| @shapes.key?(klass) } && classes[0, count] == @listed
        same &&= classes.first(count).map { |klass| size(klass) } == @sizes && @bases.each_key.none? { |klass| changed?(klass) } if all
        @sizes = same ? @sizes.concat(classes.drop(count).map { |klass| size(klass) }) : classes.map { |klass| size(klass) }
        @listed = classes.dup
        same ? count : 0
      end

      def size(klass)
        klass.public_instance_methods(false).size
      end

      # How many files were loaded since the last time.
      def loads
        before = @features || 0
        @features = $LOADED_FEATURES.size
        @features - before
      end

      def changed?(klass)
        known = @shapes[klass] and known != shape(klass)
      end

      # A cheap test: is the class new, reopened or extended? If a later file only includes a module in a class, without
      # opening it, that is seen only at the end, as an error.
      def reshaped?(klass, by: :all)
        known = @shapes[klass]
        methods = size(klass)
        return false if by == :methods && known && known >> ROOM_BITS == methods

        shape = shape(klass, methods)
        return false if shape == known

        @bases[klass.superclass] = true unless known
        @sources.see(klass) { |above| @shapes.key?(above) }
        @shapes[klass] = shape
        true
      end

      # Of two small numbers one: no object for each class.
      def shape(klass, methods = size(klass))
        (methods << ROOM_BITS) + klass.ancestors.size
      end

      def spend(klass)
        spent = (@spent[klass] ||= {})
        fresh = @names.call(klass).select do |name|
          now = klass.method_defined?(name) ? klass.instance_method(name) : true
          spent[name] != now && (spent[name] = now) unless spent[name] == true
        end
        @sources.has_tests(klass) if fresh.any?
        fresh
      end

      # The test file that the class's own tests stand in; nil for those of helpers.
      def home(klass)
        place(klass) { |file| TEST_FILE.match?(file) && !HELPER.match?(file) }
      end

      # The first file with a test of the class's own that the block takes.
      def place(klass)
        klass.public_instance_methods(false).grep(/\Atest/).each do |name|
          file, = klass.instance_method(name).source_location
          file &&= @places.absolute(file)
          return file if file && yield(file)
        end
        nil
      end
    end
  end
end
