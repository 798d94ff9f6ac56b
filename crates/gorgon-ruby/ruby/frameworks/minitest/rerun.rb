# frozen_string_literal: true

require_relative '../ids'

module Gorgon
  module Frameworks
    class Minitest
      # How Minitest's own command runs one test of a file alone.
      class Rerun
        # What Minitest reads as a regular expression, wherever it stands in a name.
        SLASHES = %r{/.*/}.freeze
        # No argument of a command can hold it.
        NUL = "\0"
        # Characters that mean themselves in a regular expression.
        PLAIN = %r{[^\w:# /]}.freeze

        # Whether `rails test` chooses among the tests of its class.
        def self.rails?(test)
          defined?(::Rails::LineFiltering) && ::Rails::LineFiltering === test.klass
        end

        # All tests of the file.
        def initialize(tests)
          @tests = tests
        end

        def of(test)
          rails = Rerun.rails?(test)
          rerun = { framework: 'minitest', words: ['-n', name(test, rails)] }
          rerun[:alone_at_line] = true if rails && alone_at_line?(test)
          rerun
        end

        private

        # With its class: another one may have a method of the same name. Rails takes a name with a class only as a
        # regular expression.
        def name(test, rails)
          name = Json.utf8("#{test.klass}##{test.method_name}")
          return name unless rails || SLASHES.match?(name) || Ids::ADDRESS.match?(name) || name.include?(NUL)

          pattern = name.gsub(PLAIN) { |found| found == NUL ? '\\x00' : Regexp.escape(found) }
          "/^#{pattern.gsub(Ids::ADDRESS, '0x\\h+')}$/"
        end

        # Rails runs all tests whose text, from its first line to its last, has the line in it.
        def alone_at_line?(test)
          @spans ||= @tests.select(&:line).map { |each| [each.file, each.line..each.last] }
          @spans.count { |file, lines| file == test.file && lines.cover?(test.line) } == 1
        end
      end
    end
  end
end
