# frozen_string_literal: true

require_relative '../part'

module Gorgon
  module Frameworks
    class Rspec
      # Which examples of a file can run apart from others, and which of them an item for a part runs. A file is loaded
      # once in a process, for all its parts.
      class Parts
        # What the loading of a file brought, and what of it a run of the whole file would run.
        Loaded = Struct.new(:groups, :examples)

        # Orders that keep nothing together.
        LOOSE = [nil, :global, :random, :rand].freeze

        def initialize(world, results, reporter)
          @world = world
          @results = results
          @reporter = reporter
          @loaded = {}
          @groups = {}.compare_by_identity # group of the file => what holds it together with others
        end

        def begin_file(path)
          @path = path
          @groups.clear
        end

        # Puts back what an earlier part has loaded; false where none has.
        def take_up
          loaded = @loaded[@path] or return false

          @world.example_groups.replace(loaded.groups)
          true
        end

        # Leaves the examples of the part alone; the block settles the filters of a file that was just loaded, or of
        # which other examples run now.
        def choose(part, fresh: false)
          @loaded.delete(@path) if fresh
          loaded = @loaded[@path] ||= load { yield }
          @reporter.defined(loaded.examples.values.flatten(1).map { |example| @results.id(example) })
          @world.filtered_examples.clear
          loaded.examples.each do |group, examples|
            group.instance_variable_set(:@descendant_filtered_examples, nil)
            @world.filtered_examples[group] = examples.select { |example| part.include?(@results.id(example)) }
          end
        end

        # Whether each example that runs is known by an id of its own.
        def divisible?
          ids = @world.all_example_groups.flat_map { |group| group.filtered_examples.map { |example| @results.id(example) } }
          ids.uniq.size == ids.size
        end

        # The outermost group whose examples belong together, by its id; nil where the example is free.
        def group_of(example)
          held_by(example.example_group)
        end

        private

        def load
          yield
          groups = @world.all_example_groups
          Loaded.new(@world.example_groups.dup, groups.to_h { |group| [group, group.filtered_examples.dup] }.compare_by_identity)
        end

        def held_by(group)
          return @groups[group] if @groups.key?(group)

          above = group.superclass
          held = held_by(above) if above < ::RSpec::Core::ExampleGroup
          @groups[group] = held || (group.id if holds?(group))
        end

        # What cannot be asked may hold.
        def holds?(group)
          return true unless LOOSE.include?(group.metadata[:order])

          %i[before after].any? { |position| !group.hooks.__send__(:matching_hooks_for, position, :context, group).empty? }
        rescue ::NoMethodError
          true
        end
      end
    end
  end
end
