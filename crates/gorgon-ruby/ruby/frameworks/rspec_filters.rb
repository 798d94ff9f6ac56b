# frozen_string_literal: true

module Gorgon
  module Frameworks
    # RSpec's filters, file by file: what one file focuses must not silence the next, and what was
    # asked for (`--tag`, tests by id or line) holds for what it was asked for.
    class RspecFilters
      def initialize(config, world, reporter)
        @config = config
        @world = world
        @reporter = reporter
        @manager = config.filter_manager
      end

      # Attends to what helpers and files say about filters from now on.
      def attend
        filters = self
        @config.define_singleton_method(:filter_run_when_matching) do |*args|
          filters.focus_on(args) { |conditions, block| define_derived_metadata(*conditions, &block) }
        end
        %i[filter_run_including filter_run filter_run_excluding].each do |name|
          @config.define_singleton_method(name) do |*args|
            filters.adding(::Kernel.caller_locations(1, 8)) { super(*args) }
          end
        end
      end

      # In place of RSpec's own, which forgets itself after the first match: each file has its own.
      def focus_on(conditions)
        hash = ::RSpec::Core::Metadata.build_hash_from(conditions.dup, :warn_about_example_group_filtering)
        yield conditions, lambda { |metadata|
          next unless metadata.key?(:example_group)

          @focus = hash
          @manager.include_with_low_priority(hash.dup)
        }
      end

      # A filter that a test file sets, and no helper of it, is for that file alone: who sets it is
      # the first caller outside of RSpec, as the file is among the callers of what it requires.
      def adding(callers)
        before = [rules(:inclusions), rules(:exclusions)]
        yield
        setter = callers.find { |place| !place.path.match?(::RSpec::CallerFilter::LIB_REGEX) }
        @own_before ||= before if setter&.path == @path
      end

      # By its absolute path.
      def begin_file(path)
        @path = path
        @focus = nil
        @own_before = nil
      end

      # Only these tests of the file: by the part of their id in brackets, or by line.
      def select(path, selection)
        @before = [rules(:inclusions), rules(:exclusions)] unless @own_before
        ids, others = selection.fetch(:tests).partition { |id| id.match?(/\A[\d:]+\z/) }
        others.each { |id| ids.concat(id[/\[(.+)\]\z/, 1].to_s.split(/\s*,\s*/)) }
        lines = selection.fetch(:lines)
        @manager.inclusions.clear if @manager.inclusions.standalone?
        @manager.add_ids(path, ids) unless ids.empty?
        @manager.add_location(path, lines) unless lines.empty?
        @selected = true
      end

      # With the file loaded: as RSpec's announcement of filters, whose text nobody reads.
      def settle
        @before ||= [rules(:inclusions), rules(:exclusions)]
        groups = @world.all_example_groups
        @total = groups.sum { |group| group.examples.size }
        @run = groups.sum { |group| group.filtered_examples.size }
        return unless @run.zero? && @config.run_all_when_everything_filtered? && !@selected

        @world.filtered_examples.clear
        @config.inclusion_filter.clear
        @run = nil
      end

      # A focus is easily committed by mistake.
      def tell_what_was_left_out
        return if @selected || @run.nil? || @run == @total
        return unless focused?

        left = @total - @world.all_example_groups.sum { |group| group.filtered_examples.size }
        examples = left == 1 ? '1 example was' : "#{left} examples were"
        @reporter.warning("a focus filter was active in #{@path.delete_prefix("#{::Dir.pwd}/")}: #{examples} left out")
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
        @before = @own_before = @focus = @selected = nil
      end

      private

      # Whether a rule in force is about focus, or was set by the file itself.
      def focused?
        return true if @focus || @own_before

        @manager.inclusions.rules.any? { |key, value| %i[focus focused].include?(key) && value }
      end

      def rules(which)
        @manager.public_send(which).rules.dup
      end
    end
  end
end
