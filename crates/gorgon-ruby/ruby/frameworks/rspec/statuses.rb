# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # The file that plain RSpec reads for its own --only-failures, where the suite asks for it by
      # example_status_persistence_file_path. RSpec merges under a lock: each child adds what it ran.
      class Statuses
        # What RSpec asks of an example; examples themselves would keep what they used.
        Example = Struct.new(:id, :execution_result)
        Result = Struct.new(:status, :run_time)

        def initialize(config, world, reporter)
          @config = config
          @world = world
          @reporter = reporter
          @examples = []
        end

        # To be called when a file has run: those that did not run keep what is known of them.
        def remember
          return unless @config.example_status_persistence_file_path

          @examples.concat(@world.all_examples.map do |example|
            result = example.execution_result
            Example.new(example.id, Result.new(result.status, result.run_time))
          end)
        end

        def write
          path = @config.example_status_persistence_file_path
          return if path.nil? || @examples.empty?

          require 'rspec/core/example_status_persister'
          ::RSpec::Core::ExampleStatusPersister.persist(@examples, path)
        rescue SystemCallError => e
          @reporter.warning("the statuses of examples could not be written to #{path}: #{e.message}")
        end
      end
    end
  end
end
