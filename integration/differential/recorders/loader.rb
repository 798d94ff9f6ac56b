# Loads test files of Minitest or Test::Unit as rake's loader does, and writes what the framework's own run reports
# to $DIFFERENTIAL_OUT, in the lines of rspec.rb. Usage: ruby loader.rb FILE… [-- OPTION…]
# With $DIFFERENTIAL_QUIET what the standard reporters print is dropped.
module DifferentialRecorder
  PID = Process.pid
  out = ENV.delete('DIFFERENTIAL_OUT')
  WRITE = File.open(out, 'ab').tap { |file| file.close_on_exec = true }.method(:syswrite)
  QUIET = ENV.delete('DIFFERENTIAL_QUIET')

  def self.write(kind, *fields)
    return unless Process.pid == PID

    WRITE.call("#{kind} #{fields.map { |field| "x#{field.to_s.b.unpack1('H*')}" }.join(' ')}\n")
  end

  # Takes what the standard reporters write.
  class Nowhere
    def self.method_missing(*) = self
    def self.respond_to_missing?(*) = true
  end

  def self.minitest(result)
    klass = result.respond_to?(:klass) && result.klass ? result.klass : result.class.name
    outcome = result.failure.nil? ? 'passed' : { 'Minitest::Skip' => 'skipped', 'Minitest::UnexpectedError' => 'error' }.fetch(result.failure.class.name, 'failed')
    file, line = (result.source_location if result.respond_to?(:source_location))
    write('test', file, line, "#{klass}##{result.name}", outcome, result.failures.map(&:message).join("\n"))
  end

  def self.test_unit(test, faults)
    kinds = faults.map { |fault| fault.class.name[/\w+\z/] }
    outcome = if kinds.include?('Error') then 'error'
              elsif kinds.include?('Failure') then 'failed'
              elsif (kinds & %w[Pending Omission]).any? then 'skipped'
              else 'passed'
              end
    write('test', '', '', "#{test.class.name}##{test.name.to_s.delete_suffix("(#{test.class.name})")}", outcome, faults.map(&:message).join("\n"))
  end

  # Records beside the run's own observers; nothing of this is on the stack while tests run.
  module Mediator
    def initialize(*)
      super
      return if DifferentialRecorder.instance_variable_get(:@started)

      DifferentialRecorder.instance_variable_set(:@started, true)
      faults = Hash.new { |hash, key| hash[key] = [] }
      add_listener(Test::Unit::TestResult::FAULT) { |fault| faults[fault.test_name.to_s] << fault }
      add_listener(Test::Unit::TestCase::FINISHED_OBJECT) do |test|
        DifferentialRecorder.test_unit(test, faults.delete(test.name.to_s) || [])
      end
      add_listener(self.class::FINISHED) do
        DifferentialRecorder.write('end')
        faults.each_value { |left| left.each { |fault| DifferentialRecorder.write('outside', "#{fault.test_name}\n#{fault.message}") } }
      end
    end
  end

  def self.attach
    if defined?(Minitest) && Minitest.respond_to?(:extensions)
      # On the composite itself, as plugins take reporters out of it.
      Minitest.define_singleton_method(:plugin_differential_init) do |_options|
        reporter.define_singleton_method(:record) do |result|
          DifferentialRecorder.minitest(result)
          super(result)
        end
        reporter.define_singleton_method(:report) do
          DifferentialRecorder.write('end')
          super()
        end
        next unless QUIET

        reporter.reporters.each { |it| it.io = Nowhere if it.instance_of?(Minitest::SummaryReporter) || it.instance_of?(Minitest::ProgressReporter) }
      end
      Minitest.extensions << 'differential'
    end
    return unless defined?(Test::Unit::AutoRunner)

    ARGV.unshift('--verbose=silent') if QUIET

    require 'test/unit/ui/testrunnermediator'
    Test::Unit::UI::TestRunnerMediator.prepend(Mediator)
  end
end

files = ARGV.take_while { |argument| argument != '--' }
ARGV.replace(ARGV.drop(files.size + 1))
files.each { |file| require File.expand_path(file) }
DifferentialRecorder.attach
