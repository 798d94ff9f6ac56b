# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # Examples that an ordering of the suite (`register_ordering`) leaves out. RSpec runs what the ordering returns, so
      # they do not run in a plain run either.
      class Orderings
        # RSpec's own, which leave nothing out.
        WHOLE = %w[RSpec::Core::Ordering::Identity RSpec::Core::Ordering::Random].freeze
        NAME_OF = ::Module.instance_method(:name)

        # On RSpec's registry of orderings.
        module OfRegistry
          attr_writer :gorgon_orderings

          def fetch(*)
            @gorgon_orderings.watch(super)
          end
        end

        # On an ordering.
        module OfOrdering
          attr_writer :gorgon_orderings

          def order(items)
            # An ordering may change the list itself.
            given = items.dup
            super.tap { |ordered| @gorgon_orderings.ordered(given, ordered) }
          end
        end

        def initialize(config)
          @left = {}.compare_by_identity
          config.ordering_registry.extend(OfRegistry).gorgon_orderings = self
        end

        def begin_file
          @left.clear
        end

        def watch(ordering)
          return ordering if ordering.frozen? || WHOLE.include?(NAME_OF.bind_call(ordering.class))

          ordering.extend(OfOrdering).gorgon_orderings = self unless OfOrdering === ordering
          ordering
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
