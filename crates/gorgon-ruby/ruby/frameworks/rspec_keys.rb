# frozen_string_literal: true

require_relative '../protocol'

module Gorgon
  module Frameworks
    # What stays of an example's name from process to process: words with digits may be times, random
    # directories or ports, and the description of a one-liner is that of the matcher that ran last.
    class RspecKeys
      DIGIT = /\d/.freeze
      VARIES = /[\w.+:-]*\d[\w.+:-]*/.freeze

      def initialize(world)
        @world = world
      end

      def begin_file
        @counts = nil
        @keys = {}.compare_by_identity
      end

      # nil where the name is the key already, or where other examples of the line have the same, as
      # those of a loop do: those are told apart by their names alone.
      def of(example)
        key = key(example)
        key if key != Json.utf8(example.full_description) && counts[[key, *place(example)]] == 1
      end

      private

      def counts
        @counts ||= @world.all_examples.each_with_object(Hash.new(0)) do |example, counts|
          counts[[key(example), *place(example)]] += 1
        end
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

      def place(example)
        [example.metadata[:absolute_file_path], example.metadata[:line_number]]
      end
    end
  end
end
