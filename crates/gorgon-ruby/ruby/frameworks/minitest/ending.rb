# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Minitest
      # What stands around all tests of a Ruby child, where a plain run has the handler of Minitest.autorun: a `run` of
      # the suite's own, the hooks of after_run, and the status at exit.
      class Ending
        # `exits` watch the files that are loaded.
        def initialize(stand_in, reporter, faults, exits)
          @stand_in = stand_in
          @reporter = reporter
          @faults = faults
          @exits = exits
          @late = Exits.new { true }
        end

        # To be called before the first test runs, as Minitest does.
        def begin
          pid = $$
          ::Kernel.at_exit { $$ == pid ? have_the_last_word : end_fork }
        end

        # Asks the `run` that the suite has put over Minitest's, if it has, whether the run passed. `words` are the
        # arguments.
        def ask(words, passed:)
          # If the suite runs Minitest from its own at_exit, that call finds that all tests have run.
          @stand_in.answer = @verdict = passed
          return unless @stand_in.overridden?

          said = @verdict = guarded('Minitest.run') { @stand_in.ask(words.dup) }
          tell('Minitest.run', nil, "Minitest.run, which the suite overrides, answers #{said.inspect}: the run did not pass") if passed && !@stand_in.passed?(said)
        end

        # The last one first, none after one that raises or exits, and none that one of them registers, as in Minitest.
        # Handlers of at_exit that they register come after Minitest's own, whose exit they may override.
        def run_hooks
          guarded('Minitest.after_run') do
            @late.holding { hooks.reverse_each(&:call) }
          end
          hooks.clear
          @over = true
        end

        def hooks
          ::Minitest.class_variable_get(:@@after_run)
        end

        private

        # In a plain run Minitest's own exit overrides what a handler of at_exit did that a test registered, and is `$!` in
        # the handlers of the suite.
        def have_the_last_word
          @late.let_go
          # A block of END of a file: in a plain run it comes before Minitest's handler, which then runs no test.
          return if @exits.failed

          Leaving.exit_with(@status || @verdict) if @over && Frameworks.minitest_asked?
        end

        # A process that a test forks ends as in Minitest 6, if the suite allows that.
        def end_fork
          return unless ::Minitest.respond_to?(:allow_fork) && ::Minitest.allow_fork

          hooks.reverse_each(&:call)
          Leaving::EXIT.call(false)
        end

        # Returns true also if the block raised or exited, since that is reported on its own.
        def guarded(what)
          yield
        rescue SystemExit => e
          return true if e.success? || Leaving.coverage?(e)

          @status = e.status
          tell(what, 'SystemExit', "#{what == 'Minitest.run' ? 'Minitest.run' : 'a hook of Minitest.after_run'} called exit, status #{e.status}")
          true
        rescue SignalException, NoMemoryError
          raise
        rescue Exception => e # rubocop:disable Lint/RescueException
          @status = 1
          @reporter.suite_hook_failed(**@faults.of(what, e))
          true
        end

        def tell(what, exception, message)
          @reporter.suite_hook_failed(what: what, exception: exception, message: message, backtrace: [])
        end
      end
    end
  end
end
