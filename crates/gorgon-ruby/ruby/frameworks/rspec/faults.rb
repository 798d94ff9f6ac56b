# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # Exceptions outside of examples, as the fields of a file-level error, in RSpec's own words.
      class Faults < Frameworks::Faults
        def initialize(config, results, places)
          super(places)
          @config = config
          @results = results
        end

        # What RSpec says of an exception, text: nil where it says nothing.
        def outside(error, context, text)
          fault = { what: what(context), exception: Raised.class_text(error), backtrace: @results.backtrace(error) }
          return of(fault[:what], error) if text.nil? || error.is_a?(::SyntaxError)

          # The text begins with the context. Then may come names of similar files ("Did you mean?") and empty lines.
          lines = Json.utf8(text).lines(chomp: true).drop_while(&:empty?)
          Json.utf8(context).each_line(chomp: true) { |line| lines.shift if lines.first == line }
          lines = lines.drop_while(&:empty?)
          fault.merge(message: @results.without_backtrace(lines, error).join("\n"))
        end

        # What is no exception.
        def told(what, message)
          { what: what, exception: nil, message: message, backtrace: [] }
        end

        private

        # `before(:suite)`, `after(:all)`, `load`: out of a sentence like "An error occurred in an
        # `after(:context)` hook."
        def what(context)
          hook = context[/(?:before|after)\(:\w+\)/]
          return hook.sub('context', 'all') if hook

          context.match?(/\bloading\b/i) ? 'load' : context[/\A.*/].strip
        end
      end
    end
  end
end
