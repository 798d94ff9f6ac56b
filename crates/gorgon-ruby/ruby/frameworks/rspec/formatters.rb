# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # Where RSpec's formatters write: those for a terminal nowhere while files run, as their signs would stand among
      # what the tests print, and to the output at the end; the others into their files.
      class Formatters
        # Before any Ruby child of this job was forked.
        SINCE = ::Time.now
        # Maximum number of file names that are tried for a formatter.
        NAMES = 1000
        # Formatters that are left out if they have a file: nobody needs dots in a file.
        DOTS = %w[p progress].freeze
        # What RSpec's default formatter loads: it is there for examples, and not while files are loaded.
        LATE = { StringIO: 'stringio' }.freeze
        # Its own classes, which RSpec does not load by their names.
        CLASSES = { BaseFormatter: 'rspec/core/formatters/base_formatter', BaseTextFormatter: 'rspec/core/formatters/base_text_formatter' }.freeze
        # What RSpec's reporter tells its listeners at the end.
        SUMS = %i[stop start_dump dump_pending dump_failures deprecation_summary dump_profile dump_summary seed close].freeze
        # In place of the default formatter until the end: prints what RSpec has to say, and its dots where STDOUT was
        # changed. It keeps the last notification of each outcome.
        Messages = ::Struct.new(:output, :printing, :to_stdout, :latest) do
          def message(notification)
            output.puts(notification.message)
          end

          def example_finished(notification)
            latest[notification.example.execution_result.status] = notification
            printing.print_if_changed([:tty?], [:print, '.']) if to_stdout
          end
        end
        # What it is told.
        MESSAGES = %i[message example_finished].freeze

        def initialize(config)
          @config = config
          @printing = Printing.new
          @nowhere = @printing.stand_for(STDOUT, null)
        end

        # From now on they write to the output.
        def show
          @shown = true
        end

        # To be called when the examples of a file have run: in a plain run the sums may come next.
        def ran
          printed = @config.formatter_loader.formatters.any? { |formatter| formatter.respond_to?(:output) && nowhere?(formatter.output) }
          @printing.print_if_changed([:puts], [:flush]) if @stands_in&.to_stdout || printed
        end

        # To be called before RSpec's listeners sum up: the default formatter is made after all, is told of an example of each
        # outcome, and sums up with the others. What the suite has made of it then counts as in a plain run.
        def make_default
          return unless @stands_in

          loader = @config.formatter_loader
          loader.add(loader.default_formatter, @stands_in.output)
          made = loader.formatters.last
          @stands_in.latest.each { |status, notification| made.public_send(:"example_#{status}", notification) }
        end

        # Returns where formatters with this stream write: nowhere while files run, if it is a terminal's; else the stream.
        def stream(chosen)
          return chosen if @shown
          return @nowhere if [$stdout, STDOUT].include?(chosen)

          [$stderr, STDERR].include?(chosen) ? @silent ||= null : chosen
        end

        # Around the start of the reporter. Plain RSpec makes the default formatter now, when all files are loaded; ours
        # are not, and must not find its libraries. If nobody has loaded them yet, the formatter, which prints nothing
        # here unless the suite has it print to a file, is not made.
        def starting
          @starting = true
          yield
        ensure
          @starting = false
        end

        # Around RSpec's making of default formatters.
        def by_default(output)
          loader = @config.formatter_loader
          @without = @starting && @late&.any? && loader.formatters.empty? && DOTS.include?(loader.default_formatter.to_s) &&
                     [@nowhere, @silent].any? { |io| io.equal?(output.output) }
          return yield unless @without

          @stands_in ||= Messages.new(output, @printing, @nowhere.equal?(output.output), {})
          loader.reporter.register_listener(@stands_in, *MESSAGES)
          yield
        ensure
          @without = false
        end

        # To be called when a file has been loaded, for its groups.
        #
        # Ruby 3.1 looks up all constants again when one has changed. So this is done next to the changes that loading
        # makes, and undone right before the next file is loaded.
        def offer_late
          @late ||= LATE.reject { |name, _| ::Object.const_defined?(name) }
          each_late { |place, name, library| place.autoload(name, library) unless place.const_defined?(name) }
        end

        # To be called before a file is loaded.
        def withdraw_late
          each_late { |place, name, library| place.__send__(:remove_const, name) if place.autoload?(name, false) == library } if @late
        end

        # What is to be added: nothing, or with files in place of their names.
        def to_add(formatter, paths)
          return if DOTS.include?(formatter.to_s) && (paths.any?(String) || @without)

          paths.map do |path|
            next path if !path.is_a?(String) || !File.file?(path) && File.exist?(path)

            deprecations?(formatter) ? together(path) : alone(path)
          end
        end

        # The class of the formatter, or other listener, that was at work at the end of RSpec where this backtrace
        # begins.
        def name_of_who_raised(backtrace)
          reporter = @config.formatter_loader.reporter
          SUMS.each do |event|
            reporter.registered_listeners(event).each do |listener|
              file, = listener.method(event).source_location
              return Raised.class_text(listener) if backtrace.any? { |frame| frame.start_with?("#{file}:") && frame.match?(/\b#{event}'\z/) }
            end
          end
          nil
        rescue ::StandardError
          nil # Listeners are strangers.
        end

        # RSpec accepts the settings of the block only while nobody has asked for its reporter.
        def before_reporter
          there = @config.instance_variable_get(:@reporter)
          @config.instance_variable_set(:@reporter, nil)
          yield
        ensure
          @config.instance_variable_set(:@reporter, there)
        end

        # The formatter of deprecations has the stream of the time at which it was made.
        def deprecations_go_to(stream)
          loader = @config.formatter_loader
          return unless loader.formatters.any? { |formatter| deprecations?(formatter.class) }

          loader.add(::RSpec::Core::Formatters::DeprecationFormatter, stream, @config.output_stream)
        end

        private

        # With its place and its library each constant that the default formatter would bring. If nothing lacks, RSpec makes
        # that formatter, which then brings its own classes.
        def each_late
          @late.each { |name, library| yield ::Object, name, library }
          CLASSES.each { |name, library| yield ::RSpec::Core::Formatters, name, library } unless @late.empty?
        end

        def null
          ::IO.new(::IO.sysopen(::File::NULL, ::File::WRONLY), 'w')
        end

        # RSpec wraps the stream.
        def nowhere?(output)
          @nowhere.equal?(output) || (output.respond_to?(:output) && @nowhere.equal?(output.output))
        end

        def deprecations?(formatter)
          formatter == ::RSpec::Core::Formatters::DeprecationFormatter
        end

        # One for all Ruby children of the job, as lines of a log can be.
        def together(path)
          open(path) { |file, fresh| file.truncate(0) if fresh }
        end

        # A file for each Ruby child, since a report is one whole file. The first child gets the name itself, the next
        # ones the name with a number.
        def alone(path)
          extension = File.extname(path)
          (1..NAMES).each do |number|
            name = number == 1 ? path : "#{path.delete_suffix(extension)}-#{number}#{extension}"
            taken = false
            file = open(name) { |found, fresh| fresh ? found.truncate(0) : taken = true }
            return file unless taken

            file.close
          end
          raise "#{path} and #{NAMES} more are taken"
        end

        # The block gets the file, and whether no child of the job had it before.
        def open(path)
          ::RSpec::Support::DirectoryMaker.mkdir_p(File.dirname(path))
          fresh = !File.exist?(path)
          file = ::File.new(path, ::File::RDWR | ::File::CREAT | ::File::APPEND | (fresh ? ::File::EXCL : 0))
          file.flock(::File::LOCK_EX)
          fresh ||= file.mtime < SINCE
          # By the clock of the machine, whatever a helper makes of Ruby's.
          File.utime(nil, nil, path) if fresh
          yield file, fresh
          file.tap { file.flock(::File::LOCK_UN) }
        rescue ::Errno::EEXIST
          retry
        end
      end
    end
  end
end
