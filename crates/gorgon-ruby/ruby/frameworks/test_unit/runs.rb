# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Runs that a file, or a helper that it loads, asks a runner of Test::Unit for: while the file is loaded they are put
    # off, as its tests run once it is loaded.
    module TestUnitRuns
      # Stands before the mediator's own run, which each runner asks.
      module Before
        def run
          return super unless TestUnitRuns.loading

          TestUnitRuns.asked = true
          ::Test::Unit::TestResult.new
        end
      end

      class << self
        # Whether a file is being loaded, and whether it asked for a run.
        attr_accessor :loading, :asked

        def put(mediator)
          mediator.prepend(Before) unless mediator < Before
        end

        def while_loading
          @asked = false
          @loading = true
          yield
        ensure
          @loading = false
        end
      end

      STAND_INS['Test::Unit::UI::TestRunnerMediator'] = self
    end
  end
end
