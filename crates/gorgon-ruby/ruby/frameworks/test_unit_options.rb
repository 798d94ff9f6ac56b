# frozen_string_literal: true

require 'shellwords'
require 'stringio'

module Gorgon
  module Frameworks
    # The options that Test::Unit's own runner would take, as filters over its tests.
    class TestUnitOptions
      # Options that Test::Unit does not know.
      class Unknown < UnknownOption
        OF = 'Test::Unit'
      end

      # Minitest's names for what Test::Unit has under another one.
      SYNONYMS = { '--exclude' => '--ignore-name', '-e' => '--ignore-name' }.freeze

      def initialize(settings)
        args = Shellwords.split(ENV['TESTOPTS'].to_s) + Array(settings.options)
        @seed = seed(args) || settings.seed
        @args = args.map { |arg| arg.sub(/\A(--exclude|-e)(?==|\z)/) { |name| SYNONYMS[name] } }
      end

      # Words that are no options, once all is prepared.
      attr_reader :left_over

      # Returns the filters, each a callable that says false of a test to be left out.
      def prepare
        ::Kernel.srand(@seed)
        runner = ::Test::Unit::AutoRunner.new(false)
        runner.prepare
        parse(runner)
        @left_over = Array(runner.to_run)
        runner.filters
      end

      private

      # Takes the seed out, as Test::Unit has no such option.
      def seed(args)
        at = args.index { |arg| arg.match?(/\A(?:--seed|-s)(?:=|\z)/) } or return
        option = args.delete_at(at)
        Integer(option[/=(.*)/, 1] || args.delete_at(at))
      rescue ArgumentError, TypeError
        raise Unknown, "invalid argument: #{option}"
      end

      # Test::Unit prints what is wrong and exits.
      def parse(runner)
        stdout = $stdout
        $stdout = StringIO.new
        runner.process_args(@args)
      rescue SystemExit, OptionParser::ParseError => e
        said = $stdout.string.strip
        raise Unknown, said.empty? ? e.message : said[/\A.*/].strip
      ensure
        $stdout = stdout
      end
    end
  end
end
