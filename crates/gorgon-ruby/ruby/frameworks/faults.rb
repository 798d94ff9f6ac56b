# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Exceptions outside a test, as the fields of a file-level error.
    class Faults
      def initialize(places)
        @places = places
      end

      def of(what, error)
        {
          what: what, exception: error.class.name, message: message(error),
          backtrace: error.is_a?(SyntaxError) ? of_syntax(error) : @places.backtrace(error.backtrace)
        }
      end

      private

      def message(error)
        text = error.message.to_s
        error.is_a?(SyntaxError) ? @places.within(text) : text
      rescue StandardError => e
        "(its message raised #{e.class})"
      end

      # A syntax error's place stands in its message only.
      def of_syntax(error)
        place = message(error)[/\A(?:--> )?(\S.*?:\d+):/, 1]
        lines = @places.backtrace(error.backtrace)
        place ? [place] | lines : lines
      end
    end
  end
end
