# frozen_string_literal: true

require_relative 'gem_paths'
require_relative 'system'

module Gorgon
  # Puts back, between the files of a child, what one file may have changed for the next: working
  # directory, umask, handlers of signals, Ruby's standard streams, RubyGems' paths. ENV and globals are the file's
  # own business, as they would be in one plain process.
  class Restore
    SIGNALS = %w[INT TERM HUP QUIT USR1 USR2 ALRM CHLD PIPE CONT WINCH].freeze
    TRAP = ::Signal.method(:trap)

    def initialize(root, capture)
      @root = root
      @capture = capture
      @umask = File.umask
      @gem_paths = GemPaths.new
      @traps = SIGNALS.map { |name| [name, handler(name)] }.reject { |_, handler| handler.nil? }
    end

    def call
      Dir.chdir(@root) unless here?
      File.umask(@umask) unless File.umask == @umask
      @traps.each { |name, handler| TRAP.call(name, handler) }
      @gem_paths.restore
      @capture.take
      $stdin = STDIN
    end

    private

    def here?
      Dir.pwd == @root
    rescue SystemCallError
      false
    end

    # nil where Ruby did not set it.
    def handler(name)
      found = TRAP.call(name, 'DEFAULT')
      TRAP.call(name, found) if found
      found
    rescue ArgumentError
      nil
    end
  end
end
