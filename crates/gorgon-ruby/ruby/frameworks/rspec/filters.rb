# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # RSpec's filters, file by file. A focus in one file must not leave out the tests of the next file. A filter that
      # was asked for (`--tag`, tests by id or line) applies to what it was asked for.
      class Filters
        # The tags of a focus. A focus is judged for each file, even if a helper asks for it.
        FOCUS = %i[focus focused].freeze

        def initialize(config, world, reporter, places)
          @config = config
          @world = world
          @reporter = reporter
          @places = places
          @manager = config.filter_manager
        end

        # In place of RSpec's `filter_run_when_matching`, which applies only until the first match: here it applies to
        # each file.
        def focus_on(conditions)
          hash = ::RSpec::Core::Metadata.build_hash_from(conditions.dup, :warn_about_example_group_filtering)
          yield conditions, lambda { |metadata|
            next unless metadata.key?(:example_group)

            @focus = hash
            @manager.include_with_low_priority(hash.dup)
          }
        end

        # A filter that a test file itself sets, and not a helper that it requires, is for that file alone. The first
        # caller outside of RSpec tells who sets it: a file is also among the callers of its helpers.
        def adding(callers)
          before = [rules(:inclusions), rules(:exclusions)]
          yield
          setter = callers.find { |place| !ours_or_rspecs?(place.path) }
          @own_before ||= before if setter&.path == @file
        end

        # By its absolute path. A selection: only these tests of it, by the part of their id in brackets, or by line.
        def begin_file(file, selection)
          @file = file
          @focus = @own_before = @before = @left_everything = nil
          @unfiltered = selection ? selection[:unfiltered] : false
          @selection = selection if selection && !selection[:part] && (selection[:tests] + selection[:lines]).any?
        end

        # Whether only some tests of the file were asked for.
        def selected?
          !@selection.nil?
        end

        # Whether the filters left out every test of the job, so that they do not apply.
        def unfiltered?
          @unfiltered
        end

        # Whether the filters left out every test of the file. That only matters if they do so in every file of the job.
        def all_filtered?
          !!@left_everything
        end

        # Number of examples of the file that run, when the filters are settled.
        def example_count
          @run
        end

        # With the file loaded: as RSpec's announcement of filters.
        def settle
          @before = [rules(:inclusions), rules(:exclusions)]
          select if selected?
          ignore_inclusions if @unfiltered
          @total = @world.all_examples.size
          @run = @world.example_count
          return if selected? || !@run.zero? || !@config.run_all_when_everything_filtered?

          of_the_job? ? ask_the_job : ignore_inclusions
        end

        # A focus is easily committed by mistake; what was asked for the job is told with it.
        def tell_what_was_left_out
          return if selected? || @run == @total || @left_everything

          left = @total - @world.example_count
          return if left.zero?
          return @reporter.left_out(tests: left, by: words) if !focused? && !words.empty?
          return unless focused?

          examples = left == 1 ? '1 example was' : "#{left} examples were"
          @reporter.warning("a focus filter was active in #{@places.relative(@file)}: #{examples} left out")
        end

        # Whether the file brought filters with it: by focus, or of its own.
        def of_the_file?
          !!(@focus || @own_before)
        end

        def end_file
          inclusions, exclusions = @own_before || @before
          if inclusions
            inclusions = inclusions.reject { |key, value| @focus && @focus[key] == value }
            @manager.inclusions.rules.replace(inclusions)
            @manager.exclusions.rules.replace(exclusions)
          end
          @before = @own_before = @focus = @selection = nil
        end

        private

        def select
          ids, others = @selection.fetch(:tests).partition { |id| id.match?(/\A[\d:]+\z/) }
          others.each { |id| ids.concat(id[/\[(.+)\]\z/, 1].to_s.split(/\s*,\s*/)) }
          lines = @selection.fetch(:lines)
          @world.filtered_examples.clear
          @manager.inclusions.clear if @manager.inclusions.standalone?
          @manager.add_ids(@file, ids) unless ids.empty?
          @manager.add_location(@file, lines) unless lines.empty?
        end

        # Whether a filter that was asked for the job is in force: by option, or in a helper, and no focus.
        def of_the_job?
          inclusions, = @own_before || @before
          helpers = @config.static_config_filter_manager.inclusions.rules
          inclusions.any? { |key, value| !(@focus && @focus[key] == value) && !(FOCUS.include?(key) && helpers[key] == value) }
        end

        # Nothing of the file runs, unless it is so in the whole job.
        def ask_the_job
          by = words
          kept = rules(:inclusions)
          ignore_inclusions
          tests = @world.example_count
          @world.filtered_examples.clear
          @manager.inclusions.rules.replace(kept)
          @run = @world.example_count
          return @reporter.left_out(tests: @total, by: by) if tests.zero?

          @left_everything = true
          @reporter.left_out(tests: @total, by: by, everything: true)
        end

        def ignore_inclusions
          @world.filtered_examples.clear
          @config.inclusion_filter.clear
          @run = @world.example_count
        end

        # RSpec's own, of filters that are in force.
        def words
          said = []
          said << "include #{@manager.inclusions.description}" unless @manager.inclusions.empty?
          said << "exclude #{@manager.exclusions.description}" unless @manager.exclusions.empty?
          said.join(', ')
        end

        # Whether a rule in force is about focus, or was set by the file itself.
        def focused?
          return true if @focus || @own_before

          @manager.inclusions.rules.any? { |key, value| FOCUS.include?(key) && value }
        end

        def ours_or_rspecs?(path)
          path.start_with?(Places::OURS) || path.match?(::RSpec::CallerFilter::LIB_REGEX)
        end

        def rules(which)
          @manager.public_send(which).rules.dup
        end
      end
    end
  end
end
