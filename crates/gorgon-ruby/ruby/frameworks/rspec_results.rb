# frozen_string_literal: true

require_relative 'rspec_keys'

module Gorgon
  module Frameworks
    # Turns what RSpec tells a formatter into results.
    class RspecResults
      # Registered with RSpec as any formatter is; one instance a child.
      class Formatter
        def initialize(results)
          @results = results
        end

        def example_started(notification)
          @results.started(notification.example)
        end

        def example_passed(notification)
          @results.finished(notification.example, 'passed')
        end

        def example_failed(notification)
          @results.finished(notification.example, 'failed', notification)
        end

        def example_pending(notification)
          @results.finished(notification.example, 'skipped')
        end

        # Claims messages, so that RSpec prints none.
        def message(_notification); end

        def dump_profile(_notification); end
      end

      EVENTS = %i[example_started example_passed example_failed example_pending message dump_profile].freeze

      def initialize(config, world, reporter, places)
        @config = config
        @keys = RspecKeys.new(world)
        @reporter = reporter
        @places = places
        @told = {}.compare_by_identity        # examples of the file that have ended
        @group_names = {}.compare_by_identity # group => name of the outermost around it
      end

      def formatter
        ::RSpec::Core::Formatters.register(Formatter, *EVENTS)
        Formatter.new(self)
      end

      # What holds examples together.
      attr_writer :parts

      # How many examples are to end.
      attr_reader :expected

      def expect(examples)
        @expected = examples
        @ended = 0
      end

      # How many of them did not.
      def missing
        @expected - @ended
      end

      # By its absolute path.
      def begin_file(path)
        @before_id = "#{::RSpec::Core::Metadata.relative_path(path)}["
        @group_names.clear
        @keys.begin_file
        @told.clear
        @failed_again = false
      end

      def started(example)
        return if @told[example]

        @started_at = Frameworks.now
        @reporter.test_started(id: id(example), name: example.full_description)
      end

      def finished(example, outcome, notification = nil)
        return again(example, outcome, notification) if @told[example]

        @told[example] = true
        @ended = @ended.to_i + 1
        metadata = example.metadata
        seconds = @started_at ? Frameworks.now - @started_at : 0.0
        @started_at = nil
        result = { id: id(example), name: example.full_description, classname: group_name(example),
                   file: @places.relative(metadata[:absolute_file_path] || metadata[:file_path]),
                   line: metadata[:line_number], outcome: outcome, seconds: seconds }
        key = @keys.of(example) and result[:key] = key
        group = @parts.group_of(example) and result[:group] = group
        result.merge!(fault(example, notification)) if outcome == 'failed'
        result[:message] = example.execution_result.pending_message.to_s if outcome == 'skipped'
        @reporter.test_finished(result)
      end

      # The part in brackets of RSpec's id; all of it where the example is another file's.
      def id(example)
        full = example.id
        full.start_with?(@before_id) ? full[@before_id.size...-1] : full
      end

      private

      # A group that raises late makes RSpec fail all of its examples, also those that had ended:
      # each keeps its result, and the group's fault is the file's.
      def again(example, outcome, notification)
        return if outcome != 'failed' || @failed_again

        @failed_again = true
        @reporter.file_error(what: "group of #{group_name(example)}", **fault(example, notification))
      end

      def group_name(example)
        @group_names[example.example_group] ||= example.example_group.parent_groups.last.description
      end

      def fault(example, notification)
        error = example.execution_result.exception || notification.exception
        shown = Raised.guarded(->(_) { in_short(error) }) { message(error, example, notification) }
        { exception: Raised.name(error), message: shown, backtrace: backtrace(error) }
      end

      # In place of RSpec's own words, which ask the exception for much.
      def in_short(error)
        "#{Raised.name(error)}:\n  #{Raised.message(error)}"
      end

      # As RSpec would print it: the source line, the message, the diff; all parts of an aggregate.
      def message(error, example, notification)
        if parts(error).empty? || example.execution_result.pending_fixed?
          return notification.message_lines.join("\n")
        end

        texts = parts(error).each_with_index.map { |part, index| part_text(part, index + 1, example) }
        [headline(error), *texts].join("\n\n")
      end

      def headline(error)
        error.respond_to?(:summary) ? error.summary : "Got #{parts(error).size} failures:"
      end

      def parts(error)
        Raised.guarded(-> { [] }) { error.respond_to?(:all_exceptions) ? Array.try_convert(error.all_exceptions) || [] : [] }
      end

      def part_text(part, number, example)
        presenter = ::RSpec::Core::Formatters::ExceptionPresenter.new(part, example, indentation: 0)
        lines = presenter.message_lines + backtrace(part).first(5).map { |line| "# #{line}" }
        "#{number}) #{lines.join("\n   ")}".gsub(/ +$/, '')
      end

      # Without RSpec's frames and ours, as RSpec has it; a part's for the whole of an aggregate.
      def backtrace(error)
        error = parts(error).first || error
        lines = Raised.backtrace(error).map { |line| Json.utf8(line) }.reject { |line| line.start_with?(Places::OURS) }
        lines = Raised.guarded(-> { lines }) { @config.backtrace_formatter.format_backtrace(lines) }
        lines.map { |line| @places.relative(line) }
      end
    end
  end
end
