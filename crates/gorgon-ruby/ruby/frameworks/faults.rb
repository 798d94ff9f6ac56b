# frozen_string_literal: true

require_relative '../raised'

module Gorgon
  module Frameworks
    # Exceptions outside a test, as the fields of a file-level error.
    class Faults
      def initialize(places)
        @places = places
      end

      def of(what, error)
        {
          what: what, exception: Raised.name(error), message: message(error),
          backtrace: SyntaxError === error ? of_syntax(error) : @places.backtrace(Raised.backtrace(error))
        }
      end

      private

      def message(error)
        text = Raised.message(error)
        text = @places.within(text) if SyntaxError === error
        "#{Json.utf8(text)}#{Raised.caused_by(error, text) { |lines| @places.backtrace(lines) }}"
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
