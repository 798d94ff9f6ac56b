# frozen_string_literal: true

require_relative '../words'

module Gorgon
  module Frameworks
    # Test::Unit's own runner, with the options that it would take in a plain run.
    class TestUnitOptions
      # Options that Test::Unit does not know.
      class Unknown < UnknownOption
        OF = 'Test::Unit'
      end

      # Minitest's names for what Test::Unit has under another one.
      SYNONYMS = { '--exclude' => '--ignore-name', '-e' => '--ignore-name' }.freeze
      # Not passed on: the processes of `--parallel=process` would load the files of a plain run.
      PARALLEL = /\A--parallel=p/.freeze

      def initialize(settings, reporter)
        @reporter = reporter
        words = split(ENV['TESTOPTS'].to_s) + Array(settings.options)
        @seed = seed(words)
        @ignored = words.select { |word| PARALLEL.match?(word) }
        @words = (words - @ignored).map { |word| word.sub(/\A(--exclude|-e)(?==|\z)/) { |name| SYNONYMS[name] } }
        @prepared = []
        @extended = []
      end

      # A helper may read them, as it may in a plain run.
      def offer
        ::ARGV.replace(@words)
      end

      # The runner, prepared: once, and again for what a later file brings. Test::Unit takes its
      # options when all is loaded.
      def runner
        first = @runner.nil?
        @runner ||= ::Test::Unit::AutoRunner.new(false)
        ::Kernel.srand(@seed) if first && @seed
        prepare
        parse(first)
        ignore if first
        @runner
      end

      # The filters, as they are written in a command.
      def filters
        @words.empty? ? 'the configuration of Test::Unit' : @words.join(' ')
      end

      # Whether the runner prints to STDOUT in a plain run.
      def prints?
        @prints = to_stdout? if @prints.nil?
        @prints
      end

      # Runs a suite; whether it passed is for the project's runner to say. Test::Unit adds to the
      # listeners whenever it runs, and wants no run at exit any more.
      def run(suite, listener)
        at_exit = ::Test::Unit::AutoRunner.need_auto_run?
        before = @runner.runner_options[:listeners]
        @runner.runner_options[:listeners] = [listener, *before]
        # Our listener reports what its console runner would print.
        @runner.runner_options[:output_level] = ::Test::Unit::UI::Console::OutputLevel::SILENT
        # Else it asks STDOUT for each file, which it does once in a plain run.
        @runner.runner_options[:use_color] = false if @runner.runner_options[:use_color].nil?
        @runner.stop_on_failure = false
        @runner.collector = ->(_) { suite }
        @runner.run
      ensure
        @runner.runner_options[:listeners] = before
        ::Test::Unit::AutoRunner.need_auto_run = at_exit
      end

      private

      def to_stdout?
        output, level = @runner.runner_options.values_at(:output, :output_level)
        (output.nil? || output.equal?(STDOUT)) && level != ::Test::Unit::UI::Console::OutputLevel::SILENT
      end

      def split(line)
        Words.split(line)
      rescue ArgumentError => e
        raise Unknown, "TESTOPTS: #{e.message}"
      end

      # Takes the seed out, as Test::Unit has no such option.
      def seed(words)
        at = words.index { |word| word.match?(/\A(?:--seed|-s)(?:=|\z)/) } or return
        option = words.delete_at(at)
        Integer(option[/=(.*)/, 1] || words.delete_at(at))
      rescue ArgumentError, TypeError
        raise Unknown, "invalid argument: #{option}"
      end

      def prepare
        fresh = ::Test::Unit::AutoRunner::PREPARE_HOOKS - @prepared
        @prepared += fresh
        fresh.each { |hook| hook.call(@runner) }
      end

      # Test::Unit prints what is wrong and exits.
      def parse(first)
        fresh = ::Test::Unit::AutoRunner::ADDITIONAL_OPTIONS - @extended
        return if fresh.empty? && !first

        @extended += fresh
        reader, $stdout, stdout = *IO.pipe, $stdout
        begin
          first ? parse_first : parse_again(fresh)
        rescue SystemExit, OptionParser::ParseError => e
          $stdout.close
          said = reader.read.strip
          raise Unknown, said.empty? ? e.message : said[/\A.*/].strip
        end
      ensure
        [reader, $stdout].each(&:close) if reader
        $stdout = stdout if reader
      end

      # Words that are no options stay in ARGV, where tests may look for them.
      def parse_first
        @runner.process_args(::ARGV)
      end

      def parse_again(fresh)
        fresh.each { |builder| builder.call(@runner, @runner.options) }
        @runner.process_args(@words.dup)
      end

      def ignore
        files = Array(@runner.to_run)
        @reporter.warning(Frameworks.no_options('Test::Unit', files)) if files.any?
        @ignored.each { |word| @reporter.warning("#{word} of Test::Unit is ignored: files run in parallel") }
        return unless @runner.respond_to?(:stop_on_failure?) && @runner.stop_on_failure?

        @reporter.warning('--stop-on-failure of Test::Unit is ignored: use --fail-fast of gorgon-originator')
      end
    end
  end
end
