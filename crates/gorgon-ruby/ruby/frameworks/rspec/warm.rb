# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # RSpec's own expectations and doubles, which a helper may do without: they are compiled ahead, and loaded when RSpec
      # asks for them.
      module Warm
        GEMS = { 'rspec-expectations' => 'rspec/expectations', 'rspec-mocks' => 'rspec/mocks' }.freeze

        class << self
          # Has their files at hand, without loading one.
          def keep(compiled)
            compiled.ahead(files)
            @compiled = compiled
          end

          # Runs the block, which loads what is of a gem: that is compiled already, if there was time for it.
          def used(gem, &block)
            return yield unless @compiled

            Frameworks.activate(gem, GEMS.fetch(gem))
            @compiled.with_ahead(&block)
          end

          private

          # Those of the newest gems, which RubyGems would activate, and what of RSpec itself they load.
          def files
            found = GEMS.keys.map { |gem| root(gem) }.compact.flat_map { |dir| Dir.glob("#{dir}/rspec/**/*.rb") }
            $LOADED_FEATURES.grep(%r{/rspec/(?:core|support)\.rb\z}).each do |path|
              found.concat(Dir.glob("#{path.delete_suffix('.rb')}/{*,mocking_adapters/rspec}.rb"))
            end
            found - $LOADED_FEATURES
          end

          def root(gem)
            Frameworks.read_specification(gem)&.full_require_paths&.first
          end
        end
      end
    end
  end
end
