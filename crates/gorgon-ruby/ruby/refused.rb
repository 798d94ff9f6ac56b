# frozen_string_literal: true

module Gorgon
  # No file can run in this process: told once, not of each file. `what` names what stands in the way.
  class Refused < StandardError
    attr_reader :what

    def initialize(what, message)
      @what = what
      super(message)
    end
  end
end
