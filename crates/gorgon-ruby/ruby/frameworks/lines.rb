# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Which tests of a file stand at given lines.
    class Lines
      # Words that open a group of tests.
      GROUP = /\A(\s*)(?:class|module|describe|context|sub_test_case|\w+\.describe)\b/.freeze

      # Last line of a method, where this Ruby tells it.
      def self.last(method, first)
        return first unless defined?(RubyVM::InstructionSequence)

        location = RubyVM::InstructionSequence.of(method)&.to_a
        location = location && location[4][:code_location]
        location ? [location[2], first].max : first
      rescue StandardError
        first
      end

      # `tests` answer line and last; those of another file are no candidates.
      def initialize(path, tests)
        @source = File.readlines(path, encoding: 'BINARY')
        @tests = tests.sort_by(&:line)
      end

      def at(lines)
        lines.flat_map { |line| at_line(line) }.uniq
      end

      private

      # The tests around the line; else those of the group that it opens; else the one before it.
      def at_line(line)
        around = @tests.select { |test| line.between?(test.line, test.last) }
        return innermost(around) unless around.empty?

        group = group(line)
        return @tests.select { |test| group.cover?(test.line) } if group

        near = @tests.reverse_each.find { |test| test.line <= line } || @tests.first
        near ? @tests.select { |test| test.line == near.line } : []
      end

      def innermost(tests)
        line = tests.map(&:line).max
        tests.select { |test| test.line == line }
      end

      def group(line)
        opened = GROUP.match(@source[line - 1].to_s) or return
        closing = /\A#{opened[1]}(?:end|\})/
        length = @source.drop(line).index { |text| closing.match?(text) }
        line..(length ? line + length + 1 : @source.size)
      end
    end
  end
end
