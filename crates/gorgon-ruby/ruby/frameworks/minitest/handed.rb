# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Minitest
      # Notes which classes hand tests to the executor of the suite, while tests run.
      class Handed
        def initialize(executor)
          @executor = executor
          @classes = classes = {}.compare_by_identity
          return unless @put = !executor.frozen? && !executor.singleton_methods(false).include?(:<<) # rubocop:disable Lint/AssignmentInCondition

          executor.define_singleton_method(:<<) do |work|
            classes[Array(work).first] = true
            super(work)
          end
        end

        # Whether the class handed over any test; an executor that cannot be watched may have had some.
        def any_of?(klass)
          !@put || @classes.key?(klass)
        end

        def forget
          @executor.singleton_class.send(:remove_method, :<<) if @put
        end
      end
    end
  end
end
