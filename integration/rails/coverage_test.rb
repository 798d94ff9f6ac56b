# frozen_string_literal: true

require 'fileutils'
require 'json'
require 'minitest/autorun'
require 'open3'
require 'tmpdir'

# SimpleCov's report of all Ruby processes, beside that of a plain run. Runs where SimpleCov is installed and Gorgon's
# binaries are on PATH: `scripts/rails`.
class CoverageTest < Minitest::Test
  FILES = (1..8).freeze
  LIBRARY = <<~RUBY
    module M%d
      def self.of(number)
        if number > 4
          :large
        else
          :small
        end
      end

      def self.never
        1
      end
    end
  RUBY
  SPEC = <<~RUBY
    require 'm%<n>d'
    RSpec.describe M%<n>d do
      it('is of some size') { sleep 0.05; expect(M%<n>d.of(%<n>d)).to be }
    end
  RUBY
  TEST = <<~RUBY
    require 'test_helper'
    require 'm%<n>d'
    class M%<n>dTest < Minitest::Test
      def test_size
        sleep 0.05
        assert M%<n>d.of(%<n>d)
      end
    end
  RUBY
  START = <<~RUBY
    require 'simplecov'
    SimpleCov.start do
      enable_coverage :branch
      add_filter(%r{^/(spec|test)/})
      add_filter { |file| file.filename.end_with?('/m8.rb') }
      add_group('Even') { |file| File.basename(file.filename) =~ /[246]/ }
      track_files 'lib/**/*.rb'
      minimum_coverage line: ENV.fetch('LEAST', '50').to_i
    end
  RUBY
  PLAIN = { 'spec' => %w[rspec], 'test' => ['ruby', '-Ilib', '-Itest', '-e', 'Dir["./test/*_test.rb"].sort.each { |f| require f }'] }.freeze
  COLLATE = File.expand_path('../../crates/gorgon-ruby/ruby/coverage/collate.rb', __dir__)
  # What is tried besides two workers in place.
  WAYS = {
    'a copy' => [{}, '--sync'], 'a process a file' => [{ 'isolation' => 'file' }], 'a copy a slot' => [{ 'workspace' => 'slot' }],
    'retries' => [{ 'retries' => 2 }]
  }.freeze

  def setup
    @root = Dir.mktmpdir('gorgon-coverage')
  end

  def teardown
    FileUtils.rm_rf(@root)
  end

  %w[spec test].each do |kind|
    define_method("test_#{kind}_has_the_lines_and_branches_of_a_plain_run_however_it_is_distributed") do
      make(kind)
      plain = plain(kind)
      assert_equal 8, plain.size
      assert_equal [plain, 0], ours
      WAYS.each { |name, (config, *arguments)| assert_equal [plain, 0], ours(config, *arguments), name }
      assert_equal ['All Files', 'Even', 'Ungrouped'], @page.scan(/group_name">([^<]*)/).flatten
    end

    define_method("test_#{kind}_fails_if_the_coverage_of_all_processes_is_below_the_minimum") do
      make(kind)
      # No process alone has that much.
      least = percent(plain(kind)).floor
      assert_equal 0, status_of('gorgon-originator', '--local=2', LEAST: least.to_s)
      assert_includes @said, 'Coverage report generated'
      assert_equal 1, status_of('gorgon-originator', '--local=2', LEAST: (least + 1).to_s)
      assert_match(/^Line coverage \(\d+\.\d+%\) is below the expected minimum coverage \(#{least + 1}\.00%\)/, @said)
      assert_includes @said, 'coverage: the run fails, as SimpleCov ended with exit status 2'
      write('gorgon.json', '{ "coverage": false }')
      assert_equal 0, status_of('gorgon-originator', '--local=2', LEAST: '100')
      assert_includes @said, 'SimpleCov found the coverage of one process too small'
    end
  end

  def test_retried_tests_count_and_failed_tests_are_not_judged
    make('spec')
    flaky = "RSpec.describe('flaky') { it('passes late') { File.exist?('once') || (File.write('once', ''); raise 'first') } }\n"
    write('spec/flaky_spec.rb', flaky)
    assert_equal 0, status_of('gorgon-originator', '--local=2', '--retries=1')
    FileUtils.rm_f("#{@root}/once")
    FileUtils.rm_f("#{@root}/coverage/.last_run.json")
    assert_equal 1, status_of('gorgon-originator', '--local=2', LEAST: '100')
    assert_includes @said, 'Stopped processing SimpleCov as a previous error'
    refute_includes @said, 'the run fails, as SimpleCov'
    refute File.exist?("#{@root}/coverage/.last_run.json")
  end

  def test_settings_that_are_code_stand_in_dot_simplecov
    make('spec')
    formatter = "class Own; def format(result) = puts(\"own: \#{result.command_name} \#{result.covered_lines}\"); end\n"
    write('spec/spec_helper.rb', "#{formatter}#{START}SimpleCov.formatter = Own\nSimpleCov.at_exit { puts 'ended' }\n")
    assert_equal 0, status_of('gorgon-originator', '--local=2')
    assert_match(/the formatter Own \(spec\/spec_helper.rb\) writes nothing/, @said)
    assert_match(/^ended$/, @said)
    settings = START.sub("require 'simplecov'\n", '').sub('SimpleCov.start', 'SimpleCov.configure')
    write('.simplecov', "#{formatter}#{settings}SimpleCov.formatter = Own\nSimpleCov.at_exit { SimpleCov.result.format!; puts 'ended' }\n")
    write('spec/spec_helper.rb', "require 'simplecov'\nSimpleCov.start\n")
    assert_equal 0, status_of('gorgon-originator', '--local=2')
    assert_match(/^own: RSpec \d+\nended$/, @said)
  end

  # Callbacks that load the helper, and what it loads, before the processes of the tests begin.
  %w[spec test].each do |kind|
    define_method("test_#{kind}_has_the_lines_that_ran_before_the_fork") do
      make(kind)
      write("#{kind}/#{kind}_helper.rb", read("#{kind}/#{kind}_helper.rb") + FILES.map { |n| "require 'm#{n}'\n" }.join)
      plain = plain(kind)
      write('callbacks.rb', "class C < Gorgon::DefaultCallbacks\n  def before_creating_workers\n    require 'rspec/core' if '#{kind}' == 'spec'\n" \
                            "    $LOAD_PATH.unshift('lib', '#{kind}')\n    require '#{kind}_helper'\n  end\nend\nGorgon.callbacks = C.new\n")
      callbacks = { 'job' => { 'callbacks' => { 'callbacks_class_file' => 'callbacks.rb' } } }
      [{}, { 'isolation' => 'file' }].each { |config| assert_equal [plain, 0], ours(callbacks.merge(config)), config.inspect }
    end
  end

  def test_a_judgement_in_at_exit_is_that_of_a_plain_run
    make('spec')
    all = percent(plain('spec'))
    helper = read('spec/spec_helper.rb')
    ["SimpleCov.at_exit do\n  SimpleCov.result.format!\n  exit 4 if SimpleCov.result.covered_percent < %d\nend\n",
     "SimpleCov.configure do\n  SimpleCov.at_exit { result.format! && result.covered_percent < %d && exit(4) }\nend\n"].product([all.floor, all.ceil + 1]).each do |block, least|
      write('spec/spec_helper.rb', helper + format(block, least))
      plain = status_of('rspec')
      assert_equal least > all ? 4 : 0, plain
      assert_equal plain.clamp(0, 1), status_of('gorgon-originator', '--local=2'), @said
      assert_includes @said, 'Coverage report generated'
    end
    assert_includes @said, 'the run fails, as SimpleCov ended with exit status 4'
    write('spec/spec_helper.rb', "#{helper}least = 0\nSimpleCov.at_exit { exit 4 if SimpleCov.result.covered_percent < least }\n")
    assert_equal 1, status_of('gorgon-originator', '--local=2')
    cannot_run = %r{the block of SimpleCov.at_exit in spec/spec_helper.rb:\d+ cannot run outside of its file, move it to .simplecov: NameError}
    assert_match(cannot_run, @said)
    by_default
    assert_equal 0, status_of('rspec', LEAST: all.floor.to_s)
    assert_equal 0, status_of('gorgon-originator', '--local=2', LEAST: all.floor.to_s)
    assert_match(cannot_run, @said)
    assert_includes @said, 'fails no run, as gorgon.json does not ask for coverage'
    assert_equal 1, @said.scan('Coverage report generated').size
    # What can be judged counts.
    assert_equal 1, status_of('gorgon-originator', '--local=2', LEAST: (all.floor + 1).to_s)
  end

  # The first file of each process is loaded before SimpleCov starts, of a plain run only its first one.
  def test_a_test_file_that_starts_simplecov_itself_makes_no_run_fail_by_default
    make('spec')
    FileUtils.rm_f("#{@root}/.rspec")
    write('spec/spec_helper.rb', START.sub(/^  add_filter\(.*\n/, ''))
    FILES.each { |n| write("spec/m#{n}_spec.rb", "require 'spec_helper'\n#{format(SPEC, n: n)}") }
    least = percent(plain('spec')).floor
    by_default
    while status_of('rspec', LEAST: (least + 1).to_s).zero?
      least += 1
    end
    assert_equal 0, status_of('gorgon-originator', '--local=2', LEAST: least.to_s), @said
    assert_equal 1, status_of('gorgon-originator', '--local=2', LEAST: '99')
    assert_match(/a plain run measures were loaded before SimpleCov started: spec.m._spec.rb/, @said)
  end

  def test_a_report_that_cannot_be_made_fails_no_run_that_did_not_ask_for_it
    make('spec')
    write('.simplecov', "exit 7 if $PROGRAM_NAME.end_with?('collate.rb')\n")
    assert_equal 1, status_of('gorgon-originator', '--local=2')
    by_default
    assert_equal 0, status_of('gorgon-originator', '--local=2')
    assert_includes @said, 'its report was not made, as Ruby ended with exit status 7'
    assert_includes @said, 'gorgon.json does not ask for it'
  end

  def test_a_file_that_is_not_here_is_named
    make('spec')
    write('spec/made_spec.rb', "File.write('lib/made.rb', 'MADE = 1') && require('./lib/made')\nRSpec.describe('made') { it('loads') { MADE } }\n")
    assert_equal 0, status_of('gorgon-originator', '--local=2', '--sync')
    assert_includes @said, 'coverage: files that were measured are not in this directory, so the report is without them: lib/made.rb'
  end

  # What a process that was killed should have sent.
  def test_a_result_that_refers_to_what_never_arrived_fails_a_run_that_passed
    share = { command: 'RSpec', known: 'a', numbers: [0, 1, 2, 3], values: { '0' => {} } }
    write('shares', JSON.generate(from: 'a', piece: 0, pieces: 1, text: JSON.generate(share)))
    { %w[passed asked] => 3, %w[failed asked] => 0, %w[passed by_default] => 0 }.each do |said, status|
      assert_equal status, status_of('ruby', COLLATE, 'shares', *said, '3')
      assert_includes @said, 'coverage: the results of 1 Ruby process did not arrive whole and are left out'
    end
  end

  def test_an_interrupt_during_the_report_cancels_the_run
    make('spec')
    write('.simplecov', "SimpleCov.at_exit { File.write('begun', ''); sleep }\n")
    Open3.popen2e('gorgon-originator', '--local=2', chdir: @root) do |input, output, run|
      input.close
      said = Thread.new { output.read }
      Thread.pass until File.exist?("#{@root}/begun") || !run.alive?
      Process.kill('INT', run.pid) if run.alive?
      assert_equal 130, run.value.exitstatus, said.value
      assert_includes said.value, 'coverage: the report was ended by a signal'
    end
  end

  # All of them load all of the application.
  def test_processes_of_one_file_each_send_what_no_other_has_sent
    make('spec')
    FILES.each { |n| write("lib/m#{n}.rb", format(LIBRARY, n) * (100 + n)) }
    # Registered before SimpleCov's own, so it runs after it.
    written = "at_exit { File.write(\"written\#{$$}\", File.read('/proc/self/io')[/wchar: (\\d+)/, 1]) }\n"
    write('spec/spec_helper.rb', "#{written}#{START.sub("'50'", "'1'")}Dir['./lib/m*.rb'].sort.each { |file| require file }\n")
    assert_equal [plain('spec'), 0], ours({ 'isolation' => 'file' })
    FileUtils.rm_f(Dir["#{@root}/written*"])
    ours({ 'isolation' => 'file' })
    *others, most = Dir["#{@root}/written*"].map { |path| File.read(path).to_i }.sort
    assert_equal FILES.size - 1, others.size
    assert_operator others.sum, :<, 2 * most
  end

  private

  def make(kind)
    FILES.each do |n|
      write("lib/m#{n}.rb", format(LIBRARY, n))
      write("#{kind}/m#{n}_#{kind}.rb", format(kind == 'spec' ? SPEC : TEST, n: n))
    end
    write('gorgon.json', '{ "coverage": true }')
    write('lib/not_loaded.rb', "# No test loads it.\nclass NotLoaded\n  def one\n    1\n  end\nend\n")
    write("#{kind}/#{kind}_helper.rb", START + (kind == 'spec' ? '' : "require 'minitest/autorun'\n"))
    write('.rspec', "--require spec_helper\n") if kind == 'spec'
  end

  # A Rails application, of which nothing but its name is there: coverage is merged unasked.
  def by_default
    FileUtils.rm_f("#{@root}/gorgon.json")
    write('config/application.rb', "# class Application < Rails::Application\n")
  end

  def plain(kind)
    assert_equal 0, status_of(*PLAIN.fetch(kind)), @said
    states
  end

  def ours(config = {}, *arguments)
    write('gorgon.json', JSON.generate({ 'coverage' => true }.merge(config)))
    status = status_of('gorgon-originator', '--local=2', *arguments)
    [states, status]
  end

  # Of each file what of it is covered, is not, and does not count. How often a line ran is another matter: each process
  # loads what it needs.
  def states
    results = JSON.parse(read('coverage/.resultset.json'))
    assert_equal 1, results.size
    @page = read('coverage/index.html')
    FileUtils.rm_rf("#{@root}/coverage")
    results.values.first.fetch('coverage').sort.map do |path, found|
      branches = found['branches'].to_h { |branch, arms| [branch, arms.transform_values(&:positive?)] }
      [path.delete_prefix("#{@root}/"), found['lines'].map { |count| count&.positive? }, branches]
    end
  end

  def percent(states)
    lines = states.flat_map { |_, found, _| found.compact }
    100.0 * lines.count(true) / lines.size
  end

  # Runs a command with these variables; returns its exit status.
  def status_of(*command, **variables)
    @said, status = Open3.capture2e(variables.transform_keys(&:to_s), *command, chdir: @root)
    status.exitstatus
  end

  def read(path)
    File.read("#{@root}/#{path}")
  end

  def write(path, text)
    FileUtils.mkdir_p(File.dirname("#{@root}/#{path}"))
    File.write("#{@root}/#{path}", text)
  end
end
