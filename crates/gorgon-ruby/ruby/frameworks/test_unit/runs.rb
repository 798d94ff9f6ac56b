# frozen_string_literal: true

module Gorgon
  module Frameworks
    # A file, or its helper, may call a runner of Test::Unit while the file is loaded. Such a run does nothing then: the
    # tests of the file run after it is loaded.
    module TestUnitRuns
      # Stands before the mediator's own run, which each runner asks, while a file is loaded. While tests run it is
      # empty: a frame of ours between those of Test::Unit would stand in the backtrace of each failure.
      module Before
      end

      RUN = proc do
        TestUnitRuns.asked = true
        ::Test::Unit::TestResult.new
      end

      class << self
        # Whether a file that was loaded asked for a run.
        attr_accessor :asked

        def put(mediator)
          mediator.prepend(Before) unless mediator < Before
        end

        def while_loading
          @asked = false
          Before.define_method(:run, &RUN)
          yield
        ensure
          Before.__send__(:remove_method, :run)
        end
      end

      STAND_INS['Test::Unit::UI::TestRunnerMediator'] = self
    end
  end
end
