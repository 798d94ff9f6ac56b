# frozen_string_literal: true

module Gorgon
  module Frameworks
    # How Test::Unit's own command runs one test of a file alone. With its class: another one may have a method of the
    # same name.
    module TestUnitRerun
      # Since this version a name may have the class in it.
      WITH_CLASS = '3.5'
      # No argument of a command can hold it.
      NUL = "\0"

      class << self
        # nil where the test has no name that a command could give. `all`: the tests of the file.
        def of(test, all)
          return unless test.respond_to?(:method_name)

          { framework: 'test_unit', words: words(test, all).map { |word| Json.utf8(word) } }
        end

        private

        def words(test, all)
          klass = test.class
          return ['-n', pattern(test)] if klass.name.nil?
          return ['-n', "#{klass}##{name_of(test)}"] if klass.to_s == klass.name && !old? && !name_of(test).include?(NUL)

          ['-t', klass.name, *ignored(test, all), '-n', pattern(test)]
        end

        # The name, or a regular expression where a command cannot have the name.
        def pattern(test)
          name = name_of(test)
          return name unless name.include?(NUL)

          "/\\A#{name.split(NUL, -1).map { |part| Regexp.escape(part) }.join('\\x00')}\\z/"
        end

        def name_of(test)
          (test.respond_to?(:local_name) ? test.local_name : test.method_name).to_s
        end

        # `-t` takes the tests of the classes below as well.
        def ignored(test, all)
          below = all.select { |other| other.class < test.class && other.respond_to?(:method_name) && name_of(other) == name_of(test) }
          below.map { |other| other.class.name }.uniq.compact.flat_map { |klass| ['--ignore-testcase', klass] }
        end

        # Where RubyGems does not know its version, it comes from the project, and is new.
        def old?
          version = defined?(::Gem) && ::Gem.loaded_specs['test-unit']&.version
          version ? version < ::Gem::Version.new(WITH_CLASS) : false
        end
      end
    end
  end
end
