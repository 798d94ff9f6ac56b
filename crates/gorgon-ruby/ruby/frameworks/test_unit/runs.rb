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

      MEDIATOR = 'Test::Unit::UI::TestRunnerMediator'
      AUTORUNNER = 'Test::Unit::AutoRunner'

      class << self
        # Whether a file is being loaded, and whether it asked for a run.
        attr_accessor :loading, :asked

        # Before Test::Unit is there.
        def watch(stand_in)
          Frameworks.arrival('testrunnermediator.rb', MEDIATOR) { |mediator| prepend_to(mediator) }
          Frameworks.arrival('autorunner.rb', AUTORUNNER) { |runner| stand_in.put(runner) }
        end

        # When it is there.
        def install(stand_in)
          prepend_to(::Test::Unit::UI::TestRunnerMediator)
          stand_in.put(::Test::Unit::AutoRunner)
        end

        def while_loading
          @asked = false
          @loading = true
          yield
        ensure
          @loading = false
        end

        private

        def prepend_to(mediator)
          mediator.prepend(Before) unless mediator < Before
        end
      end
    end
  end
end
