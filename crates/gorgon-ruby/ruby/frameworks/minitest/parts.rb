# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Minitest
      # Which classes are never cut: those with an order of their own, and those that do something around all of their
      # tests.
      module Parts
        # Methods that a class overrides to do something around all of its tests.
        AROUND = %i[run run_suite with_info_handler].freeze
        # Modules that override these methods, and whose tests are independent all the same.
        HARMLESS = /(?:\A|#<Class:)(?:Minitest::(?:Runnable|Test|Unit|Spec|Benchmark|Parallel)\b|Rails::LineFiltering\b)/.freeze
        # Their tests run in any order.
        LOOSE = %i[random parallel].freeze

        class << self
          # The name of the class; nil where its tests are free.
          def group(klass)
            held[klass] = holds?(klass) ? Json.utf8(klass.name || klass.inspect) : nil unless held.key?(klass)
            held[klass]
          end

          # The order in which a class runs its tests: Minitest 6 asks by another name.
          def order(klass)
            name = Minitest.six? ? :run_order : :test_order
            klass.public_send(name) if klass.respond_to?(name)
          end

          # Whether the class runs its tests by a method of its own.
          def own_run?(klass)
            own = @own_runs ||= {}.compare_by_identity
            own.fetch(klass) { own[klass] = around?(klass) }
          end

          # Whether Minitest hands each test to a `run` of the class's own (Minitest 6).
          def own_step?(klass)
            Minitest.six? && !HARMLESS.match?(klass.method(:run).owner.inspect)
          end

          # Whether the class, by a method of its own, chooses among its tests and leaves this one out (Minitest 6).
          def filtered?(test, options)
            klass = test.klass
            own_filter?(klass) && !klass.filter_runnable_methods(options).map(&:to_s).include?(test.method_name)
          end

          private

          def own_filter?(klass)
            klass.respond_to?(:filter_runnable_methods) && !HARMLESS.match?(klass.method(:filter_runnable_methods).owner.inspect)
          end

          def around?(klass)
            AROUND.any? { |name| klass.respond_to?(name) && !HARMLESS.match?(klass.method(name).owner.inspect) }
          end

          def held
            @held ||= {}.compare_by_identity
          end

          # What cannot be asked may hold.
          def holds?(klass)
            order = order(klass)
            (!order.nil? && !LOOSE.include?(order)) || own_run?(klass) || own_filter?(klass)
          rescue *PASSED_UP
            raise
          rescue ::Exception # rubocop:disable Lint/RescueException
            true
          end
        end
      end
    end
  end
end
