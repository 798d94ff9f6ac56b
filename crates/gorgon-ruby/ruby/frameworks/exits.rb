# frozen_string_literal: true

require_relative '../refused'

module Gorgon
  module Frameworks
    # Handlers of at_exit that a file registers after it has asked its framework to run at exit. Ruby runs the last one
    # first: in a plain run these come before the tests, may define some, and may end the run. So may `trap('EXIT')`,
    # which Ruby runs before all of them.
    class Exits
      INSTANCE = ::Kernel.instance_method(:at_exit)
      MODULE = ::Kernel.method(:at_exit).unbind
      # Stands for at_exit while a file is loaded.
      TAKE = proc { |&handler| Exits.taker&.take(handler) || INSTANCE.bind(::Kernel).call(&handler) }
      TRAP = ::Signal.method(:trap)

      class << self
        # Who takes the handlers now, if anybody does.
        attr_accessor :taker

        def define(instance, of_module)
          verbose, $VERBOSE = $VERBOSE, nil
          ::Kernel.define_method(:at_exit, instance)
          ::Kernel.__send__(:private, :at_exit)
          ::Kernel.define_singleton_method(:at_exit, of_module)
          ::Kernel.instance_method(:at_exit)
        ensure
          $VERBOSE = verbose
        end

        # The handler that `trap('EXIT')` has; nil: none.
        def trap
          found = TRAP.call('EXIT', 'DEFAULT')
          TRAP.call('EXIT', found) if found
          found
        end
      end

      # The block tells whether the framework is to run at exit.
      def initialize(&armed)
        @armed = armed
        @held = []
        @trap = Exits.trap
      end

      # Runs the block, which loads a file; the handlers that it registers meanwhile wait.
      def held(&block)
        @loads = true
        before = Exits.trap
        watching { holding(&block) }
      ensure
        take_trap(before)
      end

      # Whether a block of END failed that the loading of a file registered. Known when the process ends.
      attr_reader :failed

      # Runs the block. Of what ends the process later, only what the block registers runs between two handlers of ours:
      # blocks of END, which nobody can hold.
      def watching
        INSTANCE.bind(::Kernel).call { @failed ||= !@before.equal?($!) && !fine?($!) }
        yield
      ensure
        INSTANCE.bind(::Kernel).call { @before = $! }
      end

      # Runs the block, in which handlers of at_exit wait.
      def holding
        Exits.taker = self
        taken = Exits.define(TAKE, TAKE)
        yield
      ensure
        Exits.taker = nil
        # The suite may have its own `at_exit` by now, which calls the method that was there before.
        Exits.define(INSTANCE, MODULE) if taken && ::Kernel.instance_method(:at_exit) == taken
      end

      def take(handler)
        return unless handler && @armed.call

        @held << handler
        handler
      end

      # Runs those that wait, the last one first. Returns the exception that Ruby would go on with, or nil.
      def run
        @held.empty? ? nil : holding { run_last }
      end

      # All tests have run. In a plain run Ruby calls `trap('EXIT')` before the tests, so a trap that a test sets is
      # never called. If another framework loads the files, the trap may be one of its tests'.
      def forget_trap
        TRAP.call('EXIT', @trap || 'DEFAULT') if @loads && @armed.call
      end

      # Those that still wait run when the process ends.
      def let_go
        INSTANCE.bind(::Kernel).call(&@held.shift) until @held.empty?
      end

      private

      def fine?(error)
        error.nil? || (::SystemExit === error && error.success?)
      end

      def take_trap(before)
        found = Exits.trap
        return if found.nil? || found.equal?(before) || !@armed.call

        TRAP.call('EXIT', 'DEFAULT')
        @held << -> { found.respond_to?(:call) ? found.call(0) : ::TOPLEVEL_BINDING.eval(found) }
      end

      # An exception of one handler is `$!` in the next handler, as in Ruby.
      def run_last
        handler = @held.pop or return
        handler.call
        run_last
      rescue ::NoMemoryError, ::SignalException, Refused
        raise
      rescue ::Exception => e # rubocop:disable Lint/RescueException
        run_last || e
      end
    end
  end
end
