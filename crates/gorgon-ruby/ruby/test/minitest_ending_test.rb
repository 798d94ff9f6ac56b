# frozen_string_literal: true

require_relative 'minitest_case'

# How a run ends: `run` of the suite's own, hooks of after_run, handlers of at_exit, forks.
class MinitestEndingTest < MinitestCase
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

  # Minitest's own exit comes before it, and after a handler that a test registers.
  def test_of_handlers_at_exit_those_of_a_hook_of_after_run_have_the_last_word
    { 'Minitest.after_run { at_exit { exit 3 } }' => ['', 3], '' => ['at_exit { exit 3 }', 0],
      '# In a test' => ["trap('EXIT') { puts 'trap'; exit 3 }", 0] }.each do |hook, (body, status)|
      write('a_test.rb', "require 'minitest/autorun'\n#{hook}\nclass ATest < Minitest::Test\n  def test_a; #{body}; end\nend\n")
      ran = assert_as_plain('a_test.rb', status: status)
      assert_equal [status, ''], [ran.status.exitstatus, ran.output]
    end
  end

  def test_a_hook_that_a_hook_of_after_run_registers_never_runs
    write('a_test.rb', "require 'minitest/autorun'\nMinitest.after_run { Minitest.after_run { exit 3 } }\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    assert_as_plain('a_test.rb', status: 0)
    assert_empty run_files('a_test.rb').of(:suite_hook_failed)
  end

  def test_a_handler_of_at_exit_that_comes_after_minitest_s_finds_its_exit
    write('a_test.rb', "at_exit { p [$!.class, $!.status] }\nrequire 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_a; at_exit { p $! }; end\nend\n")
    assert_as_plain('a_test.rb', status: 0)
    assert_equal "nil\n[SystemExit, 0]\n", run_files('a_test.rb').output
  end

  # The worker, which knows of the tests, is told of no status; of another one it is.
  def test_where_a_test_has_failed_the_handler_finds_status_1
    { '' => 0, '; exit 1' => 0, '; exit 3' => 3, "; raise 'no end'" => 1 }.each do |last, status|
      write('a_test.rb', "at_exit { p [$!.class, $!.status]#{last} }\nrequire 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_a; at_exit { p $! }; flunk; end\nend\n")
      ran = assert_as_plain('a_test.rb', status: last[/\d/].to_i.clamp(1, 3))
      assert_equal ["nil\n[SystemExit, 1]\n", status], [ran.output.lines.first(2).join, ran.status.exitstatus], last
    end
  end

  def test_the_handler_finds_the_status_of_a_hook_of_after_run
    { 'exit 3' => 3, 'at_exit { exit 4 }' => 4 }.each do |hook, status|
      write('a_test.rb', "at_exit { p $!.status }\nrequire 'minitest/autorun'\nMinitest.after_run { #{hook} }\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
      assert_equal "#{status}\n", assert_as_plain('a_test.rb', status: status).output
    end
  end

  def test_a_suite_may_have_an_exit_of_its_own
    write('a_test.rb', "require 'minitest/autorun'\nCODES = []\ndef exit(status) = (CODES << status)\nclass ATest < Minitest::Test\n  def test_a\n    exit(3)\n    assert_equal [3], CODES\n  end\nend\n")
    ran = assert_as_plain('a_test.rb')
    assert_equal ['', 0], [ran.output, ran.status.exitstatus]
  end

  def test_a_trap_of_exit_ends_the_run_before_a_test
    write('a_test.rb', "require 'minitest/autorun'\ntrap('EXIT') { exit 3 }\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    assert_equal [[], 3], plain('a_test.rb')
    ran = run_files('a_test.rb')
    assert_empty ran.tests
    assert_match(/status 3: no test runs/, ran.of(:file_error).first[:message])
  end

  def test_a_file_of_the_project_may_open_the_module_before_minitest_does
    write('support/minitest.rb', "module Minitest\n  SETTINGS = 1\nend\n")
    write('a_test.rb', <<~RUBY)
      require_relative 'support/minitest'
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_a = assert_equal(1, Minitest::SETTINGS)
      end
    RUBY
    assert_as_plain('a_test.rb')
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

  def test_exit_in_a_test_is_passed_up
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_exits; exit 0; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal 'ATest#test_exits', ran.of(:test_started).last[:id]
    assert_empty ran.tests
    refute ran.finished?
    assert_equal 0, ran.status.exitstatus
  end

  def test_forks_inside_tests_run_nothing_at_exit
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      Minitest.after_run { puts 'after' }
      class ATest < Minitest::Test
        def test_forks
          Process.wait(fork { exit 3 })
          assert_equal 3, $?.exitstatus
        end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test_forks' => 'passed' }, ran.outcomes)
    assert_equal "after\n", ran.output
  end

  def test_nothing_runs_at_exit_when_autorun_came_before_us
    write('a_test.rb', "class ATest < Minitest::Test\n  def test_one; end\nend\n")
    ran = run_files('a_test.rb', ruby: %w[-r minitest/autorun])
    assert_equal %w[ATest#test_one], ran.outcomes.keys
    assert_empty ran.output
  end

  def test_after_run_runs_once_in_reverse_up_to_an_error_which_is_told
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      Minitest.after_run { puts 'first' }
      Minitest.after_run { raise 'no end' }
      Minitest.after_run { puts 'last' }
      class ATest < Minitest::Test
        def test_one; end
      end
    RUBY
    write('b_test.rb', "class BTest < Minitest::Test\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal "last\n", ran.output
    assert_equal [['Minitest.after_run', 'no end']], ran.of(:suite_hook_failed).map { |hook| hook.values_at(:what, :message) }
    assert ran.finished?
  end
end
