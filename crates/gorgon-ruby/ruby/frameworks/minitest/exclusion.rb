# frozen_string_literal: true

require_relative 'options'

module Gorgon
  module Frameworks
    class Minitest
      # Takes the place of Minitest's --exclude. Minitest asks it about each test that its other filters let through:
      # first by the method's name, then by the class's and the method's. It leaves out tests that the option names, and
      # tests that are not wanted now. It notes all others: Minitest is going to run them.
      class Exclusion
        # `tests` are those of the classes that run, `wanted` those that shall; `had` are the full names of tests of the
        # same classes that ran with a file before. The block runs when a class has its tests in order, before they run.
        def initialize(excluded, classes, tests, wanted, had, &ordered)
          @excluded = Options.pattern(excluded)
          @names = tests.to_h { |test| [test.method_name, true] }
          @tests = tests.group_by { |test| "#{test.klass}##{test.method_name}" }
          @wanted = wanted.to_h { |test| [test, true] }.compare_by_identity
          @had = had
          @ordered = ordered
          @classes = classes.map { |klass| "#{klass}#" }
          @all = tests.size == wanted.size
          @selected = {}.compare_by_identity
          @asked = {}.compare_by_identity
        end

        # Whether Minitest is going to run the test.
        def selected?(test)
          @selected.key?(test)
        end

        # Whether the class has asked about any test, and so is going to run those that are selected.
        def asked?(klass)
          @asked.key?(klass)
        end

        # Whether the option leaves it out, by either of its names: after the first Minitest asks no further.
        def excludes?(test)
          excluded?(test.method_name) || excluded?("#{test.klass}##{test.method_name}")
        end

        def ===(text)
          return excluded?(text) if @names.key?(text)

          tests = @tests[text] or return unknown?(text)
          tests.each { |test| ask(test.klass) }
          return true if excluded?(text)

          tests = tests.select { |test| @wanted.key?(test) }
          tests.each { |test| @selected[test] = true }
          tests.empty?
        end

        # Minitest looks for slashes around it.
        def =~(_pattern)
          nil
        end

        def inspect
          @excluded.inspect
        end
        alias to_s inspect

        private

        def ask(klass)
          @ordered.call unless @asked.key?(klass)
          @asked[klass] = true
        end

        def excluded?(text)
          !@excluded.nil? && @excluded === text
        end

        # A class may give its tests other names each time that it is asked. A class of another file is not to run.
        def unknown?(text)
          !@all || @had.key?(text) || excluded?(text) || @classes.none? { |prefix| text.start_with?(prefix) }
        end
      end
    end
  end
end
