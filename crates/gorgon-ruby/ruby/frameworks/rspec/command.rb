# frozen_string_literal: true

require_relative '../../program'

module Gorgon
  module Frameworks
    class Rspec
      # RSpec's own command, which runs the groups of each file: so the callers of a test, and the backtrace of a
      # failure, are those of a plain run. What the command would make, options and a runner, is there already.
      class Command
        WAYS = %i[invoke run].freeze

        # On the classes of what the command makes.
        module Made
          attr_writer :gorgon_made

          def new(*)
            made = @gorgon_made
            @gorgon_made = nil
            made || super
          end
        end

        # On the class of RSpec's runners.
        module OfClass
          attr_writer :gorgon_command

          private

          # The handler of INT is ours.
          def trap(*)
            @gorgon_made ? nil : super
          end

          def exit(*status)
            @gorgon_command&.ending? ? @gorgon_command.status = status.first : super
          end
        end

        # On the runner.
        module OfRunner
          attr_writer :gorgon_command

          def setup(*)
            @gorgon_command.begin_run
          end

          private

          # RSpec's example statuses are written at the end of the child instead.
          def persist_example_statuses
            @gorgon_command.end_run
          end
        end

        # What `rspec` would exit with.
        attr_writer :status

        # `options` are those that the runner has been made of.
        def initialize(runner, options, world)
          @runner = runner
          @options = options
          @world = world
          @class = ::RSpec::Core::Runner
          @places = Program.of_rspec
          # RSpec tells of the end of a run since 3.3.
          @own = ways if @class.private_method_defined?(:persist_example_statuses)
          [@class, ::RSpec::Core::ConfigurationOptions].each { |made| made.extend(Made) }
          @class.extend(OfClass)
          runner.extend(OfRunner).gorgon_command = self
        end

        # Runs the groups of the world, and returns the status. If a helper has changed the command itself, the groups
        # run without the command: in a plain run the change has no effect either, as the command already runs.
        def run
          return @runner.run_specs(@world.ordered_example_groups).to_i unless @own == ways

          @status = 0
          @ending = false
          @class.gorgon_command = self
          @class.gorgon_made = @runner
          ::RSpec::Core::ConfigurationOptions.gorgon_made = @options
          eval('::RSpec::Core::Runner.invoke', ::TOPLEVEL_BINDING, *@places) # rubocop:disable Security/Eval
          @status
        ensure
          @class.gorgon_command = @class.gorgon_made = ::RSpec::Core::ConfigurationOptions.gorgon_made = nil
        end

        # Whether our runner has ended. A test may start runners of its own, whose ends do not count.
        def ending?
          @ending
        end

        def begin_run
          @ending = @world.wants_to_quit
        end

        def end_run
          @ending = true
        end

        private

        def ways
          [*WAYS.map { |name| @class.method(name) }, @class.instance_method(:run)]
        end
      end
    end
  end
end
