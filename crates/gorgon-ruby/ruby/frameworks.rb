# frozen_string_literal: true

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
    PASSED_UP = [NoMemoryError, SignalException, SystemExit].freeze

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

    class << self
      def now
        CLOCK.call(MONOTONIC)
      end

      # Runs the block; what it loads of a framework can not run tests at exit, nor in a fork.
      def disarmed
        trace = TracePoint.new(:class, :end) { |point| switch_off(point) }
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

      # Loads a test file once, as `ruby -r FILE` would; false: it was loaded before.
      def load_file(path)
        disarmed { path.end_with?('.rb') ? REQUIRE.call(path) : LOAD.call(path) }
      end

      # The adapter of a framework, by its name on the wire.
      def adapter(name)
        require_relative "frameworks/#{name}"
        const_get(name.to_s.split('_').map(&:capitalize).join)
      end

      private

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
