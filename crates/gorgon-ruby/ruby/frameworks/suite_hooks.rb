# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Which test files register, while they are loaded, hooks of the whole suite or of the process's end. Such a hook may
    # look at what all tests of the file have done, and each part of the file would have a share of it. A helper's hooks
    # run in each Ruby process as it is: whose a hook is tells the place of its block.
    class SuiteHooks
      # Handlers of Ruby, which tells nobody of them.
      AT_EXIT = /^\s*(?:(?:::)?Kernel\.)?(?:at_exit\b|END\s*\{)/n.freeze
      # Taken at load: tests stub File.
      READ = ::File.method(:binread)
      private_constant :READ

      def initialize(places)
        @places = places
      end

      # Whether the file has some. `blocks` are those that its framework knows of.
      def of?(path, blocks)
        absolute = @places.absolute(path)
        own = @places.relative(absolute)
        blocks.any? { |block| (file = block&.source_location&.first) && @places.relative(file) == own } ||
          AT_EXIT.match?(Frameworks.scan.text(absolute) || READ.call(absolute))
      rescue SystemCallError
        false # What is gone says nothing.
      end
    end
  end
end
