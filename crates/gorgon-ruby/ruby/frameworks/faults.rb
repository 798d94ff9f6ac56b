# frozen_string_literal: true

require_relative '../raised'
require_relative 'printing'

module Gorgon
  module Frameworks
    # Exceptions outside a test, as the fields of a file-level error.
    class Faults
      # Maximum number of tests that are named where many did not run.
      MOST_NAMED = 5

      # The first of some names, for a message.
      def self.first_names(names)
        names.first(MOST_NAMED).join(', ') + (names.size > MOST_NAMED ? ', …' : '')
      end

      def initialize(places)
        @places = places
      end

      def of(what, error)
        {
          what: what, exception: Raised.class_text(error), message: message(error),
          backtrace: SyntaxError === error ? of_syntax(error) : @places.backtrace(Raised.backtrace(error))
        }
      end

      # The fault of a handler of at_exit that exits, and that a plain run calls before the tests.
      def before_tests(error)
        return of('at_exit', error) unless SystemExit === error

        said = Json.utf8(Raised.message(error))
        said = %w[exit SystemExit].include?(said) ? '' : " (#{said})"
        { what: 'at_exit', exception: 'SystemExit', backtrace: @places.backtrace(Raised.backtrace(error)),
          message: "a handler of at_exit, which a plain run calls before the tests, called exit, status #{error.status}#{said}: no test runs" }
      end

      # The fault of a file that calls `exit` while it is loaded: its framework runs no test at exit then.
      def exited(error, names)
        tests = names.size == 1 ? '1 test' : "#{names.size} tests"
        { what: 'exit', exception: 'SystemExit', backtrace: @places.backtrace(Raised.backtrace(error)),
          message: "the file called exit while it was loaded, and a plain run ends there, with status 0: " \
                   "#{tests} of it did not run (#{Faults.first_names(names)})" }
      end

      # The fault of a file that shares tests with an earlier file, which ran them: it is loaded once more in a fresh
      # process.
      def had_their_turn(names)
        { what: 'load', exception: nil, backtrace: [],
          message: "a file before has a class of this name, and ran with it #{Faults.first_names(names)}" }
      end

      # The fault of tests that were defined after the last file had run.
      def too_late(names)
        { what: 'tests that did not run', exception: nil, backtrace: [],
          message: "#{names.size == 1 ? '1 test was' : "#{names.size} tests were"} defined when the process was about to end, " \
                   "by END or a handler of at_exit, and did not run: #{Faults.first_names(names)}" }
      end

      private

      def message(error)
        text = Raised.message(error)
        text = @places.within(text) if SyntaxError === error
        "#{Json.utf8(text)}#{Printing.about(error)}#{Raised.caused_by(error, text) { |lines| @places.backtrace(lines) }}"
      end

      # A syntax error's place stands in its message only.
      def of_syntax(error)
        place = message(error)[/\A(?:--> )?(\S.*?:\d+):/, 1]
        lines = @places.backtrace(Raised.backtrace(error))
        place ? [place] | lines : lines
      end
    end
  end
end
