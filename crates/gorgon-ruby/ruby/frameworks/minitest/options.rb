# frozen_string_literal: true

require_relative '../words'

module Gorgon
  module Frameworks
    class Minitest
      # The options of a run, as Minitest.run makes them of the arguments of its command: those of the job, and what a
      # file adds to ARGV while it is loaded.
      class Options
        # Options that Minitest does not know.
        class Unknown < UnknownOption
          OF = 'Minitest'
        end

        # The same, if the file itself has put the options into ARGV.
        class OfTheFile < StandardError; end

        # Options that print something and end the process, also by exit!.
        ENDING = %w[-h --help -V --version].freeze
        FILTERS = %i[filter include exclude].freeze

        # A filter as Minitest reads it: a name, or a regular expression between slashes.
        def self.pattern(name)
          name.is_a?(String) && name =~ %r{/(.*)/} ? Regexp.new(Regexp.last_match(1)) : name
        end

        def initialize(settings)
          @given = Words.split(ENV['TESTOPTS'].to_s) + Array(settings.options)
          @seed = ['--seed', settings.seed.to_s]
        end

        # The words of the job.
        attr_reader :given

        # Words of the job that Minitest does not take as options; known after it has parsed them.
        attr_reader :left_over

        # Puts into ARGV what a file shall see there while it is loaded.
        def expose
          ARGV.replace(@given)
        end

        # The options for the file that has just been loaded. As in a plain run they are taken out of ARGV.
        def parse
          load_plugins
          asked = [ARGV.dup, ::Minitest.extensions.dup]
          unless asked == @asked
            @options, @left_over = process(asked.first)
            @asked = asked
          end
          ARGV.replace(@left_over)
          @options
        end

        # Whether the last file has brought arguments of its own.
        def of_the_file?
          @asked.first != @given
        end

        # The filters among the options, as they are written in a command.
        def filters
          FILTERS.map { |name| @options[name] && "--#{name == :filter ? 'name' : name} #{@options[name]}" }.compact.join(' ')
        end

        private

        # Minitest 6 leaves it to the user to load them.
        def load_plugins
          return if @loaded

          @loaded = true
          return if Minitest.six?

          ::Minitest.load_plugins unless ARGV.include?('--no-plugins') || ENV['MT_NO_PLUGINS']
        end

        # Minitest prints what is wrong, and exits.
        def process(words)
          ending = words.find { |word| ENDING.include?(word) } and refuse("#{ending} runs no test", words)
          args = @seed + words
          args.delete('--no-plugins')
          stdout = $stdout
          $stdout = said = StringIO.new
          options = ::Minitest.process_args(args)
          options[:io] = stdout if said.equal?(options[:io])
          stdout.write(said.string) unless said.string.empty?
          [options, args]
        rescue SystemExit, OptionParser::ParseError => e
          refuse(said.string.strip.empty? ? e.message : said.string.strip[/\A.*/].strip, words)
        ensure
          $stdout = stdout if stdout
        end

        def refuse(message, words)
          raise words == @given ? Unknown : OfTheFile, message
        end
      end
    end
  end
end
