# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # What fails a file, or the end of the suite, besides its examples.
      module Judgement
        private

        # A file whose examples did not all end has not passed, whatever those say that did; nor has one of which a group
        # did not pass, whose examples may have; nor one for whose groups RSpec's runner, as the suite has it, gives a
        # status.
        def judge_file(passed, status)
          return if @told

          missing = @results.missing - tell_left_out
          if missing.positive?
            why = @world.wants_to_quit ? 'RSpec was told to quit (wants_to_quit)' : 'RSpec ended early'
            tell(@faults.told('quit', "#{why}: #{missing} of #{@results.expected} examples did not run"))
          elsif @world.wants_to_quit && files_to_come?
            tell(@faults.told('quit', 'the last example of the file had RSpec quit (wants_to_quit): rspec runs no file after it, and fails'))
          elsif @world.non_example_failure
            tell(@faults.told('run', 'RSpec was told of a failure outside of examples (non_example_failure)'))
          elsif !passed && !@results.failed?
            tell(@faults.told('run', 'a group of the file says that it did not pass (ExampleGroup.run), and no example that it failed'))
          elsif passed && status != 0
            tell(@faults.told('run', "rspec exits with #{status}, which RSpec::Core::Runner#run_specs gave for the groups of the file"))
          end
        end

        # Whether a plain run of the job would have had other groups to run after those of this file.
        def files_to_come?
          @files.any? { |file| file != @file && (@orderings.random? || file > @file) }
        end

        # What an ordering leaves out does not run plainly either. A part would leave out others than the whole file.
        def tell_left_out
          left = @orderings.left_out(@results)
          return left if left.zero?

          @reporter.indivisible
          examples = left == 1 ? '1 example' : "#{left} examples"
          @reporter.warning("#{examples} of #{@places.relative(@file)} did not run: an ordering of the suite (register_ordering) leaves them out")
          left
        end

        # Everything that can change RSpec's exit status is asked here.
        def judge_end
          status = @runner.exit_code(@passed && !@failed)
          @verdict = status unless status == 0
          return if status == 0 || @told || @failed || !@passed

          tell(@faults.told('end of RSpec', "rspec exits with #{status}"))
        end
      end
    end
  end
end
