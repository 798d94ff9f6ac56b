# frozen_string_literal: true

module Gorgon
  # `parallelize_setup` and `parallelize_teardown` of a Rails application: they run once in each Ruby child, with the
  # number of its worker. The processes of Rails' own `parallelize` are not started.
  module RailsParallel
    # Rails' own hook is left out: it makes databases, and ours exist already.
    DATABASES = %r{/active_record/test_databases\.rb\z}.freeze

    class << self
      def offer(number)
        @number = number
        @ran = 0
      end

      # Runs the hooks that were registered since the last call. Called when a file is loaded.
      def set_up
        return unless @number && defined?(::ActiveSupport::Testing::Parallelization.after_fork_hooks)

        hooks = ::ActiveSupport::Testing::Parallelization.after_fork_hooks
        fresh = hooks.drop(@ran)
        @ran = hooks.size
        fresh.each { |hook| hook.call(@number) unless DATABASES.match?(hook.source_location.first) }
      end

      def tear_down
        return unless @ran.to_i.positive?

        ::ActiveSupport::Testing::Parallelization.run_cleanup_hooks.each { |hook| hook.call(@number) }
      end
    end
  end
end
