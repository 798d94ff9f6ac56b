# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Replaces the method by which a framework runs all tests (Minitest.run, Test::Unit::AutoRunner.run), as soon as the
    # framework defines it. So a suite that overrides the method overrides ours. If a file calls it while it is loaded,
    # its tests run afterwards. If the suite has overridden it, that method is asked for its verdict at the end.
    class StandIn
      # Whether a file called it while it was loaded.
      attr_reader :asked

      # Puts our method in place of the framework's own, if it is there yet: a file of the project may open the module
      # before.
      def put(mod, name = :run)
        return if @own || !mod.respond_to?(name)

        stand_in = self
        original = mod.method(name).unbind
        quietly do
          mod.define_singleton_method(name) { |*arguments, &block| stand_in.instead { original.bind(self).call(*arguments, &block) } }
        end
        @mod = mod
        @name = name
        @own = mod.method(name)
      end

      # Runs the block, which loads a file.
      def while_loading
        @asked = false
        @loading = true
        yield
      ensure
        @loading = false
      end

      # Whether the suite has put a method of its own over it.
      def overridden?
        !@own.nil? && @mod.method(@name) != @own
      end

      # All tests have run: what the method answers from now on.
      def answer=(passed)
        @over = true
        @passed = passed
      end

      # The verdict of the suite's own method.
      def ask(*arguments)
        @mod.public_send(@name, *arguments)
      end

      # Whether that verdict passes the run: the framework makes it the exit status.
      def passed?(verdict)
        verdict == true || verdict == 0 # rubocop:disable Style/NumericPredicate
      end

      # What our method does. The block calls the framework's own.
      def instead
        return @passed if @over
        return yield unless @loading

        @asked = true
      end

      private

      def quietly
        verbose, $VERBOSE = $VERBOSE, nil
        yield
      ensure
        $VERBOSE = verbose
      end
    end
  end
end
