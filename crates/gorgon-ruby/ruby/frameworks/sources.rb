# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Tells which test classes have other methods than before: their own, or those of a class or module above. A file may
    # open these, include or prepend a module, or define methods from outside. One comparison answers for all of it; as it
    # takes some microseconds for each module, a file is asked about those only that it opened or that its text names.
    class Sources
      # Parts of names of constants, in binary text: what is not ASCII may be part of one.
      PART = /[A-Z\x80-\xff][\w\x80-\xff]*/n.freeze
      # What a text names. What it opens is traced, and therefore told apart.
      NAMED = /class [\w:\x80-\xff]+|(?:\b[A-Z]|[\x80-\xff])[\w\x80-\xff]*(?:::#{PART})*/n.freeze
      OPENED = /\bclass\s+(?:::)?(?:#{PART}::)*(#{PART})[ \t]*(<)?/n.freeze

      TEST = /\Atest/.freeze

      class << self
        # Which classes of this text have a class above named for them: then the file makes them, and does not open what
        # has to be there. The last part of the name => whether one is named.
        def made(text)
          text.b.scan(OPENED).each_with_object({}) { |(name, above), made| made[name] ||= !above.nil? }
        end

        # What stands in the file.
        def text(file)
          File.binread(file)
        rescue SystemCallError
          ''
        end

        # The full name, in binary, or nil.
        def full_name(mod)
          NAME_OF.bind(mod).call&.b
        end
      end

      def initialize
        @states = {}.compare_by_identity # class or module => a number that says what its methods are
        @below = {}.compare_by_identity  # class or module => the classes that include it or are right below it
        @named = {}                      # the full name or the end of it => classes and modules
      end

      # To be called for each class when it is new.
      def see(klass)
        own = own_part(klass)
        keep(klass, state(klass, own))
        above = klass.superclass
        own << above if above
        own.each { |mod| (@below[mod] ||= {}.compare_by_identity)[klass] = true unless mod.equal?(klass) }
        own.each { |mod| keep(mod, state(mod)) unless @states.key?(mod) }
        # A class above need be no class of tests, as Object.
        see(above) if above && !@below[above.superclass]&.key?(above)
      end

      # The classes and modules among `opened`, and those that the text names. nil: all, as the text is not known.
      def touched(opened, text)
        return @states.dup if text.nil?

        found = {}.compare_by_identity
        opened.each_key { |mod| found[mod] = true if @states.key?(mod) }
        text.b.scan(NAMED).each { |name| @named[name]&.each { |mod| found[mod] = true } }
        found
      end

      # The classes with methods of one of these that has changed. Each change is told once.
      def changed(among = @states)
        found = {}.compare_by_identity
        among.each_key do |mod|
          known = @states[mod] or next
          now = state(mod)
          next if now == known

          @states[mod] = now
          reach(mod, found)
        end
        found.each_key { |klass| see(klass) } # with the modules that are new above it
      end

      private

      def keep(mod, state)
        give_names(mod) unless @states.key?(mod)
        @states[mod] = state
      end

      def give_names(mod)
        name = Sources.full_name(mod) or return
        (@named[name] ||= []) << mod
        (@named[name] ||= []) << mod while name = name[/::(.*)\z/mn, 1]
      end

      def reach(mod, found)
        return if found.key?(mod)

        found[mod] = true if mod.is_a?(Class)
        @below[mod]&.each_key { |klass| reach(klass, found) }
      end

      # What stands above the class up to the next class, and the class itself.
      def own_part(klass)
        above = klass.superclass
        klass.ancestors.take_while { |mod| !mod.equal?(above) }
      end

      # Nothing that was included can be taken out again, so a number tells of that.
      def state(mod, own = mod.is_a?(Class) ? own_part(mod) : mod.ancestors)
        names = mod.public_instance_methods(false)
        # All that is loaded may give Object methods.
        names = names.grep(TEST) if Object <= mod
        [own.size, names, names.map { |name| mod.instance_method(name) }].hash
      end
    end
  end
end
