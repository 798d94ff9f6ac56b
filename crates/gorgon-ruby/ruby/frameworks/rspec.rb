# frozen_string_literal: true

require_relative 'places'
require_relative 'faults'
require_relative 'rspec_filters'
require_relative 'rspec_globals'
require_relative 'rspec_options'
require_relative 'rspec_parts'
require_relative 'rspec_results'
require_relative 'rspec_statuses'

module Gorgon
  module Frameworks
    # RSpec 3: the files of a child are loaded one at a time into one configuration and one world,
    # and each file's groups run as soon as it is loaded. Hooks of the suite run once.
    class Rspec
      # A helper at the top of spec/ that says so does without RSpec's own expectations or mocks.
      OTHER_LIBRARIES = /(?:mock_with|mock_framework|expect_with)\b(?!\W*(?:rspec|\|))/.freeze

      # Loads what every plain run of RSpec would load, and nothing that would not be.
      def self.preload
        Frameworks.activate('rspec-core', 'rspec/core')
        require 'rspec/core'
        ::RSpec::Core::Runner.disable_autorun!
        return if Frameworks.versions_open? || Dir.glob('spec/*.rb').any? { |path| File.file?(path) && File.binread(path).match?(OTHER_LIBRARIES) }

        Frameworks.activate('rspec-expectations', 'rspec/expectations')
        require 'rspec/expectations'
        Frameworks.activate('rspec-mocks', 'rspec/mocks')
        require 'rspec/mocks'
        require 'rspec/core/mocking_adapters/rspec'
      end

      # Raises what RSpec says of options, in .rspec and after `--`, that it does not know.
      def self.check_options(settings)
        require 'rspec/core'
        RspecOptions.new(settings, nil).parse
      end

      # Whether no callback has a say in them: RSpec is loaded, and its files are no templates.
      def self.options_settled?
        defined?(::RSpec::Core::ConfigurationOptions) && !RspecOptions.templates?
      end

      def initialize(settings, reporter)
        @settings = settings
        @reporter = reporter
        @places = Places.new(settings.root)
        @faults = Faults.new(@places)
        @hooks_run = {}.compare_by_identity
      end

      # Takes the options that plain RSpec would take, and what they require.
      def start
        require 'rspec/core'
        ::RSpec::Core::Runner.disable_autorun!
        @config = ::RSpec.configuration
        @world = ::RSpec.world
        @results = RspecResults.new(@config, @world, @reporter, @places)
        @parts = RspecParts.new(@world, @results, @reporter)
        @results.parts = @parts
        @filters = RspecFilters.new(@config, @world, @reporter)
        listen
        @globals = RspecGlobals.new(@config, @world)
        @statuses = RspecStatuses.new(@config, @world, @reporter)
        RspecOptions.new(@settings, @reporter).configure(@config, @filters)
        @config.reporter.start(0)
        @ready = true
      end

      # Loads a file and runs its groups; what they leave behind of filters and of RSpec's wish to
      # quit is taken back.
      def run(path, selection)
        return refuse if @broken

        begin_file(path)
        @part = Part.of(selection)
        return unless (@part && @parts.take_up) || load

        @filters.select(path, selection) if selection && !@part
        @selected = selection && !@part
        RspecOptions.ignore_endings(@config, @reporter)
        run_groups if before_suite
      ensure
        end_file
      end

      # Hooks of the suite's end, and what listens to it.
      def finish
        return unless @config

        @globals.put_back
        @in_hooks = true # The file's own errors were told.
        scope(:after_suite_hook)
        hooks_of(:@after_suite_hooks).each { |hook| run_hook(hook, 'an `after(:suite)` hook') }
        @statuses.write
        # Nobody prints a profile; what would gather it came before the helper that asks for it.
        @config.profile_examples = nil
        @config.reporter.finish
      rescue *PASSED_UP
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException
        @reporter.suite_hook_failed(**@faults.of('end of RSpec', e))
      end

      # What helpers get for `config.files_to_run`: RSpec's files of the whole job, as in one plain
      # process; some decide by them what to start.
      def files_to_run
        @files ||= @settings.files.split("\n").select { |file| file.end_with?('_spec.rb') }
        # What `.rspec` requires asks before there is a file at hand.
        (@files | [@path].compact).map { |file| File.expand_path(file, @settings.root) }.sort
      end

      # From RSpec's reporter: an exception outside of examples.
      def outside(error, context)
        fault = @faults.of(what(context), error)
        return (@broken ||= []) << fault unless @ready
        return @reporter.suite_hook_failed(**fault) if @in_hooks

        @outside = true
        @reporter.file_error(**fault, spent: fault[:what].include?('suite'))
      end

      # From RSpec's reporter: the block lets a listener hear of an event. One that raises would end
      # the run, after RSpec has failed what passed.
      def hears(listener, event)
        yield
      rescue *PASSED_UP
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException
        fault = @faults.of("#{event} of #{listener.class}", e)
        return (@broken ||= []) << fault unless @ready
        return @reporter.suite_hook_failed(**fault) if @in_hooks

        @reporter.file_error(**fault) unless @raised.include?(fault[:what])
        @raised << fault[:what]
      end

      private

      def listen
        @config.formatter_loader.add(@results.formatter)
        # The user's formatters write for a terminal or a file of one process.
        @config.formatter_loader.define_singleton_method(:add) { |*| nil }
        adapter = self
        @config.define_singleton_method(:files_to_run) { adapter.files_to_run }
        @config.reporter.define_singleton_method(:notify_non_example_exception) do |error, context|
          adapter.outside(error, context)
          # Its words, which ask the exception, are for a terminal.
          Raised.guarded(-> {}) { super(error, context) }
        end
        @config.reporter.define_singleton_method(:notify) do |event, notification|
          registered_listeners(event).each do |listener|
            adapter.hears(listener, event) { listener.public_send(event, notification) }
          end
        end
      end

      # What an option requires could not be loaded: plain RSpec runs nothing then.
      def refuse
        @broken.each { |fault| @reporter.file_error(**fault, spent: true) }
      end

      def begin_file(path)
        @path = path
        @file = File.expand_path(path, @settings.root)
        @outside = false
        @raised = []
        @globals.put_back
        @world.example_group_counts_by_spec_file.clear
        @world.example_groups.clear
        @world.filtered_examples.clear
        forget(:@descending_declaration_line_numbers_by_file)
        @config.files_or_directories_to_run = [path]
        @filters.begin_file(@file)
        @results.begin_file(@file)
        @parts.begin_file(path)
      end

      def load
        RailsEnvironment.watch { LOAD.call(@file) }
        @config.loaded_spec_files << @file
        still_whole?
      rescue *PASSED_UP
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException
        @reporter.file_error(**@faults.of('load', e))
        false
      ensure
        # Afterwards is soon enough, and cheaper than to watch while it is loaded.
        Frameworks.disarm
      end

      # A file that resets RSpec while it is loaded defines groups that nobody would run.
      def still_whole?
        strays = @globals.stray_groups
        @globals.put_back
        return true if strays.zero?

        @reporter.file_error(what: 'load', exception: nil, backtrace: [],
                             message: "RSpec.reset was called while the file was loaded: #{strays} of its groups do not run")
        false
      end

      # Hooks that were registered since the last file; false when one raised.
      def before_suite
        fresh = hooks_of(:@before_suite_hooks).reject { |hook| @hooks_run[hook] }
        return true if fresh.empty?

        scope(:before_suite_hook)
        fresh.each do |hook|
          @hooks_run[hook] = true
          run_hook(hook, 'a `before(:suite)` hook')
          return false if @outside
        end
        true
      end

      def run_hook(hook, description)
        context = ::RSpec::Core::SuiteHookContext.new(description, @config.reporter)
        hook.run(context)
      rescue *PASSED_UP
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException
        context.set_exception(e)
      end

      def run_groups
        scope(:suite)
        settle
        reporter = @config.reporter
        groups = @world.ordered_example_groups
        # A focus comes and goes with the file that is loaded.
        @reporter.divisible if !@selected && !@filters.of_the_file? && @parts.divisible?
        @results.expect(@world.example_count(groups))
        @reporter.needs_tests if @results.expected.zero? && fails_without_examples?
        groups.each { |group| group.run(reporter) }
        @statuses.remember if @reporter.ours?
        @filters.tell_what_was_left_out unless @part
        tell_what_did_not_run
      end

      # Which examples run.
      def settle
        return @filters.settle unless @part

        @parts.choose(@part) do
          @filters.settle
          @filters.tell_what_was_left_out
        end
      end

      # RSpec has the setting since 3.8.
      def fails_without_examples?
        @config.respond_to?(:fail_if_no_examples) && @config.fail_if_no_examples
      end

      # A file whose examples did not all end has not passed, whatever those say that did.
      def tell_what_did_not_run
        missing = @results.missing
        return unless missing.positive? && @reporter.ours?

        why = @world.wants_to_quit ? 'RSpec was told to quit (wants_to_quit)' : 'RSpec ended early'
        @reporter.file_error(what: 'quit', exception: nil, backtrace: [],
                             message: "#{why}: #{missing} of #{@results.expected} examples did not run")
      end

      def end_file
        return unless @world

        @filters.end_file
        @world.example_groups.clear
        @world.filtered_examples.clear
        @world.wants_to_quit = false
        @world.non_example_failure = false
        @world.rspec_is_quitting = false if @world.respond_to?(:rspec_is_quitting=)
      end

      # `before(:suite)`, `after(:all)`, `load`: out of a sentence like "An error occurred in an
      # `after(:context)` hook."
      def what(context)
        hook = context[/(?:before|after)\(:\w+\)/]
        return hook.sub('context', 'all') if hook

        context.match?(/\bloading\b/i) ? 'load' : context[/\A.*/].strip
      end

      def hooks_of(name)
        (@config.instance_variable_get(name) || []).dup
      end

      def scope(name)
        ::RSpec.current_scope = name if ::RSpec.respond_to?(:current_scope=)
      end

      def forget(name)
        @world.remove_instance_variable(name) if @world.instance_variable_defined?(name)
      end
    end
  end
end
