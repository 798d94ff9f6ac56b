# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # Turns what RSpec's reporter tells its listeners into results; one of them, beside the user's.
      class Results
        EVENTS = %i[seed start example_started example_passed example_failed example_pending deprecation].freeze
        FRAME = '# '
        # RSpec's advice that `rspec/autorun` is not needed: it is left out, as `ruby FILE` does not print it.
        NEEDLESS = 'Requiring `rspec/autorun`'
        # RSpec prints no more of one type either.
        MOST_OF_A_TYPE = 3
        OUR_FRAME = /\A *# #{Regexp.escape(Places::OURS)}/.freeze

        def initialize(config, world, reporter, places)
          @config = config
          @keys = Keys.new(world)
          @reporter = reporter
          @places = places
          @told = {}.compare_by_identity        # examples of the file that have ended
          @group_names = {}.compare_by_identity # group => name of the outermost around it
          @deprecations = {}
        end

        # What holds examples together.
        attr_writer :parts

        # How each is run alone by RSpec's own command.
        attr_writer :reruns

        # How many examples are to end.
        attr_reader :expected

        def expect(examples)
          @expected = examples
        end

        # How many of them did not.
        def missing
          @expected - @told.size
        end

        def ended?(example)
          @told.key?(example)
        end

        # Whether one failed.
        def failed?
          @failed
        end

        # By its absolute path.
        def begin_file(path)
          named = ::RSpec::Core::Metadata.relative_path(path)
          @before_id = "#{named}["
          # RSpec's relative paths are of the project; its absolute ones are wrong if a helper changes the directory.
          @from_root = named == "./#{@places.relative(path)}"
          @group_names.clear
          @keys.begin_file
          @reruns.begin_file(path, named)
          @told.clear
          @expected = 0
          @failed = @failed_again = false
        end

        # The events.

        def seed(notification)
          @seed ||= notification
        end

        def start(notification)
          @start = notification
        end

        # What was told at the start, in its order.
        def start_for(listener, events)
          return unless @start

          listener.seed(@seed) if events.include?(:seed)
          listener.start(@start) if events.include?(:start)
        end

        def example_started(notification)
          example = notification.example
          return if @told[example]

          @started_at = Frameworks.now
          @reporter.test_started(id: id(example), name: example.full_description)
        end

        def example_passed(notification)
          finished(notification.example, 'passed')
        end

        def example_failed(notification)
          @failed = true
          finished(notification.example, 'failed', notification)
        end

        def example_pending(notification)
          finished(notification.example, 'skipped')
        end

        # Those that RSpec would print at the end are told; others it raises, or writes into a file.
        def deprecation(notification)
          return if notification.deprecated.to_s.start_with?(NEEDLESS)

          formatter = deprecation_formatter
          return unless formatter && [$stderr, STDERR, $stdout, STDOUT].include?(formatter.deprecation_stream)

          message = formatter.deprecation_message_for(notification)
          said = (@deprecations[message.type] ||= [])
          return if said.size >= MOST_OF_A_TYPE || said.include?(message.to_s)

          said << message.to_s
          @reporter.warning("deprecated in RSpec's words: #{message}")
        end

        # What RSpec prints at its end of those that it has raised, or written into a file.
        def count_deprecations
          formatter = deprecation_formatter or return
          stream = formatter.deprecation_stream
          count = formatter.count
          return if count.zero? || !(stream.is_a?(::File) || stream.respond_to?(:summarize))

          where = stream.is_a?(::File) ? "logged to #{stream.path}" : 'found.'
          @reporter.warning("in RSpec's words: #{count} deprecation#{'s' if count > 1} #{where}")
        end

        # The part in brackets of RSpec's id; all of it where the example is another file's.
        def id(example)
          full = example.id
          full.start_with?(@before_id) ? full[@before_id.size...-1] : full
        end

        # Without RSpec's frames and ours, as RSpec has it.
        def backtrace(error, metadata = {})
          frames(error, metadata).map { |line| @places.relative(line) }
        end

        # RSpec's text of a failure without the frames of its backtrace, which are told by themselves.
        def without_backtrace(lines, error, metadata = {})
          lines = lines.reject { |line| line.match?(OUR_FRAME) }
          frames = frames(error, metadata).map { |line| "#{FRAME}#{line}" }
          at = frames.any? && lines.each_index.find { |index| lines[index, frames.size] == frames }
          at ? lines[0, at] + lines[(at + frames.size)..-1] : lines
        end

        private

        def deprecation_formatter
          @config.formatters.find { |one| one.is_a?(::RSpec::Core::Formatters::DeprecationFormatter) }
        end

        def finished(example, outcome, notification = nil)
          return again(example, outcome, notification) if @told[example]

          @told[example] = true
          metadata = example.metadata
          seconds = @started_at ? Frameworks.now - @started_at : 0.0
          @started_at = nil
          result = { id: id(example), name: example.full_description, classname: group_name(example),
                     file: @places.relative((!@from_root && metadata[:absolute_file_path]) || metadata[:file_path]),
                     line: metadata[:line_number], outcome: outcome, seconds: seconds }
          key = @keys.of(example) and result[:key] = key
          group = @parts.group_of(example) and result[:group] = group
          result.merge!(fault(example, notification), rerun: @reruns.of(example)) if outcome == 'failed'
          result[:message] = example.execution_result.pending_message.to_s if outcome == 'skipped'
          @reporter.test_finished(result)
        end

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
          { exception: Raised.class_text(error), message: shown, backtrace: backtrace(first(error), example.metadata) }
        end

        # In place of RSpec's own words, which ask the exception for much.
        def in_short(error)
          "#{Raised.class_text(error)}:\n  #{Raised.message(error)}"
        end

        # As RSpec would print it: the source line, the message, the diff, the cause; all parts of an aggregate.
        def message(error, example, notification)
          text = Json.utf8(notification.fully_formatted(nil, ::RSpec::Core::Notifications::NullColorizer))
          # An empty line, then the description, then what is indented below it.
          lines = text.lines(chomp: true).drop(2).map { |line| line.delete_prefix('  ') }
          # RSpec indents an empty line of the source, so it is another line than the empty one at the end of the source.
          without_backtrace(lines, error, example.metadata).join("\n").gsub(/(?<=\S) +$/, '')
        end

        # Of an aggregate the place of its first part stands for all.
        def first(error)
          parts = Raised.guarded(-> { [] }) { error.respond_to?(:all_exceptions) ? Array.try_convert(error.all_exceptions) || [] : [] }
          parts.first || error
        end

        def frames(error, metadata)
          lines = Raised.backtrace(error).map { |line| Json.utf8(line) }.reject { |line| line.start_with?(Places::OURS) }
          Raised.guarded(-> { lines }) { @config.backtrace_formatter.format_backtrace(lines, metadata) }
        end
      end
    end
  end
end
