# frozen_string_literal: true

module Gorgon
  # Hides our module while the suite's code runs: no constant names it, so a project may have its own `Gorgon`. Our code
  # finds the module by lexical scope. Only a file of ours that is loaded late needs the name, while it is loaded.
  module Hidden
    NAME = :Gorgon
    OURS = Gorgon

    class << self
      def hide
        ::Object.send(:remove_const, NAME)
        @hidden = true
      end

      # Runs the block while the name means ours.
      def shown(&block)
        @hidden ? meaning(OURS, &block) : yield
      end

      # Runs the block while the name means this module; then it means what it meant before. A block that gives the
      # name to another module has the last word.
      def meaning(mod)
        before = taken
        ::Object.const_set(NAME, mod)
        yield
      ensure
        taken if ::Object.const_defined?(NAME, false) && !::Object.autoload?(NAME, false) && ::Object.const_get(NAME, false).equal?(mod)
        put(before)
      end

      # Gives the name, if nothing has it, to a module or an autoload.
      def put(before)
        return if ::Object.const_defined?(NAME, false)

        case before
        when nil then nil
        when String then ::Object.autoload(NAME, before)
        else ::Object.const_set(NAME, before)
        end
      end

      private

      # Takes the name off; returns what it meant, a module or the path of an autoload.
      def taken
        return unless ::Object.const_defined?(NAME, false)

        path = ::Object.autoload?(NAME, false)
        mod = ::Object.send(:remove_const, NAME)
        path || mod
      end
    end
  end
end
