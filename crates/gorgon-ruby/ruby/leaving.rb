# frozen_string_literal: true

require_relative 'raised'

module Gorgon
  # How a Ruby child ends. If a handler of at_exit gives it a status other than 0, the run fails, as a plain one does.
  # SimpleCov's exit for too little coverage fails the run only if the user asked for merged coverage (`judges`). Without
  # that, the coverage of one process says nothing of the suite. With it, SimpleCov exits only in a process whose result
  # is not merged, and which nobody else judges.
  #
  # A plain run ends with a status other than 0 if tests have failed, and handlers of at_exit find it in `$!`. So the child
  # exits with that status, too. The worker is not told of it, as it knows of the tests.
  module Leaving
    # Taken at load: suites define methods of that name.
    EXIT = ::Kernel.method(:exit)
    LIBRARY = %r{/simplecov\.rb\z}.freeze

    class << self
      # Called where a child begins to live.
      def watch(channel, judges: false)
        @channel = channel
        @judges = judges
        @pid = $$
      end

      # The block is called when all handlers have had their turn.
      def at_last(&block)
        (@looks ||= []) << block
      end

      # Has the process exit as a plain run of the adapters' frameworks does. By a handler, as Test::Unit does it: an
      # exception of the next one then counts.
      def exit_as_plain(adapters)
        verdicts = adapters.map { |adapter| adapter.verdict if adapter.respond_to?(:verdict) }.compact
        return if verdicts.empty?

        bad = verdicts - [true, 0]
        ::Kernel.at_exit { exit_with(bad.empty? || bad.first) }
      end

      # Exits as the framework does at the end of a plain run. `verdict` is what the framework gives to `exit`.
      def exit_with(verdict)
        verdict = false unless verdict == true || ::Integer === verdict
        EXIT.call(verdict)
      rescue SystemExit => e
        @status = e.status
        raise
      end

      # The handler that runs last, with what the others raised.
      def tell(error)
        return unless @channel && @pid == $$

        @looks&.each(&:call)
        coverage?(error)
        EXIT.call(true) if SystemExit === error && error.status == @status
      rescue SystemCallError, IOError
        nil # The worker is gone.
      end

      # Whether SimpleCov exits because the coverage is too small; that becomes a warning.
      def coverage?(error)
        return false if @judges || !of_coverage?(error)

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
