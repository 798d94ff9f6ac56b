# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Where a framework's own reporter prints, in place of STDOUT: nowhere, as its signs would stand among what the tests
    # print. But where STDOUT is no longer what the child was given (a test has closed it, pointed it elsewhere, or put
    # methods of its own over those of IO) the framework prints there, as in a plain run, and what that raises ends the run.
    class Printing
      # What reporters call.
      NAMES = %i[print puts write << printf putc flush tty? isatty sync sync=].freeze
      # Of these, those by which the others print.
      TELLING = %i[print puts write flush tty? sync=].freeze
      # Taken at load: tests replace them.
      OUT = STDOUT
      STAT = ::IO.instance_method(:stat)
      CLOSED = ::IO.instance_method(:closed?)
      FIND = ::Kernel.instance_method(:method)
      private_constant :OUT, :STAT, :CLOSED, :FIND

      class << self
        # What it raised last. A child in which it has raised is given no other file: each would find the same.
        attr_accessor :raised

        # What is to be said of an exception besides its message: ''.
        def about(error)
          error.equal?(raised) ? ' (the framework prints its results to STDOUT, which a test has closed or changed: a plain run ends here)' : ''
        end
      end

      # To be made while STDOUT is as the child was given it.
      def initialize
        @given = STAT.bind_call(OUT)
      end

      # Returns the IO, which goes nowhere, so changed that it stands for the stream: STDOUT, or what a helper has put in
      # its place.
      def stand_for(stream, nowhere)
        printing = self
        NAMES.each do |name|
          nowhere.define_singleton_method(name) do |*texts|
            printing.untouched?(stream) ? super(*texts) : printing.pass(stream, name, texts)
          end
        end
        nowhere
      end

      # Prints to STDOUT if that was changed.
      def print_if_changed(*calls)
        calls.each { |name, *texts| pass(OUT, name, texts) } unless untouched?(OUT)
      end

      def untouched?(stream)
        return false if !stream.equal?(OUT) || CLOSED.bind_call(OUT)

        now = STAT.bind_call(stream)
        now.ino == @given.ino && now.dev == @given.dev && TELLING.all? { |name| rubys?(FIND.bind_call(stream, name)) }
      rescue ::NameError
        false # A test has undefined the method.
      end

      def pass(stream, name, texts)
        stream.public_send(name, *texts)
      rescue ::Exception => e # rubocop:disable Lint/RescueException
        Printing.raised = e
        raise
      end

      private

      def rubys?(method)
        method.owner.equal?(::IO) && method.source_location.nil?
      end
    end
  end
end
