# frozen_string_literal: true

require_relative '../../raised'

module Gorgon
  module Frameworks
    class Minitest
      # The reporters of a run: Minitest's own, those of the suite and of its plugins, and ours. They live as long as the
      # child: they are started before the first file runs, and report after the last one.
      class Reporters
        # The methods by which a reporter that only counts results says that the run did not pass.
        COUNTS = %i[failures errors].freeze

        # Makes an IO go nowhere. It is buffered, as STDOUT is plainly.
        module Nowhere
          def sync
            false
          end

          def sync=(value); end

          def write(*texts)
            texts.sum { |text| text.to_s.bytesize }
          end
        end
        private_constant :Nowhere

        # Whether one of them raised, or said that the run did not pass, and that was told.
        attr_reader :told

        def initialize(results, reporter, faults)
          @results = results
          @reporter = reporter
          @faults = faults
          @plugins = []
          @printing = Printing.new
          @started = {}.compare_by_identity
        end

        # The reporter that the classes are handed; nil before the first file has been loaded.
        attr_reader :composite

        # Has the plugins that are new set up their reporters, as Minitest.run does.
        def set_up(options)
          fresh = ::Minitest.extensions - @plugins
          return @composite if @composite && fresh.empty?

          first = @composite.nil?
          @composite ||= by_minitest(options)
          @composite.reporters.delete(@results)
          init(fresh, options)
          ours(options)
          first ? start_all : @composite.reporters.each { |reporter| start(reporter) }
          @composite
        end

        # To be called when the tests of a file have run: in a plain run Minitest's sums may come next. The block gets what
        # that raises.
        def ran
          return unless @quiet && @composite.reporters.any?(::Minitest::SummaryReporter)

          @printing.print_if_changed([:puts], [:sync=, false])
        rescue *PASSED_UP
          raise
        rescue Exception => e # rubocop:disable Lint/RescueException
          yield e
        end

        # Lets each reporter report, and adds a fault for each one that does not pass the run.
        def report
          return unless @composite

          own, suites = (@composite.reporters - [@results]).partition { |reporter| minitests_own?(reporter) }
          # Nobody reads their output, but other reporters may use their figures. If a strange exception makes one
          # raise, the exception's test reports that.
          own.each { |reporter| @results.failed ? Raised.guarded(-> {}) { reporter.report } : guarded(reporter) { reporter.report } }
          suites.each { |reporter| guarded(reporter) { reporter.report } }
          [*suites, *own].each { |reporter| guarded(reporter) { judge(reporter) } }
          guarded(@composite) { judge(@composite) } unless @told || @results.failed
        end

        private

        def by_minitest(options)
          composite = ::Minitest::CompositeReporter.new
          composite << ::Minitest::SummaryReporter.new(options[:io], options)
          composite << ::Minitest::ProgressReporter.new(options[:io], options) unless options[:quiet]
          composite
        end

        def init(plugins, options)
          all = ::Minitest.extensions
          ::Minitest.reporter = @composite
          ::Minitest.extensions = plugins
          @plugins |= plugins
          ::Minitest.init_plugins(options)
        ensure
          ::Minitest.extensions = all | ::Minitest.extensions
          ::Minitest.reporter = nil
        end

        # Ours is the first to see a result, so that none is lost where another one raises; and its io is that of all.
        # What Minitest itself writes of a run would stand among the output of the tests.
        def ours(options)
          @composite.reporters.each { |reporter| reporter.io = quiet(options[:io]) if minitests_own?(reporter) && options[:io].equal?(reporter.io) }
          @results.io = options[:io]
          @results.options = options
          @composite.reporters.unshift(@results)
        end

        # Minitest has loaded StringIO for itself.
        def quiet(stream)
          @quiet ||= @printing.stand_for(stream, ::StringIO.new.extend(Nowhere))
        end

        def minitests_own?(reporter)
          reporter.instance_of?(::Minitest::SummaryReporter) || reporter.instance_of?(::Minitest::ProgressReporter)
        end

        def start_all
          @composite.reporters.each { |reporter| @started[reporter] = true }
          @composite.start
        end

        def start(reporter)
          return if @started.key?(reporter)

          @started[reporter] = true
          reporter.start
        end

        def judge(reporter)
          return if reporter.passed?

          whose = minitests_own?(reporter) || @composite.equal?(reporter) ? 'as the suite has changed it' : 'a reporter of the suite'
          said = "#{reporter.class}, #{whose}, says that the run did not pass"
          return tell(reporter, nil, said, []) unless @results.failed
          return @reporter.warning("#{said}; tests had failed") unless ::Minitest::StatisticsReporter === reporter

          tell(reporter, nil, said, []) unless passed_without_failures?(reporter)
        end

        # Whether failed tests, which are reported anyway, are the only reason why the reporter does not pass the run.
        def passed_without_failures?(reporter)
          results = reporter.results
          counts = COUNTS.map { |name| reporter.public_send(name) }
          reporter.results = results.select(&:skipped?)
          COUNTS.each { |name| reporter.public_send("#{name}=", 0) }
          reporter.passed?
        ensure
          reporter.results = results
          COUNTS.zip(counts) { |name, count| reporter.public_send("#{name}=", count) }
        end

        def guarded(reporter)
          yield
        rescue SystemExit => e
          tell(reporter, 'SystemExit', "#{reporter.class}, a reporter of the suite, called exit, status #{e.status}", []) unless e.success?
        rescue SignalException, NoMemoryError
          raise
        rescue Exception => e # rubocop:disable Lint/RescueException
          fault = @faults.of('reporter', e)
          tell(reporter, *fault.values_at(:exception, :message, :backtrace))
        end

        def tell(reporter, exception, message, backtrace)
          @told = true
          @reporter.suite_hook_failed(what: "reporter #{reporter.class}", exception: exception, message: message, backtrace: backtrace)
        end
      end
    end
  end
end
