# frozen_string_literal: true

require_relative 'adapter_case'

# What runs is Minitest's own run: its executor, reporters, plugins and arguments, and the ways of the classes. Each
# input runs plainly as well, and the results are compared.
class MinitestRunTest < AdapterCase
  CODES = { '.' => 'passed', 'F' => 'failed', 'E' => 'errored', 'S' => 'skipped' }.freeze

  def framework
    'minitest'
  end

  # Prints each result in one line: Minitest's own lines of tests that run side by side are mixed with each other.
  WHOLE_LINES = <<~RUBY
    require 'minitest'
    Minitest::ProgressReporter.prepend(Module.new do
      def prerecord(*); end

      def record(result)
        io.puts("\#{result.class_name}#\#{result.name} = 0.00 s = \#{result.result_code}")
      end
    end)
  RUBY

  # [name, outcome] of the tests of a plain run, in its order, and its status. `parallel`: tests run side by side.
  def plain(file, *arguments, env: {}, parallel: false)
    write('whole_lines.rb', WHOLE_LINES) if parallel
    library = parallel ? ['-r./whole_lines.rb'] : []
    output, status = Open3.capture2e(HERE.merge(env), 'ruby', '-W0', *library, file, '-v', *arguments, chdir: @dir)
    [output.scan(/^(\S+#.+) = \d+\.\d+ s = ([.FES])$/).map { |name, code| [name, CODES.fetch(code)] }, status.exitstatus]
  end

  def ours(ran)
    ran.tests.map { |test| [test[:name], test[:outcome]] }
  end

  # Runs the file both ways, compares the tests, and returns our run.
  def assert_as_plain(file, *arguments, seed: 7, env: {}, status: 0, parallel: false)
    tests, plain_status = plain(file, *arguments, '--seed', seed.to_s, env: env, parallel: parallel)
    refute_empty tests
    assert_equal status, plain_status
    ran = run_files(file, seed: seed, options: arguments.join(' '), env: env)
    assert_equal tests.sort, ours(ran).sort
    assert_empty ran.of(:file_error)
    ran
  end

  def in_order(file, seed: 7)
    tests, = plain(file, '--seed', seed.to_s)
    assert_equal tests, ours(run_files(file, seed: seed))
  end

  def test_a_base_class_that_is_parallel_runs_its_tests
    write('test/a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Minitest::Test
        parallelize_me!
      end
      class ATest < Minitest::Test
        def test_a; end
        def test_b; flunk; end
      end
      describe('spec') { it('is') { _(1).must_equal 1 } }
    RUBY
    assert_as_plain('test/a_test.rb', status: 1, parallel: true)
  end

  def test_hell_runs_what_it_makes_parallel
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      require 'minitest/hell'
      class ATest < Minitest::Test
        i_suck_and_my_tests_are_order_dependent!
        def test_a; end
        def test_b; flunk; end
      end
      class BTest < Minitest::Test
        def test_c; end
      end
    RUBY
    assert_as_plain('a_test.rb', status: 1, parallel: true)
  end

  EXECUTOR = <<~RUBY
    require 'minitest/autorun'
    class Own
      def start; @started = true; end
      def <<(job); raise 'not started' unless @started; (@jobs ||= []) << job; end
      def shutdown
        @jobs.each { |klass, name, reporter| run(klass, name, reporter) } if @jobs
        @jobs = @started = nil
      end
      def run(klass, name, reporter)
        reporter.prerecord(klass, name)
        reporter.record(klass.new(name).run)
      end
    end
    Minitest.parallel_executor = Own.new
    class Minitest::Test; parallelize_me!; end
  RUBY

  def test_the_executor_that_the_suite_chose_is_started_and_shut_down_around_each_file
    write('helper.rb', EXECUTOR)
    %w[a b].each do |name|
      write("#{name}_test.rb", <<~RUBY)
        require_relative 'helper'
        class #{name.upcase}Test < Minitest::Test
          def test_one; end
          def test_two; skip; end
        end
      RUBY
      assert_as_plain("#{name}_test.rb")
    end
    assert_equal 4, run_files('a_test.rb', 'b_test.rb').tests.size
  end

  def test_an_executor_that_drops_work_fails_the_file
    write('a_test.rb', <<~RUBY)
      #{EXECUTOR}
      Own.prepend(Module.new { def shutdown; @jobs = @jobs.first(1); super; end })
      class ATest < Minitest::Test
        def test_one; end
        def test_two; end
        def test_three; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal 1, ran.tests.size
    error = ran.of(:file_error).first
    assert_equal 'quit', error[:what]
    assert_match(/\A2 tests of this file \(ATest#test_\w+, ATest#test_\w+\) did not run/, error[:message])
  end

  def test_results_that_come_from_another_process_are_taken
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Forked
        def start; end
        def <<(job)
          klass, name, @reporter = job
          read, write = IO.pipe
          pid = fork { write.write(Marshal.dump(klass.new(name).run)); exit! }
          write.close
          (@results ||= []) << read
          Process.wait(pid)
        end
        def shutdown; @results.each { |io| @reporter.record(Marshal.load(io.read)) }; end
      end
      Minitest.parallel_executor = Forked.new
      class ATest < Minitest::Test
        parallelize_me!
        def test_one; end
        def test_two; flunk 'so'; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test_one' => 'passed', 'ATest#test_two' => 'failed' }, ran.outcomes.sort.to_h)
    assert_empty ran.of(:file_error)
  end

  def test_a_class_that_runs_its_tests_by_a_method_of_its_own_is_asked_to
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        class << self
          attr_accessor :pool
          def run(*)
            self.pool = [1]
            super
          ensure
            self.pool = nil
          end
        end
        def test_pool; assert_equal [1], self.class.pool; end
      end
      class Twice < Minitest::Test
        def self.run_one_method(*) 2.times { super }; end
        def test_it; assert_equal 4, 2 + 2; end
      end
      class Named < Minitest::Test
        def self.runnable_methods; %w[check_a check_b]; end
        def check_a; end
        def check_b; skip 'later'; end
        def test_never; flunk; end
      end
    RUBY
    ran = assert_as_plain('a_test.rb')
    assert_equal %w[Twice#test_it Twice#test_it@2], ran.tests.map { |test| test[:id] }.grep(/Twice/)
  end

  def test_a_suite_that_is_written_for_minitest_5_and_6_runs
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      module Around
        def __run(*) = super
        def run_all_suites(*) = super
      end
      Minitest.singleton_class.prepend(Around)
      class ATest < Minitest::Test
        def self.run_order = :alpha
        def self.test_order = :alpha
        def test_b; end
        def test_a; flunk; end
      end
    RUBY
    assert_as_plain('a_test.rb', status: 1)
    in_order('a_test.rb')
  end

  def test_forks_end_as_minitest_6_has_them_end_where_the_suite_allows_it
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      def Minitest.allow_fork = true unless Minitest.respond_to?(:allow_fork)
      Minitest.allow_fork = true if Minitest.respond_to?(:allow_fork=)
      Minitest.after_run { File.write('hook', 'ran', mode: 'a') }
      class ATest < Minitest::Test
        def test_forks
          Process.wait(fork { exit 42 })
          assert_equal [1, 'ran'], [$?.exitstatus, File.read('hook')]
        end
      end
    RUBY
    assert_equal %w[passed], run_files('a_test.rb').outcomes.values
  end

  def test_a_class_may_run_what_it_does_not_list
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Listless < Minitest::Test
        def self.run(reporter, *)
          %w[check_a check_b].each { |name| run_one_method(self, name, reporter) }
        end
        def self.run_suite(reporter, *) = run(reporter)
        def self.run_one_method(klass, name, reporter)
          reporter.prerecord(klass, name)
          reporter.record(klass.new(name).run)
        end
        def check_a; end
        def check_b; flunk; end
      end
    RUBY
    write('b_test.rb', "require_relative 'a_test'\nclass BTest < Minitest::Test\n  def test_b; end\nend\n")
    assert_as_plain('a_test.rb', status: 1)
    assert_equal %w[Listless#check_a Listless#check_b BTest#test_b], run_files('a_test.rb', 'b_test.rb').outcomes.keys
  end

  def test_a_class_that_drops_tests_which_it_was_asked_to_run_fails_the_file
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def self.run_one_method(klass, name, reporter) = name == 'test_dropped' ? nil : super
        def test_dropped; end
        def test_kept; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal %w[ATest#test_kept], ran.outcomes.keys
    assert_match(/1 test of this file \(ATest#test_dropped\) did not run/, ran.of(:file_error).first[:message])
  end

  def test_a_class_that_chooses_not_to_run_is_told
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Base < Minitest::Test
        def self.run(*) = self == Base ? nil : super
        def test_shared; end
      end
      class ATest < Base; end
    RUBY
    ran = assert_as_plain('a_test.rb')
    assert_equal ['1 test of this file (Base#test_shared) did not run: their class has a `run` of its own'],
                 ran.of(:warning).map { |warning| warning[:text] }
  end

  def test_a_hook_around_the_tests_of_a_class_that_is_skipped_explains_them
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def self.with_info_handler(reporter)
          result = Minitest::Result.from(new('before_all').tap { |test| test.time = 0; test.failures << Minitest::Skip.new('no server') })
          reporter.record(result)
        end
        def test_one; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_empty ran.of(:file_error)
    assert_equal ['ATest#before_all was skipped: no server'], ran.of(:warning).map { |warning| warning[:text] }
  end

  def test_what_a_class_raises_ends_the_run_as_plainly_and_the_rest_is_told
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def self.run_one_method(*) = raise(IOError, 'no disk')
        def test_one; end
      end
    RUBY
    ran = run_files('a_test.rb')
    raised, quit = ran.of(:file_error)
    assert_equal ['IOError', 'no disk'], raised.values_at(:exception, :message)
    assert_match(/ATest#test_one/, quit[:message])
  end

  JUDGE = <<~RUBY
    require 'minitest/autorun'
    class Judge < Minitest::AbstractReporter
      def record(result) = (@bare ||= []) << result.name if result.assertions.zero?
      def report = puts("bare: \#{@bare.inspect}")
      def passed? = @bare.nil?
    end
    Minitest.extensions << 'judge'
    def Minitest.plugin_judge_init(_) = reporter << Judge.new
  RUBY

  def test_a_reporter_of_the_suite_that_does_not_pass_the_run_fails_it
    write('helper.rb', JUDGE.sub('if result.assertions.zero?', ''))
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    assert_as_plain('a_test.rb', status: 1)
    ran = run_files('a_test.rb')
    assert_equal [['reporter Judge', 'Judge, a reporter of the suite, says that the run did not pass']],
                 ran.of(:suite_hook_failed).map { |hook| hook.values_at(:what, :message) }
    assert_equal "bare: [\"test_a\"]\n", ran.output
  end

  def test_a_reporter_that_only_counts_the_tests_that_failed_adds_nothing
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Count < Minitest::StatisticsReporter; end
      class Strict < Minitest::StatisticsReporter
        def passed? = super && assertions > 10
      end
      Minitest.extensions << 'count'
      def Minitest.plugin_count_init(options)
        reporter << Count.new(options[:io], options)
        reporter << Strict.new(options[:io], options) if ENV['STRICT']
      end
      class ATest < Minitest::Test
        def test_a; flunk; end
      end
    RUBY
    assert_empty run_files('a_test.rb').of(:suite_hook_failed)
    assert_equal ['reporter Strict'], run_files('a_test.rb', env: { 'STRICT' => '1' }).of(:suite_hook_failed).map { |hook| hook[:what] }
  end

  def test_what_a_reporter_raises_is_told_and_costs_no_result
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Bad < Minitest::AbstractReporter
        def report = raise(ArgumentError, 'cannot write')
      end
      class Quits < Minitest::AbstractReporter
        def report = exit(7)
      end
      Minitest.extensions << 'bad'
      def Minitest.plugin_bad_init(_) = reporter.reporters.push(Bad.new, Quits.new)
      Minitest.after_run { puts 'after' }
      class ATest < Minitest::Test
        def test_a; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test_a' => 'passed' }, ran.outcomes)
    assert_equal [['reporter Bad', 'cannot write'], ['reporter Quits', 'Quits, a reporter of the suite, called exit, status 7']],
                 ran.of(:suite_hook_failed).map { |hook| hook.values_at(:what, :message) }
    assert_equal "after\n", ran.output
  end

  def test_reporters_start_once_see_all_files_and_report_once
    write('helper.rb', <<~RUBY)
      require 'minitest/autorun'
      class Log < Minitest::Reporter
        def start = io.puts('start')
        def prerecord(klass, name) = io.puts("begin \#{klass}#\#{name}")
        def record(result) = io.puts("end \#{result.klass}#\#{result.name}")
        def report = io.puts('report')
      end
      Minitest.extensions << 'log'
      def Minitest.plugin_log_init(options) = reporter.reporters.replace([Log.new(options[:io], options)])
    RUBY
    write('plain_test.rb', "require 'minitest/autorun'\nclass PlainTest < Minitest::Test\n  def test_p; end\nend\n")
    %w[a b].each do |name|
      write("#{name}_test.rb", "require_relative 'helper'\nclass #{name.upcase}Test < Minitest::Test\n  def test_#{name}; end\nend\n")
    end
    text = "begin ATest#test_a\nend ATest#test_a\nbegin BTest#test_b\nend BTest#test_b\nreport\n"
    assert_equal "start\n#{text}", run_files('a_test.rb', 'b_test.rb').output
    assert_equal "start\n#{text}", run_files('plain_test.rb', 'a_test.rb', 'b_test.rb').output
  end

  def test_a_hook_of_after_run_that_exits_with_a_status_is_an_error
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      Minitest.after_run { exit 3 }
      class ATest < Minitest::Test
        def test_a; end
      end
    RUBY
    assert_equal [['Minitest.after_run', 'a hook of Minitest.after_run called exit, status 3']],
                 run_files('a_test.rb').of(:suite_hook_failed).map { |hook| hook.values_at(:what, :message) }
  end

  def test_an_argument_that_a_file_adds_holds_for_that_file_and_is_told
    write('only.rb', <<~RUBY)
      require 'minitest/autorun'
      class Module
        def only(name) = ARGV.push('-n', name)
      end
    RUBY
    write('a_test.rb', <<~RUBY)
      require_relative 'only'
      class ATest < Minitest::Test
        only 'test_a'
        def test_a; assert_empty ARGV; end
        def test_b; flunk; end
        def test_c; flunk; end
      end
    RUBY
    write('b_test.rb', "require_relative 'only'\nclass BTest < Minitest::Test\n  def test_b; end\nend\n")
    assert_as_plain('a_test.rb')
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[ATest#test_a BTest#test_b], ran.outcomes.keys
    assert_equal ['a focus was active in a_test.rb: 2 tests were left out'], ran.of(:warning).map { |warning| warning[:text] }
  end

  def test_a_file_sees_the_arguments_of_the_job_while_it_is_loaded
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      SEEN = ARGV.dup
      class ATest < Minitest::Test
        def test_seen; assert_equal ['-n', '/se en|x y/', '-v'], SEEN; assert_empty ARGV; end
      end
      class BTest < Minitest::Test
        define_method('test_se en') { assert_equal 5, SEEN.size - 2 + 4 }
      end
    RUBY
    ran = run_files('a_test.rb', env: { 'TESTOPTS' => "-n '/se en|x y/' -v" })
    assert_equal({ 'BTest#test_se en' => 'passed' }, ran.outcomes)
    assert_equal [{ tests: 1, by: '--name /se en|x y/' }], ran.of(:left_out)
  end

  def test_what_a_file_gives_that_is_no_option_is_its_own_fault
    write('a_test.rb', "require 'minitest/autorun'\nARGV << '--bogus'\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    write('b_test.rb', "class BTest < Minitest::Test\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[BTest#test_b], ran.outcomes.keys
    assert_match(/invalid option: --bogus/, ran.of(:file_error).first[:message])
    assert_empty ran.of(:refused)
  end

  def test_options_that_print_and_end_are_refused
    write('a_test.rb', "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    assert_equal ['--help runs no test'], run_files('a_test.rb', options: '--help').of(:refused).map { |fields| fields[:message] }
  end

  def test_a_file_that_runs_its_tests_by_itself_runs_once
    ['Minitest.run', 'exit Minitest.run(ARGV)', "require 'minitest/autorun'\nMinitest.autorun"].each do |last|
      write('a_test.rb', "require 'minitest'\nclass ATest < Minitest::Test\n  def test_a; puts 'ran'; end\nend\n#{last}\n")
      ran = run_files('a_test.rb')
      assert_equal [{ 'ATest#test_a' => 'passed' }, "ran\n"], [ran.outcomes, ran.output], last
      assert ran.finished?
    end
  end

  def test_who_runs_minitest_at_exit_by_himself_runs_nothing_twice
    write('a_test.rb', "require 'minitest'\nat_exit { exit Minitest.run(ARGV) }\nclass ATest < Minitest::Test\n  def test_a; puts 'ran'; end\nend\n")
    ran = run_files('a_test.rb')
    assert_equal [{ 'ATest#test_a' => 'passed' }, "ran\n", 0], [ran.outcomes, ran.output, ran.status.exitstatus]
  end

  def test_two_workers_draw_different_numbers_in_one_order
    write('slot.rb', "srand(ENV['SLOT'].to_i)\n")
    %w[A B C].each { |name| write("#{name}_test.rb", <<~RUBY) }
      require 'minitest/autorun'
      #{name}_LOAD = rand(1 << 40)
      class #{name}Test < Minitest::Test
        5.times { |n| define_method("test_\#{n}") { puts rand(1 << 40), #{name}_LOAD } }
      end
    RUBY
    one, again, other = [1, 1, 2].map do |slot|
      run_files('A_test.rb', 'B_test.rb', 'C_test.rb', ruby: ['-r', './slot'], env: { 'SLOT' => slot.to_s })
    end
    assert_equal one.output, again.output
    assert_equal one.outcomes.keys, other.outcomes.keys
    assert_empty one.output.lines.uniq & other.output.lines.uniq
    # One for each file as it is loaded; in each class, as plainly, the same ones.
    assert_equal 3 + 5, one.output.lines.uniq.size
  end

  def test_an_exception_that_cannot_be_marshalled_keeps_its_name_and_cause
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Odd < StandardError
        def initialize(one, two) = super("\#{one} and \#{two}")
      end
      class ATest < Minitest::Test
        def test_odd
          raise KeyError, 'inner'
        rescue KeyError
          error = Odd.new('salt', 'pepper')
          error.instance_variable_set(:@proc, -> {})
          raise error
        end
      end
    RUBY
    test = run_files('a_test.rb').tests.first
    assert_equal 'Odd', test[:exception]
    assert_match(/\AOdd: salt and pepper\n\nCaused by:\nKeyError: inner/, test[:message])
  end

  def test_the_order_of_a_file_alone_is_that_of_plain_minitest_also_when_it_is_not_the_first
    write('helper.rb', "require 'minitest/autorun'\nclass Base < Minitest::Test; end\nclass Other < Base; end\n")
    %w[a b].each do |name|
      tests = ('a'..'e').map { |test| "def test_#{test}; end" }.join("\n")
      classes = (1..4).map { |n| "class #{name.upcase}#{n} < #{n.odd? ? 'Base' : 'Minitest::Test'}\n#{tests}\nend\n" }
      write("#{name}_test.rb", "require_relative 'helper'\nclass #{name.upcase}Empty < Minitest::Test; end\n#{classes.join}")
    end
    [3, 7, 4711].each do |seed|
      in_order('a_test.rb', seed: seed)
      ran = run_files('a_test.rb', 'b_test.rb', seed: seed)
      assert_equal plain('b_test.rb', '--seed', seed.to_s).first.map(&:first), ran.outcomes('b_test.rb').keys
    end
  end

  def test_tests_of_two_classes_with_one_name_are_chosen_each_by_its_id
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      2.times { |n| describe('twin') { it('is') { _(n).must_equal 0 }; it('was') { } } }
    RUBY
    assert_equal({ 'twin#test_0001_is' => 'passed', 'twin#test_0002_was@2' => 'passed' },
                 run_files('a_test.rb@twin#test_0001_is,twin#test_0002_was@2').outcomes.sort.to_h)
  end

  def test_the_number_of_threads_that_a_helper_sets_holds
    write('a_test.rb', <<~RUBY)
      ENV['MT_CPU'] = '1'
      require 'minitest/autorun'
      class ATest < Minitest::Test
        parallelize_me!
        5.times { |n| define_method("test_\#{n}") { $at_once = $at_once.to_i + 1; sleep 0.01; assert_equal 1, $at_once; $at_once -= 1 } }
      end
    RUBY
    assert_as_plain('a_test.rb')
  end

  def test_a_file_sees_the_classes_that_a_plain_run_has
    write('helper.rb', "require 'minitest/autorun'\nclass Base < Minitest::Test; end\n")
    %w[a b].each do |name|
      write("#{name}_test.rb", <<~RUBY)
        require_relative 'helper'
        class #{name.upcase}Test < Base
          def test_seen; assert_equal %w[#{name.upcase}2 #{name.upcase}Test Base], Minitest::Runnable.runnables.map(&:name).grep_v(/Minitest|MiniTest/).reverse; end
        end
        class #{name.upcase}2 < Base
          def test_more; end
        end
      RUBY
      assert_as_plain("#{name}_test.rb")
    end
    assert_equal %w[passed] * 4, run_files('a_test.rb', 'b_test.rb').outcomes.values
  end

  def test_nothing_is_loaded_that_minitest_does_not_load
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_seen; File.write(ENV.fetch('SEEN'), $LOADED_FEATURES.reject { |path| path.start_with?(Dir.pwd) }.join("\\n")); end
      end
    RUBY
    seen = %w[plain ours].map do |name|
      env = { 'SEEN' => File.join(@dir, name) }
      name == 'plain' ? plain('a_test.rb', env: env) : run_files('a_test.rb', env: env)
      File.readlines(env['SEEN'], chomp: true)
    end
    # The line to the worker is not the adapter's.
    ours = %r{\A#{Regexp.escape(File.expand_path('..', __dir__))}|/socket\.(?:rb|so)\z|/io/wait\.so\z}
    assert_empty((seen.last - seen.first).grep_v(ours))
  end

  # Also where callbacks have loaded the helper.
  def test_a_run_of_the_suite_s_own_has_its_say
    write('helper.rb', <<~RUBY)
      require 'minitest/autorun'
      class << Minitest
        alias run_without_verdict run
        def run(args = [])
          puts "args \#{args}"
          run_without_verdict(args) && ENV['VERDICT'].to_i
        end
      end
    RUBY
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    2.times do
      assert_as_plain('a_test.rb', status: 3, env: { 'VERDICT' => '3' })
      ran = run_files('a_test.rb', env: { 'VERDICT' => '3' }, options: '-v')
      assert_equal ['Minitest.run, which the suite overrides, answers 3: the run did not pass'],
                   ran.of(:suite_hook_failed).map { |fault| fault[:message] }
      assert_equal 'args ["-v"]', ran.output.lines.grep(/^args/).last.chomp
      assert_empty run_files('a_test.rb', env: { 'VERDICT' => '0' }).of(:suite_hook_failed)
      write('callbacks.rb', "require './helper'\n")
    end
  end

  def test_what_a_task_of_minitest_loads_before_the_first_file_is_there
    write('lib/page.rb', "PAGE = StringIO.new\n")
    write('a_test.rb', "require './lib/page'\nclass ATest < Minitest::Test\n  def test_a; assert PAGE; end\nend\n")
    write('Rakefile', "# Minitest::TestTask.create\n")
    assert_equal ['NameError'], run_files('a_test.rb').of(:file_error).map { |fault| fault[:exception] }
    write('Rakefile', "require 'minitest/test_task'\nMinitest::TestTask.create\n")
    assert_equal({ 'ATest#test_a' => 'passed' }, run_files('a_test.rb').outcomes)
    write('other.rb', "require 'minitest/autorun'\nclass OtherTest < Minitest::Test\n  def test_other; end\nend\n")
    write('Rakefile', "Minitest::TestTask.create { |t| t.framework = %(require './other') }\n")
    assert_equal %w[ATest#test_a OtherTest#test_other], run_files('a_test.rb').outcomes.keys.sort
  end

  def test_minitest_s_own_reporters_judge_as_the_suite_has_changed_them
    {
      'Minitest::StatisticsReporter' => 'def passed?; super && skips.zero?; end',
      'Minitest::CompositeReporter' => 'def passed?; super && false; end',
      'Minitest::SummaryReporter' => "def report; super; raise 'strict'; end"
    }.each do |name, change|
      write('a_test.rb', <<~RUBY)
        require 'minitest/autorun'
        #{name}.prepend(Module.new { #{change} })
        class ATest < Minitest::Test
          def test_a; end
          def test_b; skip; end
        end
      RUBY
      ran = assert_as_plain('a_test.rb', status: 1)
      assert_equal 1, ran.of(:suite_hook_failed).size, name
    end
  end
end
