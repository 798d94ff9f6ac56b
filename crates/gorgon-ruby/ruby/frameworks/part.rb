# frozen_string_literal: true

module Gorgon
  module Frameworks
    # A part of a file that was split: which of the tests that a run of the whole file would have are
    # its own.
    class Part
      # nil where the item is none.
      def self.of(selection)
        new(selection) if selection && selection[:part]
      end

      def initialize(selection)
        @ids = selection[:tests].to_h { |id| [id, true] }
        @except = selection[:except].to_h { |id| [id, true] }
      end

      def include?(id)
        @ids.empty? ? !@except.key?(id) : @ids.key?(id)
      end

      # Tells which tests the whole file would have, and returns those of the part. They answer id.
      def of(tests, reporter)
        reporter.defined(tests.map(&:id))
        tests.select { |test| include?(test.id) }
      end
    end
  end
end
