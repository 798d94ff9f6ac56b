# frozen_string_literal: true

require 'shellwords'
require 'stringio'

module Gorgon
  module Frameworks
    # What Minitest.run does before it runs suites: plugins, options, seed; once a process, and once
    # more for the plugins that a later file brings.
    class MinitestOptions
      # Options that Minitest does not know.
      class Unknown < UnknownOption
        OF = 'Minitest'
      end

      def initialize(settings)
        @args = ['--seed', settings.seed.to_s] + Shellwords.split(ENV['TESTOPTS'].to_s) + Array(settings.options)
        @plugins = []
      end

      # Words that are no options, once all is prepared.
      attr_reader :left_over

      # Returns the options with which suites run. Plugins may replace the reporters, print when
      # they are made and set the filter of backtraces; of the reporters none is kept.
      def prepare
        load_plugins unless @loaded
        options = parse
        options[:io] = File.open(File::NULL, 'w')
        ::Minitest.seed = options[:seed]
        ::Kernel.srand(::Minitest.seed) unless @loaded
        @loaded = true
        init_plugins(options)
        options
      end

      # Whether there is no plugin that it does not know.
      def complete?
        @loaded && (::Minitest.extensions - @plugins).empty?
      end

      private

      def load_plugins
        with_plugins = !@args.delete('--no-plugins') && !ENV['MT_NO_PLUGINS']
        ::Minitest.load_plugins if with_plugins && version < 6
      end

      def version
        ::Minitest::VERSION.to_i
      end

      # Minitest prints what is wrong and exits.
      def parse
        stdout = $stdout
        $stdout = StringIO.new
        @left_over = @args.dup
        ::Minitest.process_args(@left_over)
      rescue SystemExit, OptionParser::ParseError => e
        said = $stdout.string.strip
        raise Unknown, said.empty? ? e.message : said[/\A.*/].strip
      ensure
        $stdout = stdout
      end

      def init_plugins(options)
        all = ::Minitest.extensions
        ::Minitest.reporter = ::Minitest::CompositeReporter.new(
          ::Minitest::SummaryReporter.new(options[:io], options),
          ::Minitest::ProgressReporter.new(options[:io], options)
        )
        ::Minitest.extensions = all - @plugins
        @plugins |= all
        ::Minitest.init_plugins(options)
      ensure
        ::Minitest.extensions = all | ::Minitest.extensions
        ::Minitest.reporter = nil
      end
    end
  end
end
