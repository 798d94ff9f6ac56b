# frozen_string_literal: true

require_relative '../frameworks'
require_relative 'faults'
require_relative 'ids'
require_relative 'memory'
require_relative 'part'
require_relative 'selection'
require_relative 'test_unit_options'
require_relative 'test_unit_recorder'

module Gorgon
  module Frameworks
    # Test::Unit 3: each test method runs once in a process, with the file whose loading brought
    # it, inside the startup and shutdown of its class and of the classes above that.
    class TestUnit
      # A test of a class; `last` is the line where its method ends.
      Test = Struct.new(:instance, :id, :name, :file, :line, :group) do
        def last
          Lines.last(instance.method(instance.method_name), line)
        end
      end

      # The hooks of the whole run: at_start and at_exit run once a process, not at each file.
      module Hooks
        class << self
          attr_accessor :held
        end

        def run_at_start_hooks
          super unless Hooks.held
        end

        def run_at_exit_hooks
          super unless Hooks.held
        end
      end

      def self.preload
        Frameworks.disarmed do
          require 'test/unit'
          require 'test/unit/collector/descendant'
          require 'test/unit/ui/testrunnermediator'
        end
        ::Test::Unit.singleton_class.prepend(Hooks)
      end

      def initialize(settings, reporter)
        @settings = settings
        @reporter = reporter
        @places = Places.new(settings.root)
        @faults = Faults.new(@places)
        @recorder = TestUnitRecorder.new(reporter, @places)
        @memory = Memory.new(@places) { |klass| (@made[klass] = instances(klass)).map(&:method_name).uniq }
        @made = {}.compare_by_identity # class => its tests, made to ask for their names, until they run
        @started = [] # hooks of Test::Unit.at_start that ran
        @files = {} # path => its turns, for its further parts
      end

      def start
        self.class.preload
        @memory.before_first_file(classes)
      end

      # Loads the file and runs its tests, or those selected. A further part of the file runs
      # what its first loading brought. `loaded`: another adapter has loaded it, and found none.
      def run(path, selection = nil, loaded: false)
        turns = @files[path] || load_turns(path, loaded) or return
        run_tests(path, chosen(turns, path, selection))
      ensure
        @memory.pass_over(classes, (turns || []).map(&:first))
        @made.clear
      end

      # Runs the hooks of Test::Unit.at_exit.
      def finish
        ::Test::Unit.run_at_exit_hooks if @filters
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e
        @reporter.suite_hook_failed(**@faults.of('Test::Unit.at_exit', e))
      end

      private

      def chosen(turns, path, selection)
        ids = Ids.new
        tests = tests(turns, ids)
        part = Part.of(selection)
        @reporter.divisible if ids.distinct? && (part || !selection)
        return part.of(tests.select { |test| wanted?(test.instance) }, @reporter) if part

        Selection.new(@places.absolute(path), selection, @reporter).of(tests).select { |test| wanted?(test.instance) }
      end

      def classes
        ::Test::Unit::TestCase::DESCENDANTS
      end

      def load_turns(path, loaded)
        absolute = @places.absolute(path)
        now = loaded || Frameworks.load_file(absolute)
        return unless prepared?

        @files[path] = @memory.fresh(classes, absolute, Frameworks.opened).reject { |_, names| names.empty? }
        @reporter.warning(Frameworks.loaded_before(path)) if !now && @files[path].empty?
        @files[path]
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e # what a file raises is a result, whatever its class
        @reporter.file_error(**@faults.of('load', e))
        nil
      end

      # Done after a file is loaded, as its helpers may bring options and hooks; each hook runs once.
      def prepared?
        prepare unless @broken
        @reporter.file_error(**@broken, spent: true) if @broken
        !@broken
      end

      def prepare
        what = 'options of Test::Unit'
        filters = @filters || options
        what = 'Test::Unit.at_start'
        fresh = ::Test::Unit.class_variable_get(:@@at_start_hooks) - @started
        fresh.each { |hook| @started << hook and hook.call }
        @filters = filters
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e
        @broken = @faults.of(what, e)
      end

      def options
        given = TestUnitOptions.new(@settings)
        given.prepare.tap do
          @reporter.warning(Frameworks.no_options('Test::Unit', given.left_over)) if given.left_over.any?
        end
      end

      # The tests of a class, one for each label of its data.
      def instances(klass)
        flatten(klass.suite)
      rescue UnknownOption, *PASSED_UP
        raise
      rescue Exception => e
        @reporter.file_error(**@faults.of("suite of #{klass.name}", e))
        []
      end

      def flatten(suite)
        suite.tests.flat_map { |test| test.is_a?(::Test::Unit::TestSuite) ? flatten(test) : [test] }
      end

      def tests(turns, ids)
        turns.flat_map do |klass, names|
          found = (@made.delete(klass) || instances(klass)).select { |instance| names.include?(instance.method_name) }
          found.map { |instance| test(instance, ids) }
        end
      end

      def test(instance, ids)
        name = "#{instance.class.name}##{instance.local_name}"
        file, line = instance.method(instance.method_name).source_location
        Test.new(instance, ids.id(name), name, file && @places.absolute(file), line, group(instance.class))
      end

      # The outermost class that is never cut: it starts up and shuts down, or has a defined order. nil
      # where there is none.
      def group(klass)
        above = klass.ancestors.grep(Class).take_while { |ancestor| ancestor != ::Test::Unit::TestCase }
        held = above.reverse_each.find { |ancestor| holds?(ancestor) }
        held && Json.utf8(held.name || held.inspect)
      end

      def holds?(klass)
        @holds ||= {}.compare_by_identity
        @holds.fetch(klass) do
          hooks = %i[startup shutdown].any? { |name| klass.method(name).owner != ::Test::Unit::TestCase.singleton_class }
          @holds[klass] = hooks || klass.test_order == :defined
        end
      end

      def wanted?(instance)
        @filters.all? { |filter| filter[instance] != false }
      end

      def run_tests(path, tests)
        return if tests.empty?

        @recorder.expect(tests)
        mediator = ::Test::Unit::UI::TestRunnerMediator.new(suite(path, tests.map(&:instance)))
        @recorder.attach(mediator)
        Hooks.held = true
        mediator.run
        tell_what_did_not_run(tests.size)
      ensure
        Hooks.held = false
      end

      # A file whose tests did not all end has not passed, whatever those say that did.
      def tell_what_did_not_run(all)
        return unless @recorder.left.positive? && @reporter.ours?

        @reporter.file_error(what: 'quit', exception: nil, backtrace: [],
                             message: "Test::Unit was stopped: #{@recorder.left} of #{all} tests did not run")
      end

      # The tests in the suites of their classes, and those in the suites of the classes above.
      def suite(path, instances)
        by_class = instances.group_by(&:class)
        classes = by_class.keys.flat_map do |klass|
          klass.ancestors.grep(Class).take_while { |above| above != ::Test::Unit::TestCase }
        end
        children = classes.uniq.group_by(&:superclass)
        fill(::Test::Unit::TestSuite.new(path), ::Test::Unit::TestCase, children, by_class)
      end

      def fill(suite, klass, children, by_class)
        by_class.fetch(klass, []).each { |instance| suite << instance }
        suites = children.fetch(klass, []).map do |child|
          fill(::Test::Unit::TestSuite.new(child.name, child), child, children, by_class)
        end
        suites.sort_by { |child| [child.priority, child.name.to_s] }.each { |child| suite << child }
        suite
      end
    end
  end
end
