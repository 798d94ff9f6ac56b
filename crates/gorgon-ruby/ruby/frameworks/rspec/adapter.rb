# frozen_string_literal: true

require_relative '../places'
require_relative '../faults'
require_relative '../loading'
require_relative '../../leaving'

module Gorgon
  module Frameworks
    # RSpec 3, run as its own runner runs it: options, files, hooks of the suite, groups, reporter, in that order. Only
    # that the files of a child come one at a time: each one's groups run as soon as it is loaded, into one world, one
    # configuration and one reporter; hooks of the suite run once.
    class Rspec
    end
  end
end

%w[beside command faults filters formatters globals judgement keys late options orderings parts reruns results statuses warm].each { |name| require_relative name }

module Gorgon
  module Frameworks
    class Rspec
      include Judgement

      # Loads the files that `rspec` loads up to its first helper: with its options it loads what reads them. Libraries
      # that a helper may replace are not loaded.
      def self.preload(settings)
        Frameworks.activate('rspec-core', 'rspec/core')
        require 'rspec/core'
        ::RSpec::Core::Runner.disable_autorun!
        Options.new(settings, nil).parse unless Options.templates?
      rescue Options::Unknown
        nil # Each child says so.
      end

      # Compiles ahead the files that most suites load later.
      def self.keep_warm(compiled)
        Warm.keep(compiled) unless Frameworks.versions_open?
      end

      # No file can run: told as such, without the frames of the Ruby side.
      def self.load_library
        require 'rspec/core'
      rescue ::LoadError => e
        raise unless e.path == 'rspec/core'

        file = defined?(::Bundler) ? ENV['BUNDLE_GEMFILE'].to_s : ''
        raise Refused.new('RSpec', file.empty? ? "rspec-core is not installed: #{e.message}" : "rspec-core is not in the #{File.basename(file)}: #{e.message}")
      end

      # Raises what RSpec says of options, in .rspec and after `--`, that it does not know.
      def self.check_options(settings)
        load_library
        Options.new(settings, nil).parse
      end

      # Whether callbacks cannot change the options: RSpec is loaded, and its option files have no Ruby in them.
      def self.options_settled?
        defined?(::RSpec::Core::ConfigurationOptions) && !Options.templates?
      end

      def initialize(settings, reporter)
        @settings = settings
        @reporter = reporter
        @places = Places.new(settings.root)
        @loading = Loading.new(@places)
        @hooks_run = {}.compare_by_identity
        @passed = true
      end

      # Takes the options that plain RSpec would take, and what they require.
      def start
        Rspec.load_library
        ::RSpec::Core::Runner.disable_autorun!
        @config = ::RSpec.configuration
        @world = ::RSpec.world
        @results = Results.new(@config, @world, @reporter, @places)
        @faults = Faults.new(@config, @results, @places)
        @late = Late.new(@world, @config)
        @results.reruns = Reruns.new(@world, @places, @late)
        @results.parts = @parts = Parts.new(@world, @results, @reporter)
        @filters = Filters.new(@config, @world, @reporter, @places)
        @orderings = Orderings.new(@config)
        @globals = Globals.new(@config, @world)
        @statuses = Statuses.new(@config, @world, @reporter)
        @formatters = Formatters.new(@config)
        configure
      end

      # Loads a file and runs its groups. Then undoes their changes of filters and of RSpec's `wants_to_quit`.
      # `loaded`: another framework has loaded it.
      def run(path, selection, loaded: false)
        return refuse if @broken

        begin_file(path, selection, loaded)
        return unless (@part && @parts.take_up) || loaded || load

        @formatters.offer_late if loaded
        Options.ignore_endings(@config, @reporter)
        begin_run
        run_specs
      rescue *PASSED_UP
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException
        # RSpec's own run would end here.
        tell(@faults.of('run', e), spent: @starting || !Printing.raised.nil?)
      ensure
        end_file
        # The framework that loads files does not know of these.
        @formatters&.withdraw_late if loaded
      end

      # Runs the hooks of the suite's end, has the listeners sum up, and reports the status that RSpec's command would
      # exit with.
      def finish
        return unless @config && @formatters

        @ending = true
        @globals.put_back
        @globals.put_groups_back
        @world.non_example_failure = @outside_failed || false
        @formatters.show
        return @config.reporter.exit_early(1) unless @begun

        @runner.gorgon_ending = true
        late = @late.left
        tell(@faults.told('late examples', late)) if late
        after_suite
        @statuses.write
        tell(@faults.told('files', @left_out)) if @left_out
        @results.count_deprecations
        finish_reporter
        judge_end
        Leaving.at_last { tell_late_groups }
      end

      # The status by which RSpec's command ends a plain run; nil: it does not call `exit`.
      attr_reader :verdict

      # Called by RSpec's reporter: an exception outside of examples, with RSpec's text about it.
      def outside(error, context, text)
        tell(@faults.outside(error, context, text))
      end

      # From RSpec's configuration: a helper sets which files run, by the block; later than that it has no effect. A job
      # that has all files that would run without it, and not those that run with it, is no run of the suite.
      def pattern_set(name)
        return yield if @ready

        before = files_of_the_pattern
        yield
        after = files_of_the_pattern
        job = @settings.files.split("\n").map { |file| File.expand_path(file, @settings.root) }
        tell_pattern(name, 'would not run', job & (before - after))
        left_out = tell_pattern(name, 'more would run', after - job)
        @left_out = left_out if (before - job).empty?
      end

      # Called by RSpec's reporter, which starts with the first file and ends with the child.
      def start_reporter
        return if @begun

        @begun = @starting = true
        @formatters.starting { yield }
        @starting = false
      end

      def finish_reporter?
        @ending
      end

      # From RSpec's configuration, in place of hooks of the suite: those before it run once, those after it at the end
      # of the child. The block has RSpec run some.
      def suite_hooks_of_the_file(hooks, &run)
        return yield(hooks) if @ending
        return unless hooks.equal?(hooks_of(:@before_suite_hooks))

        fresh = hooks.reject { |hook| @hooks_run[hook] }
        @reporter.before_tests(due: fresh.any?) { before_suite(fresh, &run) }
        before_groups
      end

      # A test has interrupted its own process. As RSpec's own handler: the run is to end after this example, and a second
      # time the process ends.
      def interrupted
        ::Process.exit!(1) if @world.wants_to_quit
        @world.wants_to_quit = true
      end

      # The status at exit of a process that a test forked, and that came to the end of the file.
      def fork_status(failed)
        failed ? @config.failure_exit_code : 0
      end

      private

      # The steps of RSpec's runner up to its files.
      def configure
        options = Options.new(@settings, @reporter)
        Beside.attach(@config, self, @results, @formatters, @filters)
        @files = options.job_files
        @known_files = @files.to_h { |file| [file, true] }
        settled = options.for_child(@config, @files)
        @runner = ::RSpec::Core::Runner.new(settled, @config, @world).extend(Beside::OfRunner)
        @command = Command.new(@runner, settled, @world)
        @runner.configure($stderr, $stdout)
        # --only-failures, which is ignored, is a filter besides.
        @config.inclusion_filter.delete(:last_run_status)
        refuse_quitting
        @ready = true
      rescue *PASSED_UP
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException
        tell(@faults.of('options', e))
      end

      # Plain RSpec runs nothing when what an option requires says so, or cannot be loaded.
      def refuse_quitting
        return if @broken || !@world.wants_to_quit

        tell(@faults.told('options', 'RSpec was told to quit (wants_to_quit) before any file was loaded'))
      end

      def tell(fault, spent: false)
        @told = true
        return (@broken ||= []) << fault unless @ready
        return @reporter.suite_hook_failed(**fault) if @ending

        @reporter.file_error(**fault, spent: spent || fault[:what].include?('suite'))
      end

      def refuse
        @broken.each { |fault| @reporter.file_error(**fault, spent: true) }
      end

      def begin_file(path, selection, loaded)
        @path = path
        @file = File.expand_path(path, @settings.root)
        @told = false
        @globals.put_back
        # With the first file those that an option's `--require` brought: nobody else runs them.
        @globals.forget_groups if @had_one && !loaded
        @had_one = true
        # One whose name is not of RSpec's pattern.
        @config.files_or_directories_to_run = @files | [@file] unless @known_files.key?(@file)
        # By the lines of the files before.
        forget(:@descending_declaration_line_numbers_by_file)
        @part = Part.of(selection)
        @filters.begin_file(@file, selection)
        @results.begin_file(@file)
        @orderings.begin_file
        @parts.begin_file(path)
      end

      def load
        @formatters.withdraw_late
        @config.gorgon_next = @file
        Frameworks.watched { @loading.watch(@path) { @config.load_spec_files } }
        @formatters.offer_late
        still_whole? && !quits?
      ensure
        @config.gorgon_next = nil
        # Autorun is switched off after loading: that is soon enough, and cheaper than watching what is loaded.
        Frameworks.disarm
      end

      # A file that resets RSpec while it is loaded defines groups that nobody would run.
      def still_whole?
        strays = @globals.stray_groups
        @globals.put_back
        return true if strays.zero?

        tell(@faults.told('load', "RSpec.reset was called while the file was loaded: #{strays} of its groups do not run"))
        false
      end

      def quits?
        return false unless @world.wants_to_quit

        tell(@faults.told('quit', 'RSpec was told to quit (wants_to_quit) while the file was loaded')) unless @told
        true
      end

      # Which examples run.
      def begin_run
        settle
        # A part, and what was asked for by id or line, is of this file alone.
        some = @part || @filters.selected?
        @late.pass_over if some
        @has_late = !some && @late.take_up
        seed = Reruns.seed(@config)
        @reporter.plain_run(seed: seed) if seed
        @results.expect(@part || @has_late ? @world.example_count : @filters.example_count)
        @world.announce_filters if !@begun && @results.expected.positive?
      end

      # RSpec's own run of the groups, with what a suite has put over it.
      def run_specs
        @runner.gorgon_passed = nil
        status = @command.run
        return unless @reporter.ours?

        @formatters.ran
        @late.give_back
        passed = @runner.gorgon_passed
        # `passed` is nil for a file without examples, which is judged for the whole job, and with an RSpec before 3.10.
        status = 0 if no_examples_fail? && status == @config.failure_exit_code
        passed = status.zero? if passed.nil?
        @passed &&= passed
        @statuses.remember
        @filters.tell_what_was_left_out unless @part
        judge_file(passed, status)
      end

      # Hooks that were registered since the last file.
      def before_suite(fresh)
        fresh.each { |hook| @hooks_run[hook] = true }
        # RSpec runs no more of them when one has raised.
        fresh.each { |hook| yield([hook]) unless @told }
      end

      def after_suite
        scope(:after_suite_hook)
        @config.__send__(:run_suite_hooks, 'an `after(:suite)` hook', hooks_of(:@after_suite_hooks))
        scope(:suite)
      end

      # A focus comes and goes with the file that is loaded.
      def before_groups
        @reporter.divisible if several? && !@told && !@has_late && !@filters.selected? && !@filters.of_the_file? && @parts.divisible? && !kept_whole?
        @reporter.needs_tests if no_examples_fail? && !@filters.all_filtered?
      end

      def settle
        return @filters.settle unless @part

        @parts.choose(@part, fresh: @filters.unfiltered?) do
          @filters.settle
          @filters.tell_what_was_left_out
        end
      end

      # What RSpec would run.
      def files_of_the_pattern
        @config.__send__(:get_files_to_run, [@config.default_path]).map { |file| File.expand_path(file, @settings.root) }
      end

      def tell_pattern(name, what, files)
        return if files.empty?

        text = ::Kernel.format(Options::OWN_PATTERN, name: name, what: "#{files.size} #{what}", first: @places.relative(files.first))
        @reporter.warning(text)
        text
      end

      # RSpec has the setting since 3.8.
      def no_examples_fail?
        @results.expected.zero? && @config.respond_to?(:fail_if_no_examples) && @config.fail_if_no_examples
      end

      # Its listeners sum up. Where tests have failed, one that raises may have been asked for the text of a strange
      # exception: of that the failure says enough.
      def finish_reporter
        @formatters.make_default
        @config.reporter.finish
      rescue *PASSED_UP
        raise
      rescue Exception => e # rubocop:disable Lint/RescueException
        name = @formatters.name_of_who_raised(Raised.backtrace(e))
        fault = @faults.of(name ? "reporter #{name}" : 'end of RSpec', e)
        return tell(fault) unless @failed

        @reporter.warning("RSpec's report of its failures ended with #{fault[:exception]}: #{fault[:message]}")
      end

      # `rspec` runs no group that a handler of at_exit defines, but `ruby FILE` does, with rspec/autorun.
      def tell_late_groups
        return unless Choice.rspec_asked?

        late = @globals.late_examples
        return if late.zero?

        tell(@faults.told('at_exit', "examples that were defined while Ruby exits did not run: #{late}"))
      end

      def end_file
        return unless @world

        @failed = true if @told || @results.failed?
        @outside_failed ||= @world.non_example_failure
        @filters.end_file
        Choice.ran_groups += @world.example_groups.size
        @late.give_back
        @late.remember(@places.relative(@file))
        @globals.forget_groups
        @world.wants_to_quit = false
        @world.non_example_failure = false
        @world.rspec_is_quitting = false if @world.respond_to?(:rspec_is_quitting=)
      end

      # Of one example there are no parts; a part may have one.
      def several?
        @part || @results.expected > 1
      end

      def kept_whole?
        @loading.keeps_whole?(@path, %i[@before_suite_hooks @after_suite_hooks].flat_map { |name| hooks_of(name).map(&:block) })
      end

      def hooks_of(name)
        @config.instance_variable_get(name)
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
