# frozen_string_literal: true

# Runs test files through an adapter and prints a line for each: path, tests, passed, failed,
# errors, skipped, seconds; then faults and, with DETAILS=1, every result that is not passed.
# usage: ruby [-I…] driver.rb FRAMEWORK together|alone [--callbacks FILE] FILE…
require_relative '../frameworks'

# Counts what an adapter reports.
class Tally
  attr_reader :results, :faults, :warnings, :hooks

  def initialize
    clear
  end

  def clear
    @results = []
    @started = []
    @faults = []
    @warnings = []
    @hooks = []
  end

  def test_started(id:, name:)
    @started << [id, name]
  end

  def test_finished(result)
    @results << result
  end

  def file_error(what:, exception:, message:, backtrace:, test: nil, spent: false)
    @faults << [what, exception, message, backtrace, test]
  end

  def suite_hook_failed(**fault)
    @hooks << fault
  end

  def warning(text)
    @warnings << text
  end

  def line(path, seconds)
    counts = %w[passed failed errored skipped].map { |outcome| @results.count { |r| r[:outcome] == outcome } }
    counts[2] += @faults.size
    [path, @results.size, *counts, seconds.round(3)].join("\t")
  end

  def details
    bad = @results.reject { |r| r[:outcome] == 'passed' }
    [*@faults.map(&:inspect), *@warnings, *@hooks.map(&:inspect), *(ENV['DETAILS'] ? bad.map(&:inspect) : [])]
  end
end

Settings = Struct.new(:seed, :options, :root)

if $PROGRAM_NAME == __FILE__
  $stdout.sync = true
  report = $stdout.dup
  ids = ENV['IDS'] && File.open(ENV['IDS'], 'a')
  $stdout.reopen(ENV.fetch('OUTPUT', '/dev/null'), 'a')
  $stderr.reopen($stdout) unless ENV['LOUD']
  framework, mode, *files = ARGV
  ARGV.clear
  callbacks = files.shift(2).last if files.first == '--callbacks'
  adapter_class = Gorgon::Frameworks.adapter(framework)
  if callbacks
    module Gorgon
      class DefaultCallbacks; %i[before_creating_workers before_start after_complete].each { |n| define_method(n) {} }; end
      class << self; attr_accessor :callbacks; end
    end
    $LOADED_FEATURES << 'gorgon.rb'
    load File.expand_path(callbacks)
    Gorgon::Frameworks.disarmed { Gorgon.callbacks.before_creating_workers }
  end
  adapter_class.preload unless callbacks
  run = lambda do |batch|
    tally = Tally.new
    Gorgon.callbacks.before_start if callbacks
    adapter = adapter_class.new(Settings.new(Integer(ENV.fetch('SEED', '1')), [], Dir.pwd), tally)
    adapter.start
    pwd = Dir.pwd
    batch.each do |path|
      started_at = Gorgon::Frameworks.now
      adapter.run(path, nil)
      Dir.chdir(pwd)
      report.puts(tally.line(path, Gorgon::Frameworks.now - started_at), tally.details)
      tally.results.each { |r| ids&.puts([path, r[:id], r[:name], r[:outcome], r[:file], r[:line]].map { |x| x.to_s.gsub(/[\t\n\\]/, ' ') }.join("\t")) }
      ids&.flush
      tally.clear
    end
    adapter.finish
    report.puts(tally.details)
    Gorgon.callbacks.after_complete if callbacks
  end
  if mode == 'together'
    run.call(files)
  else
    files.each do |file|
      pid = fork { run.call([file]) }
      Process.wait(pid)
      report.puts "#{file}\tENDED #{$?.inspect}" unless $?.success?
    end
  end
end
