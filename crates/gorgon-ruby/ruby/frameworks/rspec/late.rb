# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # Examples that a file gives to groups of earlier files, by a constant or a variable that holds the group. In a plain
      # run, which loads all files first, they run with their group.
      class Late
        # On RSpec's configuration, which RSpec asks for each example and each group that it makes.
        module OfConfiguration
          attr_writer :gorgon_late

          def apply_derived_metadata_to(*)
            @gorgon_late.made += 1
            super
          end
        end

        # How many examples and groups RSpec has made since the last file ended.
        attr_accessor :made

        def initialize(world, config)
          @world = world
          @config = config
          @made = 0
          config.singleton_class.include(OfConfiguration)
          config.gorgon_late = self
          @known = {}.compare_by_identity # group of a file that has run => how many examples it had
          @below = {}.compare_by_identity # the same group => how many groups it had
          @homes = {}.compare_by_identity # outermost group => that file
        end

        # To be called when a file has run, with its groups in the world. What its tests gave to groups of earlier files runs
        # in no plain run that has run those before, as this child has.
        def remember(file)
          pass_over
          @made = 0
          @world.example_groups.each { |group| @homes[group] = file }
          @world.all_example_groups.each { |group| know(group) }
        end

        # The earlier files without which the file cannot be loaded, as it gives examples to their groups.
        def needed
          (@groups || []).map { |group| @homes[group] }.uniq
        end

        # To be called instead where only some examples of a file run: what it gave to others is not among them.
        def pass_over
          return unless given?

          groups = changed
          groups |= fresh.keys
          groups.each { |group| know(group) }
        end

        # Has the world run what the file gave to groups of earlier ones. Returns whether that was anything.
        def take_up
          return false unless given?

          given = fresh
          @groups = given.keys.map { |group| group.parent_groups.last }.uniq - @world.example_groups
          return false if @groups.empty?

          @groups.flat_map(&:descendants).each do |group|
            group.instance_variable_set(:@descendant_filtered_examples, nil)
            @world.filtered_examples[group] = @config.filter_manager.prune(given.fetch(group, []))
            know(group)
          end
          @world.example_groups.concat(@groups)
          true
        end

        # Takes the groups of earlier files out of the world again.
        def give_back
          @groups&.each { |group| @world.example_groups.delete(group) }
          @groups = nil
        end

        # What is to be told of examples that nobody ran, as they were put into their groups in an unknown way; nil: nothing.
        def left
          names = fresh.values.flatten(1).map(&:full_description)
          return if names.empty?

          examples = names.size == 1 ? '1 example was' : "#{names.size} examples were"
          "#{examples} given to groups of earlier files, and did not run: #{Faults.first_names(names)}"
        end

        private

        # Whether RSpec has made more than the file's own groups and their examples. To look through all earlier groups
        # takes milliseconds where there are thousands.
        def given?
          return false if @known.empty?

          own = @world.all_example_groups
          @made > own.size + own.sum { |group| group.examples.size }
        end

        def changed
          @known.keys.select { |group| group.examples.size != @known[group] || group.children.size != @below[group] }
        end

        def know(group)
          @known[group] = group.examples.size
          @below[group] = group.children.size
        end

        # Group => its examples that came since it ran, of all groups below those that have changed.
        def fresh
          around = changed.flat_map(&:parent_groups).uniq
          # RSpec remembers them, also when a group gets one more.
          around.each { |group| group.instance_variable_set(:@_descendants, nil) }
          (around & @homes.keys).flat_map(&:descendants).each_with_object({}.compare_by_identity) do |group, found|
            some = group.examples.drop(@known.fetch(group, 0))
            found[group] = some if some.any?
          end
        end
      end
    end
  end
end
