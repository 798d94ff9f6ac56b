# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # What we put beside RSpec's own objects: each method does what RSpec's does, and lets the adapter know.
      module Beside
        # On RSpec's reporter.
        module OfReporter
          attr_writer :gorgon_adapter, :gorgon_results

          # A listener that a later file of the child adds still gets the event of the start.
          def register_listener(listener, *notifications)
            super.tap { @gorgon_results.start_for(listener, notifications) }
          end

          # Once, for the files of a child.
          def start(*)
            @gorgon_adapter.start_reporter { super }
          end

          def finish
            super if @gorgon_adapter.finish_reporter?
          end

          def notify_non_example_exception(error, context)
            @gorgon_outside = [error, context]
            super
          ensure
            # If RSpec could not format the exception.
            gorgon_said(nil)
          end

          def message(text)
            gorgon_said(text)
            super
          end

          private

          def gorgon_said(text)
            error, context = @gorgon_outside
            @gorgon_outside = nil
            @gorgon_adapter.outside(error, context, text) if context
          end
        end

        # On RSpec's runner, which runs the groups of each file: its exit status is that of the child.
        module OfRunner
          # Whether the groups of the last file passed; nil where nobody asked.
          attr_accessor :gorgon_passed
          attr_writer :gorgon_ending

          # RSpec has the method since 3.10.
          def exit_code(passed = false)
            return defined?(super) ? super : gorgon_status(passed) if @gorgon_ending

            @gorgon_passed = passed
            passed && !@world.non_example_failure ? 0 : 1
          end

          private

          def gorgon_status(passed)
            passed ? 0 : @configuration.failure_exit_code
          end
        end

        # On what makes RSpec's formatters: where the files of theirs lie.
        module OfLoader
          attr_writer :gorgon_formatters

          def add(formatter, *paths)
            paths = @gorgon_formatters.to_add(formatter, paths)
            super(formatter, *paths) if paths
          end

          def setup_default(output, *)
            @gorgon_formatters.by_default(output) { super }
          end
        end

        # On what RSpec's formatters write to unless they have a file.
        module OfOutput
          attr_writer :gorgon_formatters

          def output
            @gorgon_formatters.stream(super)
          end
        end

        # On RSpec's configuration: what helpers and files say about filters.
        module OfFilters
          attr_writer :gorgon_filters

          def filter_run_when_matching(*args)
            @gorgon_filters.focus_on(args) { |conditions, block| define_derived_metadata(*conditions, &block) }
          end

          %i[filter_run_including filter_run filter_run_excluding].each do |name|
            define_method(name) { |*args| @gorgon_filters.adding(::Kernel.caller_locations(1, 8)) { super(*args) } }
          end
        end

        # On RSpec's configuration: uses compiled libraries if a helper chooses the usual ones; and accepts settings
        # that a later file of the child makes, which RSpec accepts only before its reporter exists.
        module OfConfiguration
          attr_writer :gorgon_formatters, :gorgon_adapter, :gorgon_next

          # RSpec looks for its files after its helpers are loaded; the job has its files already.
          %i[pattern exclude_pattern].each do |name|
            define_method(:"#{name}=") do |value|
              next super(value) if ::RSpec::CallerFilter::LIB_REGEX.match?(::Kernel.caller_locations(1, 1).first.path)

              @gorgon_adapter.pattern_set(name) { super(value) }
            end
          end

          # All files of the job. RSpec, which is about to load them, gets only the current one.
          def files_to_run
            @gorgon_next ? [@gorgon_next] : super
          end

          def mock_with(framework, *rest, &block)
            framework == :rspec ? Warm.used('rspec-mocks') { super } : super
          end

          def expect_with(*frameworks, &block)
            frameworks == [:rspec] ? Warm.used('rspec-expectations') { super } : super
          end

          def deprecation_stream=(stream)
            @gorgon_formatters.before_reporter { super }
            @gorgon_formatters.deprecations_go_to(stream)
          end

          def output_stream=(stream)
            @gorgon_formatters.before_reporter { super }
          end

          private

          def load_file_handling_errors(*)
            @gorgon_next = nil
            super
          end

          def run_suite_hooks(description, hooks)
            @gorgon_adapter.suite_hooks_of_the_file(hooks) { |some| super(description, some) }
          end
        end

        # Before anybody has asked for RSpec's reporter.
        def self.attach(config, adapter, results, formatters, filters)
          loader = config.formatter_loader
          output = config.__send__(:output_wrapper)
          [[loader, OfLoader], [output, OfOutput], [config, OfConfiguration]].each do |object, beside|
            # `extend` is another method in a configuration, so this calls Object's.
            object.singleton_class.include(beside)
            object.gorgon_formatters = formatters
          end
          config.gorgon_adapter = adapter
          config.singleton_class.include(OfFilters)
          config.gorgon_filters = filters
          reporter = loader.reporter.extend(OfReporter)
          reporter.gorgon_adapter = adapter
          reporter.gorgon_results = results
          reporter.register_listener(results, *Results::EVENTS)
        end
      end
    end
  end
end
