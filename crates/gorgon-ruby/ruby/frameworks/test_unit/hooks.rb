# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Hooks of Test::Unit.at_start and at_exit. Its mediator runs them around each suite that it runs.
    # Each file has a suite here, and hooks are for a whole run: at_start runs once a process, with the
    # first file after it was registered, at_exit at the end of the process.
    module TestUnitHooks
      # Stands before Test::Unit's own methods. A suite that a test runs by itself has its hooks as ever.
      module Before
        def run_at_start_hooks
          TestUnitHooks.once ? TestUnitHooks.once.start(class_variable_get(:@@at_start_hooks)) { super } : super
        end

        def run_at_exit_hooks
          super unless TestUnitHooks.once && !TestUnitHooks.once.in_test?
        end
      end

      class << self
        attr_accessor :once

        def install
          ::Test::Unit.singleton_class.prepend(Before) unless ::Test::Unit.singleton_class < Before
        end
      end

      # Which hooks have had their turn.
      class Once
        # Whether one of at_start raised.
        attr_reader :broken

        def initialize(reporter, results)
          @reporter = reporter
          @results = results
          @started = []
        end

        def all
          %i[@@at_start_hooks @@at_exit_hooks].flat_map { |name| ::Test::Unit.class_variable_get(name) }
        end

        # While the block runs, hooks run once.
        def held
          TestUnitHooks.once = self
          yield
        ensure
          TestUnitHooks.once = nil
        end

        # The block runs all hooks, as Test::Unit would.
        def start(hooks)
          return yield if in_test?

          fresh = hooks - @started
          @broken = true
          @reporter.before_tests(due: fresh.any?) { fresh.each { |hook| @started << hook and hook.call } }
          @broken = false
        end

        def in_test?
          @results.in_test?
        end
      end
    end
  end
end
