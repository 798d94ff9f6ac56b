# frozen_string_literal: true

module Gorgon
  # Where RubyGems looks for gems. Tests of tools that install gems point it at directories which
  # they then remove: the next file could not load a gem that it had not loaded before.
  class GemPaths
    def initialize
      keep
    end

    # The paths of now are those to go back to.
    def keep
      return if !defined?(::Gem.paths) || ::Gem.path == @path

      @path = ::Gem.path.dup
      @home = ::Gem.dir
    rescue StandardError
      nil # RubyGems itself may be what is tested.
    end

    def restore
      return if @path.nil? || ::Gem.path == @path

      ::Gem.clear_paths
      # Not by the environment, but set by loading.
      ::Gem.use_paths(@home, *@path) unless ::Gem.path == @path
      ::Gem::Specification.reset
    rescue StandardError
      nil
    end
  end
end
