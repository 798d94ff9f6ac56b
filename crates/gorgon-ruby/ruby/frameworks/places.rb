# frozen_string_literal: true

module Gorgon
  # Places in source files as they are shown: relative to the project, frames of ours left out.
  class Places
    OURS = File.dirname(__dir__) + '/'
    # A line of a backtrace, as frameworks and Ruby itself write it into a text.
    OUR_LINE = /(?:\A|\n)[ \t]*(?:\d+: )?(?:# |from )?#{Regexp.escape(OURS)}[^\n]*?:\d+(?::in [^\n]*)?(?=\n|\z)/.freeze
    private_constant :OUR_LINE

    # The text without lines that are frames of ours.
    def self.without_ours(text)
      text.include?(OURS) ? text.gsub(OUR_LINE, '') : text
    end

    def initialize(root)
      @roots = [File.expand_path(root), File.realpath(root)].uniq.map { |dir| dir.chomp('/') + '/' }
    end

    # The path from the project on, where it lies inside.
    def relative(path)
      path = path.to_s
      root = @roots.find { |dir| path.start_with?(dir) }
      root ? path[root.size..-1] : path.delete_prefix('./')
    end

    # The text with the project's paths in it made relative.
    def within(text)
      @roots.inject(text.scrub) { |shown, dir| shown.gsub(dir, '') }
    end

    def absolute(path)
      File.expand_path(path, @roots.first)
    end

    # A backtrace without our frames, project paths relative.
    def backtrace(lines)
      Array(lines).map(&:to_s).reject { |line| line.start_with?(OURS) || line.start_with?('<internal:') }
                  .map { |line| relative(line) }
    end
  end
end
