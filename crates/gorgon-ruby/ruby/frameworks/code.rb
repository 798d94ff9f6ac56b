# frozen_string_literal: true

module Gorgon
  module Frameworks
    # The code of a file that runs while the file is loaded, as Ruby parses it. Strings, bodies of methods and blocks of
    # tests are left out: they say nothing about the file's framework.
    class Code
      PARSER = defined?(::RubyVM::AbstractSyntaxTree) ? ::RubyVM::AbstractSyntaxTree : nil
      # Blocks that run at once.
      GROUPS = %i[describe context xdescribe fdescribe feature sub_test_case class_eval module_eval instance_eval tap each].freeze
      # Branches: each may be the one that runs.
      INNER = %i[SCOPE BLOCK IF UNLESS BEGIN RESCUE RESBODY ENSURE CASE WHEN MODULE CLASS SCLASS].freeze

      # nil where it cannot be read.
      def self.read(text)
        verbose, $VERBOSE = $VERBOSE, nil
        PARSER && new(PARSER.parse(text.dup.force_encoding(::Encoding::UTF_8)))
      rescue SyntaxError, StandardError
        nil
      ensure
        $VERBOSE = verbose
      end

      # Lines like those that the file might have had: `class X < Y`, `require 'z'`, `RSpec.describe`.
      attr_reader :lines

      def initialize(root)
        @lines = []
        walk(root)
      end

      private

      def walk(node)
        return unless PARSER::Node === node

        case node.type
        when :CLASS then see_class(node)
        when :FCALL then see_call(node.children)
        when :CALL then see_message(node.children)
        when :ITER then see_block(node.children)
        end
        node.children.each { |child| walk(child) } if INNER.include?(node.type)
      end

      def see_class(node)
        name = constant(node.children[1])
        @lines << "class X < #{name}" if name
      end

      def see_call((name, arguments))
        return unless %i[require gem require_relative load].include?(name)

        word = string(PARSER::Node === arguments ? arguments.children.first : nil)
        @lines << "#{name} '#{word}'" if word
      end

      def see_message((receiver, name, arguments))
        constant = constant(receiver)
        @lines << "#{constant}.#{name}" if constant
        # Class.new(Minitest::Test)
        above = constant(PARSER::Node === arguments ? arguments.children.first : nil)
        @lines << "class X < #{above}" if constant == 'Class' && name == :new && above
      end

      def see_block((call, body))
        walk(call)
        return unless PARSER::Node === call

        name = call.children[call.type == :FCALL ? 0 : 1]
        walk(body) if GROUPS.include?(name)
      end

      def constant(node)
        return nil unless PARSER::Node === node

        case node.type
        when :CONST, :COLON3 then node.children.last.to_s
        when :COLON2 then [constant(node.children.first), node.children.last].compact.join('::')
        end
      end

      def string(node)
        node.children.first.to_s if PARSER::Node === node && node.type == :STR
      end
    end
  end
end
