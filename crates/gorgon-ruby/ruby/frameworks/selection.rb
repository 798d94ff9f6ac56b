# frozen_string_literal: true

require_relative 'lines'

module Gorgon
  module Frameworks
    # The part of a file's tests that an item asks for, by ids and by lines.
    class Selection
      def initialize(path, wanted, reporter)
        @path = path
        @ids = Array(wanted && (wanted[:tests] || wanted['tests']))
        @lines = Array(wanted && (wanted[:lines] || wanted['lines']))
        @reporter = reporter
      end

      # `tests` answer id, name, file (absolute) and line.
      def of(tests)
        return tests if @ids.empty? && @lines.empty?

        chosen = by_id(tests) | by_line(tests)
        tests.select { |test| chosen.include?(test) }
      end

      private

      def by_id(tests)
        known = tests.group_by(&:id)
        @ids.flat_map do |id|
          known[id] || @reporter.no_test("no test #{id} in #{@path}")
        end
      end

      def by_line(tests)
        return [] if @lines.empty?

        lines = Lines.new(@path, tests.select { |test| test.file == @path })
        @lines.flat_map do |line|
          found = lines.at([line])
          found.empty? ? @reporter.no_test("no test at #{@path}:#{line}") : found
        end
      end
    end
  end
end
