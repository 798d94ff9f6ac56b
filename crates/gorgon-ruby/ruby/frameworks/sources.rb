# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Tells which of the classes and modules have changed that test classes have their methods from. A file may open a
    # module that classes of earlier files include, or replace a method from outside, by `define_method`.
    class Sources
      # What stands in a file that gives methods to a class or module without opening it.
      FROM_OUTSIDE = /[.:](?:(?:class|module)_(?:eval|exec)|define_method|alias_method|include|prepend)\b(?!\?)|\.(?:x?it|specify|test)\b(?!\?)|\bload\b/.freeze

      CONSTANT = /\b[A-Z]\w*/.freeze
      LAST = /\w+\z/.freeze

      class << self
        # nil: the text is not known.
        def from_outside?(text)
          text.nil? || FROM_OUTSIDE.match?(text)
        end

        # Whether a file whose loading opened the class makes it, and not one that has to be there: then it names the
        # class above. Its text may say nothing of the class, as another file may have opened it on its behalf.
        def defines?(text, klass)
          name = NAME_OF.bind(klass).call.to_s[/\w+\z/] or return true
          said = text.to_s.scan(/\bclass\s+(?:\w*::)*#{Regexp.escape(name).b}\b(\s*<)?/n)
          said.empty? || said.any?(&:first)
        end
      end

      def initialize
        @methods = {}.compare_by_identity # class or module => a number that says what its methods are
        @users = {}.compare_by_identity   # class or module => the classes with methods of it
        @names = {} # the last part of the name of each class with tests
      end

      # To be called for each class when it is new, and when it has changed. The block returns whether this is called for
      # the class above, too.
      def see(klass)
        above = klass.superclass
        own = klass.ancestors.take_while { |mod| !mod.equal?(above) }
        own << above unless yield(above)
        own.each { |mod| note(mod, klass) }
        @methods[klass] = state(klass)
      end

      # The class has tests.
      def has_tests(klass)
        name = NAME_OF.bind(klass).call and @names[name[LAST]] = true
      end

      # Whether the text names a class with tests that was seen before: it may hand it to a method of a helper.
      def any_named?(text)
        text.scan(CONSTANT).any? { |name| @names.key?(name) }
      end

      # The classes that have methods of a class or module `among` these which has changed. Each change is told once.
      def changed(among = @methods.keys)
        among.each_with_object({}.compare_by_identity) do |mod, found|
          known = @methods[mod] or next
          now = state(mod)
          next if now == known

          @methods[mod] = now
          @users[mod].each_key { |klass| found[klass] = true }
        end
      end

      private

      def note(mod, klass)
        (@users[mod] ||= {}.compare_by_identity)[klass] = true
        @methods[mod] ||= state(mod)
      end

      def state(mod)
        names = mod.public_instance_methods(false)
        [names, names.map { |name| mod.instance_method(name) }].hash
      end
    end
  end
end
