# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # Examples that an ordering of the suite (`register_ordering`) leaves out. RSpec runs what the ordering returns, so
      # they do not run in a plain run either.
      class Orderings
        # RSpec's own, which leave nothing out.
        RANDOM = 'RSpec::Core::Ordering::Random'
        WHOLE = ['RSpec::Core::Ordering::Identity', RANDOM].freeze
        NAME_OF = ::Module.instance_method(:name)
        CLASS_OF = ::Kernel.instance_method(:class)

        # On RSpec's registry of orderings.
        module OfRegistry
          attr_writer :gorgon_orderings

          def fetch(*)
            @gorgon_orderings.watched(super)
          end
        end

        # Stands for an ordering of the suite, which may be any object that has `order`, also a frozen one.
        class Watched < ::BasicObject
          %i[== != ! instance_eval instance_exec].each { |name| undef_method(name) }

          # The ordering for which the object stands, or the object itself.
          def self.original(ordering)
            self === ordering ? ordering.gorgon_original : ordering
          end

          attr_reader :gorgon_original

          def initialize(original, orderings)
            @gorgon_original = original
            @orderings = orderings
          end

          def order(items, *rest, &block)
            # An ordering may change the list itself.
            given = items.dup
            ordered = @gorgon_original.order(items, *rest, &block)
            @orderings.ordered(given, ordered)
            ordered
          end

          def method_missing(name, *arguments, &block) # rubocop:disable Style/MissingRespondToMissing
            @gorgon_original.__send__(name, *arguments, &block)
          end
          ruby2_keywords :method_missing
        end

        def initialize(config)
          @left = {}.compare_by_identity
          @watched = {}.compare_by_identity # ordering => what stands for it
          @registry = config.ordering_registry.extend(OfRegistry)
          @registry.gorgon_orderings = self
        end

        # Whether RSpec orders groups by chance.
        def random?
          NAME_OF.bind_call(CLASS_OF.bind_call(@registry.fetch(:global))) == RANDOM
        end

        def begin_file
          @left.clear
        end

        def watched(ordering)
          return ordering if Watched === ordering || WHOLE.include?(NAME_OF.bind_call(CLASS_OF.bind_call(ordering)))

          @watched[ordering] ||= Watched.new(ordering, self)
        end

        # Groups or examples were ordered.
        def ordered(given, ordered)
          return unless ::Enumerable === ordered

          kept = ordered.to_h { |item| [item, true] }.compare_by_identity
          given.each { |item| leave_out(item) unless kept.key?(item) }
        end

        # How many examples were left out, and did not run in another place either.
        def left_out(results)
          @left.each_key.count { |example| !results.ended?(example) }
        end

        private

        def leave_out(item)
          return @left[item] = true unless item.is_a?(::Class)

          item.descendants.each { |group| group.filtered_examples.each { |example| @left[example] = true } }
        end
      end
    end
  end
end
