# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # What RSpec's own command is given to run one example alone: FILE:LINE, or the example's id if the line names
      # other examples, too.
      #
      # A file may load other files with examples. A line or an id chooses only among the examples of its own file, so a
      # tag leaves out the others. An example of another file is named by its description. If the file gives examples to
      # groups of earlier files, these files stand before it.
      class Reruns
        # A tag that no example has. What is chosen by line or id runs all the same.
        NO_OTHERS = %w[--tag no_other_file].freeze

        # Maximum number of descriptions of a file that are compared with that of each failed example.
        MOST_DESCRIPTIONS = 1000

        # The seed of a random order; nil: the order is another one.
        def self.seed(config)
          config.seed if ::RSpec::Core::Ordering::Random === Orderings::Watched.original(config.ordering_registry.fetch(:global))
        end

        def initialize(world, places, late)
          @world = world
          @places = places
          @late = late
        end

        # By its absolute path, and by the path that RSpec gives it.
        def begin_file(path, named)
          @path = path
          @named = named
          @counts = @alone = @descriptions = nil
        end

        # nil: no command runs it alone.
        def of(example)
          words = own?(example) ? [named(example), *(NO_OTHERS unless alone?)] : of_another_file(example)
          words && { framework: 'rspec', words: [*@late.needed, *words] }
        end

        private

        # Whether all examples are the file's own.
        def alone?
          @alone = @world.all_examples.all? { |example| own?(example) } if @alone.nil?
          @alone
        end

        # Of shared examples it is the file of the group that has them that counts.
        def own?(example)
          example.metadata[:rerun_file_path] == @named
        end

        def named(example)
          place(example) || example.id.delete_prefix('./')
        end

        def of_another_file(example)
          option = by_description(example)
          return [@places.relative(@path), *option] if option

          # Its file may be one that runs alone.
          [named(example)] if @late.needed.empty? && ::File.file?(@places.absolute(example.metadata[:rerun_file_path]))
        end

        # nil where RSpec makes the description only when the example runs, and where others have it.
        def by_description(example)
          said = example.metadata[:full_description].to_s
          return if example.metadata[:description_args].empty? || said.match?(/[[:cntrl:]]/)
          return if descriptions[said] != 1
          return ['-e', said] if descriptions.size <= MOST_DESCRIPTIONS && descriptions.each_key.one? { |other| other.include?(said) }

          ['-E', "^#{::Regexp.escape(said)}$"] if matches?
        end

        # RSpec has the option since 3.9.
        def matches?
          ::Gem::Version.new(::RSpec::Core::Version::STRING) >= ::Gem::Version.new('3.9')
        end

        # Description => how many examples of the file have it.
        def descriptions
          @descriptions ||= @world.all_examples.map { |example| example.metadata[:full_description].to_s }.tally
        end

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
