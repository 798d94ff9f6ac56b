# frozen_string_literal: true

module Gorgon
  # What is told of an exception. It is a stranger's object: whatever is asked of it may raise in
  # turn, or answer with something that is no text; that must cost its words, never a result.
  module Raised
    # What ends the process whoever is asked.
    PASSED_UP = [NoMemoryError, SignalException, SystemExit].freeze
    CLASS_OF = ::Kernel.instance_method(:class)
    NAME_OF = ::Module.instance_method(:name)
    BACKTRACE_OF = ::Exception.instance_method(:backtrace)

    class << self
      def name(error)
        guarded(-> { NAME_OF.bind(CLASS_OF.bind(error).call).call.to_s }) { text(error.class.name) }
      end

      def message(error)
        guarded(->(raised) { "(its message raised #{name(raised)})" }) { text(error.message) }
      end

      # Its lines; what is none is left out.
      def backtrace(error)
        lines = guarded(-> { BACKTRACE_OF.bind(error).call }) { error.backtrace }
        [lines].flatten.grep(String)
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
