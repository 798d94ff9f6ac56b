# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # RSpec's world, configuration and reporter, as they were when the adapter began. A test may reset RSpec. In a
      # plain run the runner keeps the objects that it began with, and so do we: later files get the same world and
      # reporter.
      class Globals
        def initialize(config, world)
          @config = config
          @world = world
          @formatters = config.formatter_loader
          @filters = config.filter_manager
          @groups = {}.compare_by_identity # of the files that ran
          @examples = {}.compare_by_identity # of each group those that its filters left
        end

        # Takes the groups of a file out of the world, so that the next one has it to itself.
        def forget_groups
          @world.example_groups.each { |group| @groups[group] = true }
          @examples.update(@world.filtered_examples)
          @world.example_group_counts_by_spec_file.clear
          @world.example_groups.clear
          @world.filtered_examples.clear
        end

        # At the end hooks and handlers find the groups of all files, as in one plain run.
        def put_groups_back
          @world.example_groups.replace(@groups.keys)
          @world.filtered_examples.update(@examples)
        end

        # How many examples were defined since.
        def late_examples
          late = @world.example_groups.reject { |group| @groups.key?(group) }
          late.flat_map(&:descendants).sum { |group| group.examples.size }
        end

        # How many groups of tests stand in a world that nobody runs.
        def stray_groups
          ::RSpec.world.equal?(@world) ? 0 : ::RSpec.world.example_groups.size
        end

        def put_back
          ::RSpec.world = @world unless ::RSpec.world.equal?(@world)
          ::RSpec.configuration = @config unless ::RSpec.configuration.equal?(@config)
          @config.filter_manager = @filters unless @config.filter_manager.equal?(@filters)
          return if @config.formatter_loader.equal?(@formatters)

          @config.instance_variable_set(:@reporter, @formatters.reporter)
          @config.instance_variable_set(:@formatter_loader, @formatters)
        end
      end
    end
  end
end
