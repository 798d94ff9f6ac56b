# frozen_string_literal: true

require_relative 'raised'

module Gorgon
  # How a Ruby child ends. If a handler of at_exit gives it a status other than 0, the run fails, as a plain one does.
  # SimpleCov's exit for too little coverage fails the run only if coverage is merged (`merged`). Without that, the
  # coverage of one process says nothing of the suite. With it, SimpleCov exits only in a process whose result is not
  # merged, and which nobody else judges.
  module Leaving
    LIBRARY = %r{/simplecov\.rb\z}.freeze

    class << self
      # Called where a child begins to live.
      def watch(channel, merged: false)
        @channel = channel
        @merged = merged
        @pid = $$
      end

      # The block is called when all handlers have had their turn.
      def at_last(&block)
        (@looks ||= []) << block
      end

      # The handler that runs last, with what the others raised.
      def tell(error)
        return unless @channel && @pid == $$

        @looks&.each(&:call)
        coverage?(error)
      rescue SystemCallError, IOError
        nil # The worker is gone.
      end

      # Whether SimpleCov exits because the coverage is too small; that becomes a warning.
      def coverage?(error)
        return false if @merged || !of_coverage?(error)

        @channel&.send(event: 'coverage_failed', status: error.status)
        true
      end

      private

      # If SimpleCov only repeats a status that the process already had, the earlier status is the cause. A framework's own
      # exit says that its tests have run.
      def of_coverage?(error)
        return false unless SystemExit === error && !error.success? && (error.cause.nil? || (SystemExit === error.cause && error.cause.success?))

        library = $LOADED_FEATURES.find { |path| LIBRARY.match?(path) } or return false
        place = Raised.backtrace(error).find { |line| !line.start_with?('<internal:') }
        place.to_s.start_with?(library, "#{library.delete_suffix('.rb')}/")
      end
    end
  end
end
