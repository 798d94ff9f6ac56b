# frozen_string_literal: true

require_relative '../../protocol'

module Gorgon
  module Frameworks
    class Rspec
      # The part of an example's name that is the same in each process. Words with digits may be times, random
      # directories or ports. The description of a one-liner is that of the matcher that ran last.
      class Keys
        DIGIT = /\d/.freeze
        VARIES = /[\w.+:-]*\d[\w.+:-]*/.freeze

        def initialize(world)
          @world = world
          @counts = {}                   # line => how many of its examples have a key and path
          @keys = {}.compare_by_identity # example => key
        end

        def begin_file
          @by_line = nil
          @counts.clear
          @keys.clear
        end

        # nil where the name is the key already, or where other examples of the line have the same, as
        # those of a loop do: those are told apart by their names alone.
        def of(example)
          key = key(example)
          key if key != Json.utf8(example.full_description) && alone?(example, key)
        end

        private

        # As a rule a line has one example, whose key need be compared with no other.
        def alone?(example, key)
          @by_line ||= @world.all_examples.group_by { |other| other.metadata[:line_number] }
          line = example.metadata[:line_number]
          beside = @by_line.fetch(line, [])
          return true if beside.size == 1 && beside.first.equal?(example)

          @counts[line] ||= beside.map { |other| [key(other), path(other)] }.tally
          @counts[line][[key, path(example)]] == 1
        end

        def path(example)
          example.metadata[:absolute_file_path]
        end

        def key(example)
          @keys[example] ||= key_of(example)
        end

        def key_of(example)
          metadata = example.metadata
          group = metadata[:example_group][:full_description]
          own = Array(metadata[:description_args]).any?
          text = Json.utf8(own ? metadata[:full_description] : "#{group} (without a description)")
          text.match?(DIGIT) ? text.gsub(VARIES, '#') : text
        end
      end
    end
  end
end
