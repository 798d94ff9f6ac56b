# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # What we put beside RSpec's own objects: each method does what RSpec's does, and lets the adapter know.
      module Beside
        # On RSpec's reporter.
        module OfReporter
          attr_writer :gorgon_adapter

          def notify_non_example_exception(error, context)
            @gorgon_outside = [error, context]
            super
          ensure
            # Where RSpec's words could not be had.
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

        # On what makes RSpec's formatters: where the files of theirs lie.
        module OfLoader
          attr_writer :gorgon_formatters

          def add(formatter, *paths)
            paths = @gorgon_formatters.to_add(formatter, paths)
            super(formatter, *paths) if paths
          end
        end

        # On RSpec's configuration: what is warm for those who want what most want, and settings that a file of a child
        # brings after others have run, which RSpec takes only before its reporter is there.
        module OfConfiguration
          attr_writer :gorgon_formatters

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
        end

        # Before anybody has asked for RSpec's reporter.
        def self.attach(config, adapter, results, formatters)
          loader = config.formatter_loader
          [[loader, OfLoader], [loader.reporter, OfReporter], [config, OfConfiguration]].each do |object, beside|
            # To extend means something else to a configuration.
            object.singleton_class.include(beside)
          end
          loader.gorgon_formatters = config.gorgon_formatters = formatters
          loader.reporter.gorgon_adapter = adapter
          loader.reporter.register_listener(results, *Results::EVENTS)
        end
      end
    end
  end
end
