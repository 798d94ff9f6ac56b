# frozen_string_literal: true

require_relative 'minitest_case'

# The reporters of the suite and of its plugins beside ours.
class MinitestReportersTest < MinitestCase
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

  def test_a_reporter_that_does_not_pass_a_run_in_which_tests_failed_is_a_warning
    write('helper.rb', JUDGE.sub('if result.assertions.zero?', ''))
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Minitest::Test\n  def test_a; flunk; end\nend\n")
    ran = assert_as_plain('a_test.rb', status: 1)
    assert_empty ran.of(:suite_hook_failed)
    assert_equal ['Judge, a reporter of the suite, says that the run did not pass; tests had failed'],
                 ran.of(:warning).map { |warning| warning[:text] }
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

  def test_plugins_are_loaded_and_may_replace_the_reporters
    write('minitest/loud_plugin.rb', <<~RUBY)
      module Minitest
        class Loud < Reporter
          def record(*) io.puts 'LOUD'; end
        end
        def self.plugin_loud_options(opts, options) opts.on('--loud') { options[:loud] = true }; end
        def self.plugin_loud_init(options)
          reporter.reporters.replace([Loud.new(options[:io])]) if options[:loud]
          $loud = options[:loud]
        end
      end
    RUBY
    write('a_test.rb', "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_loud; assert $loud; end\nend\n")
    ran = run_files('a_test.rb', options: '--loud', ruby: %w[-I .], env: { 'MT_NO_PLUGINS' => nil })
    assert_equal({ 'ATest#test_loud' => 'passed' }, ran.outcomes)
    assert_includes ran.output, "LOUD\n"
  end
end
