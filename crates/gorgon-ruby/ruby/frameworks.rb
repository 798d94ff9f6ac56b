# frozen_string_literal: true

require_relative 'raised'
require_relative 'rails_environment'
require_relative 'frameworks/places'
require_relative 'frameworks/lines'
require_relative 'frameworks/scan'

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

    # Exceptions that end the process, whatever a framework does: a crash, never a result.
    PASSED_UP = Raised::PASSED_UP

    # How the runner at exit of each framework is switched off when its module opens or closes.
    AUTORUN = {
      'minitest.rb' => ['Minitest', ->(mod) { mod.class_variable_set(:@@installed_at_exit, true) }],
      'autorunner.rb' => ['Test::Unit::AutoRunner', lambda { |mod|
        mod.need_auto_run = false if mod.respond_to?(:need_auto_run=)
      }],
      'runner.rb' => ['RSpec::Core::Runner', ->(mod) { mod.instance_variable_set(:@installed_at_exit, true) }]
    }.freeze

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
      def now
        CLOCK.call(MONOTONIC)
      end

      # Runs the block; what it loads of a framework can not run tests at exit, nor in a fork.
      def disarmed
        trace = TracePoint.new(:class, :end) do |point|
          opened[point.self] = true
          switch_off(point)
        end
        trace.enable
        yield
      ensure
        trace.disable
        disarm
      end

      # Switches off what is loaded already.
      def disarm
        disarm_minitest if defined?(::Minitest::Runnable)
        ::Test::Unit::AutoRunner.need_auto_run = false if defined?(::Test::Unit::AutoRunner.need_auto_run?)
        ::RSpec::Core::Runner.disable_autorun! if defined?(::RSpec::Core::Runner.disable_autorun!)
      end

      # The classes and modules that the last test file opened.
      def opened
        @opened ||= {}.compare_by_identity
      end

      # Loads a test file once, as `ruby -r FILE` would; false: it was loaded before.
      def load_file(path)
        opened.clear
        RailsEnvironment.watch do
          disarmed { path.end_with?('.rb') ? REQUIRE.call(path) : LOAD.call(path) }
        end
      end

      # The framework of a file, by its name on the wire. Where nothing in the text tells, it is the
      # one that callbacks have loaded, if they loaded one alone; else the one of this process.
      def choose(path, current)
        @scan ||= Scan.new(Dir.pwd)
        @scan.framework(path) || (@by_callbacks&.size == 1 ? @by_callbacks.first : current.to_s)
      end

      # What is said of a file without tests of its own that was loaded before it was asked for.
      def loaded_before(path)
        "#{path} was loaded by a file that ran before in this Ruby child: its tests ran with that one"
      end

      # What is said of words among the options which a framework would take for files.
      def no_options(framework, words)
        "no option of #{framework}, and ignored: #{words.join(' ')} (name files before --)"
      end

      # How many classes and groups of tests each framework knows: what grew while a file was
      # loaded is the file's.
      def census
        {
          'minitest' => defined?(::Minitest::Runnable) ? ::Minitest::Runnable.runnables.size : 0,
          'test_unit' => defined?(::Test::Unit::TestCase::DESCENDANTS) ? ::Test::Unit::TestCase::DESCENDANTS.size : 0,
          'rspec' => defined?(::RSpec::Core::World) ? ::RSpec.world.example_groups.size : 0
        }
      end

      # The other frameworks that got tests since the census.
      def strays(name, census)
        self.census.select { |other, size| other != name.to_s && size > census[other] }.keys
      end

      # Takes the global words of the other frameworks off, as far as callbacks have loaded them: a
      # `describe` at the top of a file means the one of this process.
      def alone(name)
        remove_rspec_words if name.to_s != 'rspec' && defined?(::RSpec::Core::DSL)
        remove_minitest_words if name.to_s != 'minitest' && defined?(::Minitest::Spec)
      end

      # The adapter of a framework, by its name on the wire.
      def adapter(name)
        @by_callbacks ||= census_of_loaded
        folder = "frameworks/#{name}/adapter"
        require_relative(File.exist?("#{__dir__}/#{folder}.rb") ? folder : "frameworks/#{name}")
        const_get(name.to_s.split('_').map(&:capitalize).join(''))
      end

      # Activates the newest gem of that name, as to require its library does. For that RubyGems reads the index of every
      # gem of the machine, for this of one.
      def activate(gem, library)
        ::Kernel.send(:gem, gem, '>= 0.a') unless defined?(::Bundler) || there?(library)
      rescue ::LoadError, ::NoMethodError
        nil # To require it tells.
      end

      # Whether a file may still bring Bundler, which then decides which gems are loaded.
      def versions_open?
        !defined?(::Bundler) && (File.exist?('Gemfile') || !ENV['BUNDLE_GEMFILE'].to_s.empty?)
      end

      private

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

      def remove_minitest_words
        ::Kernel.send(:remove_method, :describe) if defines?(::Kernel, :describe)
      end

      def switch_off(point)
        name, switch = AUTORUN[File.basename(point.path)]
        return unless name && NAME_OF.bind(point.self).call == name

        @minitest_traced = true if name == 'Minitest'
        switch.call(point.self)
      end

      def disarm_minitest
        return if @minitest_traced

        @minitest_traced = true
        if ::Minitest.class_variable_get(:@@installed_at_exit)
          ::Minitest.singleton_class.prepend(NothingToRun)
        else
          ::Minitest.class_variable_set(:@@installed_at_exit, true)
        end
      end
    end
  end
end
