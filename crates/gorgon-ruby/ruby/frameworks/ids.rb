# frozen_string_literal: true

require_relative '../protocol'

module Gorgon
  module Frameworks
    # Keys of the tests of one file: the name, with a number where a file has several classes of
    # one name, and without what differs from process to process.
    class Ids
      # An object's address, in the name of a class or test that was made from an object.
      ADDRESS = /0x\h{8,}/.freeze

      def initialize
        @seen = Hash.new(0)
        @distinct = true
      end

      # Whether each id that was given says by itself which test it is.
      def distinct?
        @distinct
      end

      # To be asked in the order in which the tests are defined.
      def id(name)
        text = Json.utf8(name)
        id = text.gsub(ADDRESS, '0xXXXX')
        number = @seen[id] += 1
        @distinct = false if number > 1 || id != text
        number > 1 ? "#{id}@#{number}" : id
      end
    end
  end
end
