# frozen_string_literal: true

require 'ripper'

module Gorgon
  # The suite's own block of SimpleCov.at_exit, which often judges the coverage. It stands in a helper that is not loaded
  # here, so it is read out of its file. It runs with the merged result; whatever else it needs has to stand in `.simplecov`.
  module AtExit
    OPENING = { on_lbrace: '{', on_kw: 'do' }.freeze
    CLOSING = { 'do' => [:on_kw, 'end'], '{' => [:on_rbrace, '}'] }.freeze
    ALONE = 'cannot run outside of its file, move it to .simplecov'
    RAISED = 'raised an exception (if it needs something of its file, move it to .simplecov)'

    class << self
      # Each block begins at a line of a file; two helpers may have one each.
      def set(places, root)
        blocks = places.map { |file, line| ["#{file}:#{line}", read(File.expand_path(file, root), line)] }
        SimpleCov.at_exit { blocks.each { |place, block| call(place, block) } }
      end

      private

      # In a block of `SimpleCov.start` or `configure` the methods of SimpleCov have no receiver. If it cannot run, the
      # coverage is not judged, so the run may not pass. Nor may it if the block raises to judge it.
      def call(place, block)
        return fail_run(place, ALONE, 'its text is not found there') unless block

        SimpleCov.instance_exec(&block)
      rescue NameError, ScriptError => e
        # The other lines are the place in the source.
        fail_run(place, ALONE, "#{e.class}: #{e.message.lines.first.to_s.chomp}")
      rescue StandardError => e
        fail_run(place, RAISED, "#{e.class}: #{e.message}")
      end

      def fail_run(place, what, why)
        warn "coverage: the block of SimpleCov.at_exit in #{place} #{what}: #{why}"
        exit 1
      end

      def read(path, line)
        text = text(File.read(path), line) or return
        eval("proc {#{text}\n}", TOPLEVEL_BINDING, path, line) # rubocop:disable Security/Eval
      rescue SystemCallError, SyntaxError
        nil
      end

      # The text inside the block: up to the first word that may close it and leaves Ruby that can be parsed.
      def text(source, line)
        tokens = Ripper.lex(source)
        first = opening(tokens, line) or return
        kind, word = CLOSING.fetch(tokens[first][2])
        inner = tokens.drop(first + 1)
        inner.each_index.lazy.select { |index| inner[index][1] == kind && inner[index][2] == word }
             .map { |index| inner.first(index).map { |token| token[2] }.join }
             .find { |text| Ripper.sexp("proc {#{text}\n}") }
      end

      def opening(tokens, line)
        here, above = [:==, :<].map { |where| tokens.each_index.select { |at| at_exit?(tokens[at]) && tokens[at][0][0].public_send(where, line) } }
        call = here.first || above.last or return
        (call + 1...tokens.size).find { |at| tokens[at][0][0] == line && OPENING[tokens[at][1]] == tokens[at][2] }
      end

      def at_exit?(token)
        token[1] == :on_ident && token[2] == 'at_exit'
      end
    end
  end
end
