# frozen_string_literal: true

require_relative 'system'

module Gorgon
  # What a test sees as `$0`, and as `DATA`: what they would be with the project's own command, `rspec`, `rake test` or
  # `ruby FILE`. Only with the last one a file is the program, and has data.
  module Program
    # As long as the words of our own command line: a longer title would be written over the environment, by which
    # processes of a job are found.
    MOST_BYTES = 1000
    COMPARED = /(?:__FILE__\s*==\s*\$(?:0|PROGRAM_NAME)\b|\$(?:0|PROGRAM_NAME)\s*==\s*__FILE__)/.freeze
    OWN_RUNNER = /\bTestRunner\b|\bAutoRunner\s*\.\s*run\b|\bMini[tT]est(?:::Unit)?\s*\.\s*(?:run|new)\b/.freeze
    # `$0` under `rake test`.
    LOADER = 'rake_test_loader.rb'
    END_WORD = '__END__'
    # Where the code of a file ends, and its data begin.
    END_OF_CODE = /^__END__\r?$/.freeze
    # What a file of RSpec asks for that is made for `ruby FILE`: only there does it have data.
    AUTORUN = %r{\brspec/autorun\b}.freeze

    # Where the command of RSpec begins its run.
    RUN = /\bRunner\s*\.\s*(?:invoke|autorun)\b|\bload\b/.freeze

    class << self
      # The path of RSpec's command, and the line that runs it.
      def of_rspec
        lines = text(rspec).force_encoding(::Encoding::UTF_8).scrub.lines
        [rspec, (lines.rindex { |line| line.match?(RUN) } || 0) + 1]
      end

      # The text of a file up to its data, with the line that ends it; nil where it has none. That line may stand in a
      # heredoc, which what comes before it then leaves open.
      def code(text)
        at = 0
        while (found = END_OF_CODE.match(text, at))
          at = found.end(0)
          return text.byteslice(0, at + 1) if whole?(text.byteslice(0, found.begin(0)))
        end
      end

      # The block may have the text of the file at hand. `program`: what a task of the Rakefile starts.
      def take(framework, path, root, program = nil)
        file = File.expand_path(path, root)
        text = yield(file) || text(file)
        program = nil if framework == 'rspec'
        has_data = program.nil? && text.include?(END_WORD) && data?(framework, text)
        data(path, file, has_data ? Program.code(text) : nil)
        name = framework == 'rspec' ? rspec : program || of(file, text)
        # What the suite has made of it stays, as in a plain run of all files.
        return if name.bytesize > MOST_BYTES || (@given && $0 != @given)

        $0 = name unless $0 == name
        @given = name
        title = "#{name} #{path}"
        ::Process.setproctitle(title) if framework == 'rspec' && title.bytesize <= MOST_BYTES
      end

      private

      def rspec
        @rspec ||= ENV['PATH'].to_s.split(':').map { |directory| "#{directory}/rspec" }.find { |path| File.executable?(path) } || 'rspec'
      end

      def text(file)
        File.file?(file) ? File.binread(file) : ''
      rescue SystemCallError
        '' # To load it tells.
      end

      def data?(framework, text)
        framework != 'rspec' || text.match?(AUTORUN)
      end

      # Ruby's constant for what stands after `__END__` in the program; each file is one. `code` is what stands before.
      def data(path, file, code)
        ::Object.send(:remove_const, :DATA) if @data && ::Object.const_defined?(:DATA) && ::Object.const_get(:DATA).equal?(@data)
        @data = nil
        return unless code

        @data = File.open(File.expand_path(path) == file ? path : file)
        @data.seek(code.bytesize)
        @data.lineno = code.count("\n")
        ::Object.const_set(:DATA, @data)
      end

      # Whether this code is complete: then the `__END__` after it is a real one, not a line of a heredoc. If Ruby cannot
      # tell, it counts as real, as it mostly is.
      def whole?(code)
        verbose, $VERBOSE = $VERBOSE, nil
        code = code.dup.force_encoding(::Encoding::UTF_8)
        ::RubyVM::InstructionSequence.compile(code) if defined?(::RubyVM::InstructionSequence) && code.valid_encoding?
        true
      rescue SyntaxError
        false
      ensure
        $VERBOSE = verbose
      end

      # A file that runs its tests by itself where it is the program would run them twice.
      def of(file, text)
        text.match?(COMPARED) && text.match?(OWN_RUNNER) ? LOADER : file
      end
    end
  end
end
