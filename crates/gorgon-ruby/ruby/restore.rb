# frozen_string_literal: true

require_relative 'gem_paths'
require_relative 'system'

module Gorgon
  # Puts back, between the files of a child, what one file may have changed for the next: working
  # directory, umask, encodings that no path can bear, handlers of signals, Ruby's standard streams,
  # RubyGems' paths. ENV and globals are the file's own business, as they would be in one plain process.
  class Restore
    SIGNALS = %w[INT TERM HUP QUIT USR1 USR2 ALRM CHLD PIPE CONT WINCH].freeze
    NUMBERS = ::Signal.list.freeze
    TRAP = ::Signal.method(:trap)

    def initialize(root, capture)
      @root = root
      @capture = capture
      @umask = File.umask
      @encodings = [::Encoding.default_external, ::Encoding.default_internal]
      @gem_paths = GemPaths.new
      @traps = SIGNALS.map { |name| [NUMBERS[name], handler(name)] }.reject { |_, handler| handler.nil? }
    end

    def call
      restore_encodings
      Dir.chdir(@root) unless here?
      File.umask(@umask) unless File.umask == @umask
      @traps.each { |number, handler| TRAP.call(number, handler) }
      @gem_paths.restore
      @capture.take
      $stdin = STDIN
    end

    # Only those in which no path can be told: to set others is a helper's right. To be called before
    # anything that names a file.
    def restore_encodings
      return if paths_can_be_told?

      verbose = $VERBOSE
      $VERBOSE = nil
      ::Encoding.default_external, ::Encoding.default_internal = @encodings
      $VERBOSE = verbose
    end

    private

    def paths_can_be_told?
      ::Encoding.default_external.ascii_compatible? && ::Encoding.default_internal&.ascii_compatible? != false
    end

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
