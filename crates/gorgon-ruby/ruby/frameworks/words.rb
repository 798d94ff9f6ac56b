# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Splits a line into words as a shell does, without expansion. Ruby's own Shellwords is a library that the suite
    # may have forgotten to require.
    module Words
      WORD = /\G\s*(?<word>(?:[^\s\\'"]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)(?:\s+|\z)/m.freeze
      PIECE = /\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"|([^\s\\'"]+)/m.freeze
      # What a backslash protects between double quotes.
      QUOTED = /\\([$`"\\\n])/.freeze

      class << self
        def split(line)
          line = line.strip
          words = []
          at = 0
          while at < line.size
            found = WORD.match(line, at) or raise ArgumentError, "a quote has no end: #{line}"
            words << plain(found[:word])
            at = found.end(0)
          end
          words
        end

        private

        def plain(word)
          word.gsub(PIECE) do
            found = Regexp.last_match
            found[1] || found[2] || found[3]&.gsub(QUOTED, '\1') || found[4]
          end
        end
      end
    end
  end
end
