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
    NOT_JUDGED = 'coverage: that block judges nothing, and fails no run, as gorgon.json does not ask for coverage'

    # Global variables that the file sets.
    class Unset < StandardError; end

    # A result that knows whether its report is written.
    module Written
      attr_reader :written

      def format!
        @written = true
        super
      end
    end

    class << self
      # Each block begins at a line of a file; two helpers may have one each. If the user asked for coverage (`asked`), a
      # block that cannot run fails the run.
      def set(places, root, asked:)
        @asked = asked
        blocks = places.map { |file, line| ["#{file}:#{line}", read(File.expand_path(file, root), line)] }
        SimpleCov.at_exit do
          SimpleCov.result.extend(Written)
          blocks.each { |place, block| call(place, block) }
        end
      end

      private

      # In a block of `SimpleCov.start` or `configure` the methods of SimpleCov have no receiver. If it cannot run, the
      # coverage is not judged, so a run that is to be judged may not pass. Nor may any if the block raises to judge it,
      # which is `raise 'too little'`: other exceptions may be about what the block misses of its file.
      def call(place, block)
        return cannot_judge(place, ALONE, 'its text is not found there') unless block

        SimpleCov.instance_exec(&block)
      rescue NameError, ScriptError, Unset => e
        # The other lines are the place in the source.
        cannot_judge(place, ALONE, "#{e.class}: #{e.message.lines.first.to_s.chomp}")
      rescue StandardError => e
        cannot_judge(place, RAISED, "#{e.class}: #{e.message}", asked: @asked || e.instance_of?(RuntimeError))
      end

      def cannot_judge(place, what, why, asked: @asked)
        warn "coverage: the block of SimpleCov.at_exit in #{place} #{what}: #{why}"
        exit 1 if asked
        warn NOT_JUDGED
        # What SimpleCov does without such a block.
        SimpleCov.result.format! unless SimpleCov.result.written
      end

      def read(path, line)
        text = text(File.read(path), line) or return
        unset = unset(text)
        return -> { raise Unset, "#{unset.join(', ')} not set" } if unset.any?

        eval("proc {#{text}\n}", TOPLEVEL_BINDING, path, line) # rubocop:disable Security/Eval
      rescue SystemCallError, SyntaxError
        nil
      end

      # Global variables that the block reads and does not set. Here they would be nil, so the block would judge otherwise.
      def unset(text)
        names = Ripper.lex(text).select { |token| token[1] == :on_gvar }.map { |token| token[2] }.uniq
        names.reject { |name| global_variables.include?(name.to_sym) || text.match?(/#{Regexp.escape(name)}\s*(?:\|\|)?=[^=~]/) }
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
