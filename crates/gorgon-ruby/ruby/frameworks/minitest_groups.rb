# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Which classes of Minitest are never cut: those with an order of their own, and those that do
    # something around all of their tests.
    module MinitestGroups
      # What a class overrides to do so.
      AROUND = %i[run run_suite with_info_handler].freeze
      # Who overrides these and lets each test stand for itself.
      HARMLESS = /(?:\A|#<Class:)(?:Minitest::(?:Runnable|Test|Unit|Spec|Benchmark)\b|Rails::LineFiltering\b)/.freeze
      # Their tests run in any order.
      LOOSE = %i[random parallel].freeze

      class << self
        # The name of the class; nil where its tests are free.
        def of(klass)
          held[klass] = holds?(klass) ? Json.utf8(klass.name || klass.inspect) : nil unless held.key?(klass)
          held[klass]
        end

        private

        def held
          @held ||= {}.compare_by_identity
        end

        # What cannot be asked may hold.
        def holds?(klass)
          return true if klass.respond_to?(:test_order) && !LOOSE.include?(klass.test_order)

          AROUND.any? { |name| klass.respond_to?(name) && !HARMLESS.match?(klass.method(name).owner.inspect) }
        rescue *PASSED_UP
          raise
        rescue ::Exception # rubocop:disable Lint/RescueException
          true
        end
      end
    end
  end
end
