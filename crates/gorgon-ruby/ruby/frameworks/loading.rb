# frozen_string_literal: true

module Gorgon
  module Frameworks
    # What a test file does while it is loaded that keeps it whole.
    #
    # It registers hooks of the whole suite, or of the process's end. Such a hook may look at what all tests of the file
    # have done, and each part of the file would have a share of it. A helper's hooks run in each Ruby process as it is:
    # whose a hook is tells the place of its block.
    #
    # Or it draws random numbers: then its tests may have other data in each process that loads it.
    class Loading
      # Handlers of Ruby, which tells nobody of them.
      AT_EXIT = /(?:(?<![.\w])|\bKernel\.)at_exit\b|^\s*END\s*\{/n.freeze
      # What a file says that draws. One that has its helpers draw is not found out: to ask Ruby of each file would take too
      # long.
      DRAWS = /rand|sample|shuffle/n.freeze
      # A file that seeds by itself draws the same everywhere.
      SEEDS = /\bsrand\b/n.freeze
      # Taken at load: tests stub them.
      SEED = ::Random.method(:seed)
      BYTES = (::Random.method(:bytes) if ::Random.respond_to?(:bytes))
      SRAND = ::Kernel.method(:srand)
      READ = ::File.method(:binread)
      # Ruby's generator gives words of so many bytes.
      WORD_BYTES = 4
      # Within so many words its place is found.
      MOST_WORDS = 1 << 16
      private_constant :SEED, :BYTES, :SRAND, :READ

      def initialize(places)
        @places = places
        @drew = {} # path => true
      end

      # Runs the block, which loads the file.
      def watch(path)
        before = place if DRAWS.match?(text(path))
        yield
      ensure
        @drew[path] = true if before && drew?(before, place, path)
      end

      # `blocks` are the hooks that the framework knows of.
      def keeps_whole?(path, blocks)
        @drew.key?(path) || hooks?(path, blocks)
      end

      private

      def hooks?(path, blocks)
        own = @places.relative(@places.absolute(path))
        blocks.any? { |block| (file = block&.source_location&.first) && @places.relative(file) == own } || AT_EXIT.match?(text(path))
      end

      def text(path)
        absolute = @places.absolute(path)
        Frameworks.scan.text(absolute) || READ.call(absolute)
      rescue SystemCallError
        '' # To load it tells.
      end

      # A helper may have seeded, as the generated one of RSpec does.
      def drew?(before, after, path)
        return before.last != after.last if before.first == after.first

        after.last != 0 && !SEEDS.match?(text(path))
      end

      # The seed of Ruby's generator, and how many words it has given since. Then the generator goes on as if nobody had
      # asked. nil for more words than can be found out: a process that draws so many does not notice two more.
      def place
        return unless BYTES

        seed = SEED.call
        given = BYTES.call(2 * WORD_BYTES)
        words = words_before(given, seed)
        return [seed, nil] unless words

        SRAND.call(seed)
        BYTES.call(words * WORD_BYTES)
        [seed, words]
      end

      def words_before(given, seed)
        again = ::Random.new(seed)
        return 0 if again.bytes(given.bytesize) == given

        at = ::Random.new(seed).bytes(MOST_WORDS * WORD_BYTES).index(given)
        at / WORD_BYTES if at
      end
    end
  end
end
