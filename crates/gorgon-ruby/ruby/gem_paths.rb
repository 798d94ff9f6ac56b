# frozen_string_literal: true

module Gorgon
  # Where RubyGems looks for gems. Tests of tools that install gems point it at directories which
  # they then remove: the next file could not load a gem that it had not loaded before.
  class GemPaths
    def initialize
      @path = ::Gem.path.dup if defined?(::Gem.paths)
    end

    def restore
      return if @path.nil? || ::Gem.path == @path

      ::Gem.clear_paths
      ::Gem::Specification.reset
    rescue StandardError
      nil # RubyGems itself may be what is tested.
    end
  end
end
