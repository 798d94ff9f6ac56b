# frozen_string_literal: true

require_relative '../lines'

module Gorgon
  module Frameworks
    class Minitest
      # A test method of a class. Two of them are never equal.
      class Test
        attr_reader :klass, :method_name, :id, :name, :file, :line, :group

        def initialize(klass, method_name, id, name, file, line, group)
          @klass = klass
          @method_name = method_name
          @id = id
          @name = name
          @file = file
          @line = line
          @group = group
        end

        # The line where it ends.
        def last
          Lines.last(klass.instance_method(method_name), line)
        end
      end
    end
  end
end
