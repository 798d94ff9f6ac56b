# frozen_string_literal: true

require_relative 'protocol'
require_relative 'refused'

module Gorgon
  # What is told of an exception. It is a stranger's object: whatever is asked of it may raise in
  # turn, or answer with something that is no text; that must cost its words, never a result.
  module Raised
    # What ends the process whoever is asked.
    PASSED_UP = [NoMemoryError, SignalException, SystemExit, Refused].freeze
    CLASS_OF = ::Kernel.instance_method(:class)
    NAME_OF = ::Module.instance_method(:name)
    BACKTRACE_OF = ::Exception.instance_method(:backtrace)
    CAUSE_OF = ::Exception.instance_method(:cause)
    # What RSpec calls it.
    ANONYMOUS = '(anonymous error class)'
    # Maximum number of causes that are shown of one exception.
    MOST_CAUSES = 10
    # Maximum number of lines of a cause's backtrace that are shown.
    CAUSE_LINES = 5

    class << self
      def class_text(error)
        name = guarded(-> { NAME_OF.bind(CLASS_OF.bind(error).call).call.to_s }) { text(error.class.name) }
        name.empty? ? ANONYMOUS : name
      end

      def message(error)
        guarded(->(raised) { "(its message raised #{class_text(raised)})" }) { text(error.message) }
      end

      # Its lines; what is none is left out.
      def backtrace(error)
        lines = guarded(-> { BACKTRACE_OF.bind(error).call }) { error.backtrace }
        [lines].flatten.grep(String)
      end

      # The exceptions that led to this one, the nearest first.
      def causes(error)
        found = [error]
        while found.size <= MOST_CAUSES
          cause = guarded(-> {}) { CAUSE_OF.bind(found.last).call }
          break if cause.nil? || found.any? { |known| known.equal?(cause) }

          found << cause
        end
        found.drop(1)
      end

      # The text about the causes of an exception, to stand below `shown`, its own text; '' where there are none.
      # A cause that `shown` already quotes is left out. The block cleans a backtrace, so that it can be shown.
      def caused_by(error, shown = '')
        shown = Json.utf8(shown)
        texts = causes(error).map { |cause| [Json.utf8(class_text(cause)), Json.utf8(message(cause)), cause] }
        texts.reject { |class_name, said, _| shown.include?(class_name) && shown.include?(said) }.map do |class_name, said, cause|
          lines = yield(backtrace(cause)).first(CAUSE_LINES).map { |line| "    #{Json.utf8(line)}" }
          ["\n\nCaused by:\n#{class_name}: #{said}", *lines].join("\n")
        end.join
      end

      # What the block gives; where that raises, what the first argument makes of it.
      def guarded(otherwise)
        yield
      rescue *PASSED_UP
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException
        otherwise.arity.zero? ? otherwise.call : otherwise.call(e)
      end

      private

      # A String, whatever to_s gives.
      def text(object)
        "#{object}"
      end
    end
  end
end
