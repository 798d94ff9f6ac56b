# frozen_string_literal: true

require 'shellwords'
require 'stringio'

module Gorgon
  module Frameworks
    # What Minitest.run does before it runs suites: plugins, options, seed; once a process.
    class MinitestOptions
      # Options that Minitest does not know.
      class Unknown < StandardError; end

      def initialize(settings)
        @args = ['--seed', settings.seed.to_s] + Shellwords.split(ENV['TESTOPTS'].to_s) + Array(settings.options)
      end

      # Words that are no options, once all is prepared.
      def left_over
        @args
      end

      # Returns the options with which suites run. Plugins may replace the reporters, print when
      # they are made and set the filter of backtraces; of the reporters none is kept.
      def prepare
        with_plugins = !@args.delete('--no-plugins') && !ENV['MT_NO_PLUGINS']
        ::Minitest.load_plugins if with_plugins && version < 6
        options = parse
        options[:io] = File.open(File::NULL, 'w')
        ::Minitest.seed = options[:seed]
        srand(::Minitest.seed)
        init_plugins(options)
        options
      end

      private

      def version
        ::Minitest::VERSION.to_i
      end

      # Minitest prints what is wrong and exits.
      def parse
        stdout = $stdout
        $stdout = StringIO.new
        ::Minitest.process_args(@args)
      rescue SystemExit, OptionParser::ParseError => e
        said = $stdout.string.strip
        raise Unknown, said.empty? ? e.message : said.lines.first.strip
      ensure
        $stdout = stdout
      end

      def init_plugins(options)
        ::Minitest.reporter = ::Minitest::CompositeReporter.new(
          ::Minitest::SummaryReporter.new(options[:io], options),
          ::Minitest::ProgressReporter.new(options[:io], options)
        )
        ::Minitest.init_plugins(options)
      ensure
        ::Minitest.reporter = nil
      end
    end
  end
end
