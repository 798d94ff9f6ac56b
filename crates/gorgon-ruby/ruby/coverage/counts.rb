# frozen_string_literal: true

module Gorgon
  # Ruby sets the counters of Coverage to zero in a process that is forked. If callbacks have loaded the helper before the
  # fork, a Ruby child adds what was counted by then: in a plain run both are one process.
  module CoverageCounts
    class << self
      # To be called in a process before it forks, and in its fork before that forks again.
      def keep
        return unless defined?(::Coverage) && ::Coverage.running?

        @earlier = @kept unless @kept_by == $$
        @kept_by = $$
        @kept = plus(@earlier || {}, ::Coverage.peek_result)
      end

      # In a child, before it runs anything of the suite: what Coverage tells from now on has the earlier counts, too.
      def give_back
        return unless @kept

        counts = self
        ::Coverage.singleton_class.prepend(Module.new do
          define_method(:peek_result) { counts.added(super()) }
          define_method(:result) { |options = {}| counts.added(super(**options), options) }
        end)
      end

      # Counters that are set to zero begin anew.
      def added(found, options = { clear: false })
        sum = plus(@kept, found)
        @kept = {} unless options[:clear] == false
        sum
      end

      private

      # Of the files that are measured now.
      def plus(earlier, found)
        found.map { |path, counts| [path, earlier.key?(path) ? both(earlier[path], counts) : counts] }.to_h
      end

      # Counts of lines are an array, in which nil is a line that does not count; those of branches are hashes in a hash.
      def both(one, other)
        case one
        when ::Hash then one.merge(other) { |kind, first, second| of_kind(kind, first, second) }
        # A file that has been loaded anew may have other lines.
        when ::Array then one.size == other.size ? one.zip(other).map { |first, second| first && second ? first + second : second } : other
        else one + other
        end
      end

      def of_kind(kind, one, other)
        case kind
        when :oneshot_lines then one | other
        when :methods then other # A fork keeps these.
        else both(one, other)
        end
      end
    end
  end
end
