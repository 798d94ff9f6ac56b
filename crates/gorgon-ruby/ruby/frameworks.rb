# frozen_string_literal: true

require_relative 'hidden'
require_relative 'leaving'
require_relative 'raised'
require_relative 'rails_environment'
require_relative 'rails/databases'
require_relative 'rails/parallel'
require_relative 'frameworks/places'
require_relative 'frameworks/lines'
require_relative 'frameworks/scan'
require_relative 'frameworks/choice'
require_relative 'frameworks/stand_in'

module Gorgon
  # The test frameworks: which one a file is for, and what keeps them apart in one process.
  module Frameworks
    # Kept as a method object: tests replace Process.clock_gettime.
    CLOCK = Process.method(:clock_gettime)
    MONOTONIC = Process::CLOCK_MONOTONIC
    # The plain ones, whatever a test makes of Kernel#require.
    REQUIRE = Kernel.method(:require)
    LOAD = Kernel.method(:load)
    NAME_OF = Module.instance_method(:name)

    # Exceptions that end the process, whatever a framework does: a crash, or a refusal to run any file; never a result.
    PASSED_UP = Raised::PASSED_UP

    # How the runner at exit of each framework is switched off when its module opens or closes.
    AUTORUN = {
      'minitest.rb' => ['Minitest', ->(mod) { Frameworks.disarm_minitest(mod) }],
      'autorunner.rb' => ['Test::Unit::AutoRunner', ->(mod) { Frameworks.disarm_test_unit(mod) }],
      'runner.rb' => ['RSpec::Core::Runner', ->(mod) { mod.instance_variable_set(:@installed_at_exit, true) }]
    }.freeze

    # Module name => our replacement of the method by which that framework runs all tests. It also applies if callbacks
    # load the framework.
    STAND_INS = { 'Minitest' => StandIn.new, 'Test::Unit::AutoRunner' => StandIn.new } # rubocop:disable Style/MutableConstant
    # The file that defines the method => the module.
    RUNS = { 'minitest.rb' => 'Minitest', 'autorunner.rb' => 'Test::Unit::AutoRunner',
             'testrunnermediator.rb' => 'Test::Unit::UI::TestRunnerMediator' }.freeze

    # For a process in which Minitest.autorun came before us (ruby -r minitest/autorun): its
    # handler at exit finds nothing to run.
    module NothingToRun
      def run(_args = [])
        class_variable_set(:@@after_run, [])
        true
      end
    end

    # An option that the framework does not know: no file can run with it. OF says whose it is.
    class UnknownOption < Refused
      def initialize(message)
        super("the options of #{self.class::OF}", message)
      end
    end

    class << self
      # How the project's own commands start Ruby for a file, where they are known.
      attr_accessor :ruby_options

      def now
        CLOCK.call(MONOTONIC)
      end

      # Runs the block; what it loads of a framework can not run tests at exit, nor in a fork.
      def disarmed
        trace = TracePoint.new(:class, :end) do |point|
          opened[point.self] = true
          switch_off(point)
          stand_in(point) if point.event == :end
        end
        trace.enable
        yield
      ensure
        trace.disable
        disarm
      end

      # Has Ruby mark all that is compiled as traced, which it does once, and which would cost each child a copy of its heap.
      def ready_to_trace
        disarmed { nil }
      end

      # Switches off what is loaded already.
      def disarm
        disarm_loaded_minitest if defined?(::Minitest::Runnable)
        disarm_test_unit(::Test::Unit::AutoRunner) if defined?(::Test::Unit::AutoRunner)
        ::RSpec::Core::Runner.disable_autorun! if defined?(::RSpec::Core::Runner.disable_autorun!)
      end

      # The value counts as true, but is not `true`. Minitest sets `true` when it is asked to run at exit, so we can
      # still see whether that happened.
      def disarm_minitest(mod)
        there = mod.class_variable_defined?(:@@installed_at_exit) && mod.class_variable_get(:@@installed_at_exit)
        mod.class_variable_set(:@@installed_at_exit, :at_our_hands) unless there
      end

      # Whether a plain run would run Minitest at exit.
      def minitest_asked?
        defined?(::Minitest::Runnable) && ::Minitest.class_variable_get(:@@installed_at_exit) == true
      end

      # By nil: false would mean that the suite wants no run at exit.
      def disarm_test_unit(runner)
        runner.need_auto_run = nil if runner.respond_to?(:need_auto_run?) && runner.need_auto_run?
      end

      # Whether a plain run would run Test::Unit at exit: it does so unless it is told not to.
      def test_unit_asked?
        defined?(::Test::Unit::AutoRunner.need_auto_run?) && ::Test::Unit::AutoRunner.need_auto_run? != false
      end

      # The classes and modules that the last test file opened.
      def opened
        @opened ||= {}.compare_by_identity
      end

      # Loads a test file once, as `ruby -r FILE` would; false: it was loaded before.
      def load_file(path)
        opened.clear
        watched do
          disarmed do
            ruby_options&.follow(path)
            path.end_with?('.rb') ? REQUIRE.call(path) : LOAD.call(path)
          end
        end.tap { RailsParallel.set_up }
      end

      # Runs the block, which loads a test file, and with it perhaps a Rails application.
      def watched(&block)
        RailsEnvironment.watch { RailsDatabases.watch(&block) }
      end

      # The framework that a file is likely for, by its name in the protocol. If the text says nothing, it is the
      # framework that callbacks have loaded, if they loaded only one; else the framework of this process.
      def guess(path, current)
        scan.framework(path) || (@by_callbacks&.size == 1 ? @by_callbacks.first : current.to_s)
      end

      def scan
        @scan ||= Scan.new(Dir.pwd)
      end

      # At the very end: reports tests that are defined by then and did not run. The block gives the classes.
      def at_last(memory, reporter, faults)
        Leaving.at_last do
          names = memory.undone(yield)
          reporter.suite_hook_failed(**faults.too_late(names)) unless names.empty?
        end
      end

      # The test files of the job.
      def job_files(settings)
        settings.respond_to?(:files) ? settings.files.split("\n") : []
      end

      # The message about a file that an earlier file has loaded, and that has no further tests.
      def loaded_before(path)
        "#{path} was loaded by a file that ran before in this Ruby child: its tests ran with that one"
      end

      # What is said of words among the options which a framework would take for files.
      def no_options(framework, words)
        "no option of #{framework}, and ignored: #{words.join(' ')} (name files before --)"
      end

      # If RSpec is loaded, its words at the top of a file (`describe`) win over those of other frameworks. If callbacks
      # have loaded RSpec for other files, a plain run of this file would not have it.
      def alone(name)
        remove_rspec_words if name.to_s != 'rspec' && defined?(::RSpec::Core::DSL)
      end

      # The adapter of a framework, by its name on the wire.
      def adapter(name)
        @by_callbacks ||= census_of_loaded
        Hidden.shown { require_relative "frameworks/#{name}/adapter" }
        const_get(name.to_s.split('_').map(&:capitalize).join(''))
      end

      # Activates the newest gem of that name, as to require its library does. For that RubyGems reads the index of every
      # gem of the machine, for this of one.
      def activate(gem, library)
        ::Kernel.send(:gem, gem, '>= 0.a') unless defined?(::Bundler) || there?(library)
      rescue ::LoadError, ::NoMethodError
        nil # To require it tells.
      end

      # The specification of the newest gem of that name, which RubyGems would activate, or nil. It is read here once for
      # all children, as are those of the gems that it depends on.
      def read_specification(gem)
        found = ::Gem::Specification.stubs_for(gem).first&.to_spec if defined?(::Gem::Specification)
        found&.runtime_dependencies&.each { |needed| ::Gem::Specification.stubs_for(needed.name).first&.to_spec }
        found
      rescue ::StandardError
        nil
      end

      # Whether a file may still bring Bundler, which then decides which gems are loaded.
      def versions_open?
        !defined?(::Bundler) && (!ENV['BUNDLE_GEMFILE'].to_s.empty? || bundle_above?(Dir.pwd))
      end

      private

      # Bundler looks in the directories above, too.
      def bundle_above?(directory)
        return true if %w[Gemfile gems.rb .bundle/config].any? { |name| File.file?("#{directory}/#{name}") }

        above = File.dirname(directory)
        above != directory && bundle_above?(above)
      end

      # Whether a library is found without its gem.
      def there?(library)
        $LOAD_PATH.any? { |directory| File.file?("#{directory}/#{library}.rb") }
      end

      # RSpec by its runner: parts of it are loaded by libraries that do not test.
      def census_of_loaded
        [('minitest' if defined?(::Minitest::Test)), ('test_unit' if defined?(::Test::Unit::TestCase)),
         ('rspec' if defined?(::RSpec::Core::Runner))].compact
      end

      # RSpec's own remove_globally! undefines the words, for those below in Kernel too.
      def remove_rspec_words
        dsl = ::RSpec::Core::DSL
        words = dsl.example_group_aliases + %i[shared_examples shared_context shared_examples_for]
        [dsl.top_level.singleton_class, Module].each do |owner|
          words.each { |word| owner.send(:remove_method, word) if defines?(owner, word) }
        end
        [dsl, ::RSpec::Core::SharedExampleGroup::TopLevelDSL].each do |mod|
          mod.instance_variable_set(:@exposed_globally, false)
        end
      end

      def defines?(owner, word)
        owner.method_defined?(word, false) || owner.private_method_defined?(word, false)
      end

      # Of the file of one class after another.
      def basename(path)
        known, name = @basename
        return name if known == path

        name = File.basename(path)
        @basename = [path, name]
        name
      end

      def switch_off(point)
        name, switch = AUTORUN[basename(point.path)]
        return unless name && NAME_OF.bind_call(point.self) == name

        @minitest_traced = true if name == 'Minitest'
        switch.call(point.self)
      end

      def stand_in(point)
        name = RUNS[basename(point.path)] or return
        STAND_INS[name]&.put(point.self) if NAME_OF.bind_call(point.self) == name
      end

      def disarm_loaded_minitest
        return if @minitest_traced

        @minitest_traced = true
        ::Minitest.singleton_class.prepend(NothingToRun) if ::Minitest.class_variable_get(:@@installed_at_exit)
        disarm_minitest(::Minitest)
      end
    end
  end
end
