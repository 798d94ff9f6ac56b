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

      # The block gives the names of a class's test methods. `files` are the test files of the job.
      def initialize(places, files, &names)
        @places = places
        @files = files.to_h { |file| [places.absolute(file), true] }
        @names = names
        @spent = {}.compare_by_identity   # class => name => the method that had its turn
        @passed = {}.compare_by_identity  # classes that have no turn, unless a file opens them
        @waiting = {}.compare_by_identity # classes that wait for their test file
        @homes = Hash.new { |homes, file| homes[file] = [] } # test file, or nil => the classes that wait for it
        @sources = Sources.new
        @listed = 0                       # how many classes there were the last time, and the last one
        @last = nil
        @loaded = {}                      # files of the job that had their turn
        @features = $LOADED_FEATURES.size
        @touched = {}.compare_by_identity # the classes and modules that the last file opened or names
      end

      def before_first_file(classes)
        classes.each { |klass| wait(klass, home(klass)) }
      end

      # The turns that the loading of a file brought: [[class, names], …]. A class that was there before the first file
      # has its turn with that. `opened` holds the classes and modules that the file opened. `text`: its source, or nil.
      def fresh(classes, path, opened, text = nil)
        @lost = []
        @text = text
        @made = nil
        @touched = @sources.touched(opened, with_loaded(text, path))
        candidates(classes, path, opened).each_with_object([]) do |klass, turns|
          next if @waiting.key?(klass) || (@passed.key?(klass) && !opened.key?(klass))

          first = !@spent.key?(klass)
          next if first && of_another_file?(klass, path)

          @sources.see(klass) if first || @passed.key?(klass)
          names = opened.key?(klass) ? take(klass, path) : spend(klass)
          turns << [klass, names] if first || opened.key?(klass) || names.any?
        end
      ensure
        @loaded[path] = true
      end

      # Full names of tests that the last file shares with an earlier file, which has run them: both open a class of the
      # same name, and a shared module or base class defines the tests.
      attr_reader :lost

      # These get no turn: classes that a test made, classes of a file that could not be loaded, and methods that a test
      # defined in classes of its file, `ran`, in modules of theirs, or in what the file names.
      def pass_over(classes, ran)
        latest(classes).each { |klass| pass(klass) unless @spent.key?(klass) || @waiting.key?(klass) }
        ran.each { |klass| above(klass).each { |mod| @touched[mod] = true } }
        @sources.changed(@touched).each_key { |klass| spend(klass) if turn?(klass) }
      end

      # The full names of tests that no item has asked for, and that get no turn any more.
      def undone(classes)
        changed = @sources.changed
        classes.select { |klass| @spent.key?(klass) ? changed.key?(klass) && turn?(klass) : !@waiting.key?(klass) }
               .flat_map { |klass| spend(klass).map { |name| "#{klass.name || klass.inspect}##{name}" } }
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

      # The text, and those of the files in the same folder of the project that the file has loaded: as helpers, they may
      # name classes of earlier files.
      def with_loaded(text, path)
        features = $LOADED_FEATURES.drop(@features)
        @features = $LOADED_FEATURES.size
        folder = @places.relative(path)[%r{\A[^/]+/}]
        return text if text.nil? || folder.nil? || @loaded.empty?

        features.select { |file| file != path && file.end_with?('.rb') && @places.relative(file).start_with?(folder) }
                .inject(text) { |all, file| "#{all.b}\n#{Sources.text(file)}" }
      end

      # In the order of the list: classes that the file opened, or gave methods to, that waited for it, or that are new.
      def candidates(classes, path, opened)
        old = @sources.changed(@touched)
        opened.each_key { |klass| old[klass] = true if @spent.key?(klass) }
        [nil, path].each { |home| @homes.delete(home)&.each { |klass| old[klass] = @waiting.delete(klass) } }
        new = latest(classes)
        old.empty? ? new : classes.select { |klass| old.key?(klass) || !known?(klass) }
      end

      def known?(klass)
        @spent.key?(klass) || @waiting.key?(klass)
      end

      # Whether tests that the class is given get a turn.
      def turn?(klass)
        @spent.key?(klass) && !@passed.key?(klass)
      end

      # The class and what stands above it, as far as there are tests.
      def above(klass)
        all = klass.ancestors
        top = all.reverse_each.find { |mod| @spent[mod]&.any? } || klass
        all.take_while { |mod| !mod.equal?(top.superclass) }
      end

      # Those that came since the last time.
      def latest(classes)
        last = classes.last
        same = @listed.zero? || classes[@listed - 1].equal?(@last)
        latest = same ? classes.drop(@listed) : classes.reject { |klass| known?(klass) }
        @listed = classes.size
        @last = last
        latest
      end

      def wait(klass, home)
        @waiting[klass] = true
        @homes[home] << klass
      end

      # A file may load others of the job, as one does that runs all of a directory: their classes wait for them.
      def of_another_file?(klass, path)
        return false if @files.size < 2

        home = place(klass) { |file| @files.key?(file) }
        return false if home.nil? || home == path || @loaded.key?(home)

        wait(klass, home)
      end

      # The file opens the class. If it also makes it, what has had its turn already is lost.
      def take(klass, path)
        before = @passed.delete(klass) ? [] : names(klass)
        fresh = spend(klass)
        return fresh if before.empty? || !makes?(klass)

        @lost.concat(shared(klass, before - fresh, path).map { |name| "#{klass}##{name}" })
        fresh
      end

      # The text may say nothing of the class, as another file may have opened it on its behalf.
      def makes?(klass)
        name = Sources.full_name(klass) or return true
        @made ||= Sources.made(@text.to_s)
        @made.fetch(name[/[^:]+\z/n], true)
      end

      # The names whose method is defined in no file that had its turn.
      def shared(klass, names, path)
        names.select do |name|
          file, = klass.instance_method(name).source_location if klass.method_defined?(name)
          file && (file = @places.absolute(file)) != path && !@loaded.key?(file)
        end
      end

      def pass(klass)
        @passed[klass] = true
        @spent[klass] = klass.public_instance_methods.to_h { |name| [name.to_s, klass.instance_method(name)] }
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
