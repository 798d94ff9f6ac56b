# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # What RSpec's own command is given to run one example alone: FILE:LINE, or the example's id if the line names
      # other examples, too.
      class Reruns
        # The seed of a random order; nil: the order is another one.
        def self.seed(config)
          config.seed if ::RSpec::Core::Ordering::Random === config.ordering_registry.fetch(:global)
        end

        def initialize(world, places)
          @world = world
          @places = places
        end

        # By its absolute path.
        def begin_file(path)
          @path = path
          @counts = nil
        end

        def of(example)
          { framework: 'rspec', words: [place(example) || example.id.delete_prefix('./')] }
        end

        private

        # nil where it is none that RSpec finds only this example by.
        def place(example)
          metadata = example.metadata
          line = metadata[:line_number]
          "#{@places.relative(@path)}:#{line}" if metadata[:absolute_file_path] == @path && counts[line] == 1
        end

        # Line of the file => how many examples RSpec runs for it.
        def counts
          @counts ||= @world.all_examples.flat_map { |example| lines(example) }.tally
        end

        # Those of the example and of the groups around it: RSpec runs all examples of a group for its line.
        def lines(example)
          around = example.example_group.parent_groups.map(&:metadata)
          [example.metadata, *around].select { |metadata| metadata[:absolute_file_path] == @path }
                                     .map { |metadata| metadata[:line_number] }.uniq
        end
      end
    end
  end
end
