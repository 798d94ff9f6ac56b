# frozen_string_literal: true

require_relative 'adapter_case'

# What Gorgon::Frameworks::TestUnit reports of small files.
class TestUnitAdapterTest < AdapterCase
  def framework
    'test_unit'
  end

  def test_each_outcome_is_told_with_its_place_and_text
    write('test/a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_passes; assert true; end
        def test_fails; assert_equal [1, 2], [1, 3]; end
        def test_errs; raise ArgumentError, 'boom'; end
        def test_omits; omit 'not now'; end
        def test_pends; pend 'later'; end
        def test_notifies; notify 'look'; assert true; end
      end
    RUBY
    ran = run_files('test/a_test.rb')
    assert_equal({ 'ATest#test_errs' => 'errored', 'ATest#test_fails' => 'failed', 'ATest#test_notifies' => 'passed',
                   'ATest#test_omits' => 'skipped', 'ATest#test_passes' => 'passed', 'ATest#test_pends' => 'skipped' }, ran.outcomes)
    failed = ran.test('ATest#test_fails')
    assert_equal ['test/a_test.rb', 4, 'ATest', 'Test::Unit::AssertionFailedError'], failed.values_at(:file, :line, :classname, :exception)
    assert_equal "<[1, 2]> expected but was\n<[1, 3]>.\n\ndiff:\n- [1, 2]\n?     ^\n+ [1, 3]\n?     ^", failed[:message]
    assert_match(/\Atest\/a_test\.rb:4/, failed[:backtrace].first)
    assert_equal ['ArgumentError', 'ArgumentError: boom'], ran.test('ATest#test_errs').values_at(:exception, :message)
    assert_equal 'not now', ran.test('ATest#test_omits')[:message]
    assert_empty ran.output
    assert_equal 0, ran.status.exitstatus
  end

  def test_all_faults_of_one_test_are_kept
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_both; flunk 'first'; end
        def teardown; raise 'second'; end
      end
    RUBY
    test = run_files('a_test.rb').test('ATest#test_both')
    assert_equal 'failed', test[:outcome]
    assert_match(/Failure:\nfirst\.\n.*a_test\.rb:3.*Error:\nRuntimeError: second/m, test[:message])
  end

  def test_hooks_of_the_run_and_of_classes_each_run_as_often_as_they_should
    write('helper.rb', <<~RUBY)
      require 'test/unit'
      Test::Unit.at_start { puts 'at_start' }
      Test::Unit.at_exit { puts 'at_exit' }
      class Base < Test::Unit::TestCase
        def self.startup; puts "startup \#{name}"; end
        def self.shutdown; puts "shutdown \#{name}"; end
      end
    RUBY
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Base\n  def test_a; puts 'a'; end\nend\n")
    write('b_test.rb', "require_relative 'helper'\nclass BTest < Base\n  def test_b; puts 'b'; end\nend\n")
    expected = ['at_start', 'startup Base', 'startup ATest', 'a', 'shutdown ATest', 'shutdown Base',
                'startup Base', 'startup BTest', 'b', 'shutdown BTest', 'shutdown Base', 'at_exit']
    assert_equal expected, run_files('a_test.rb', 'b_test.rb').output.lines.map(&:chomp)
  end

  def test_errors_of_hooks_are_told
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      Test::Unit.at_exit { raise 'no end' }
      class ATest < Test::Unit::TestCase
        def self.startup; raise 'no start'; end
        def test_a; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal ['startup of ATest', 'RuntimeError: no start'], ran.of(:file_error).first.values_at(:what, :message)
    assert_equal ['Test::Unit.at_exit', 'no end'], ran.of(:suite_hook_failed).first.values_at(:what, :message)
    assert ran.finished?
  end

  def test_at_start_that_raises_is_a_fault_of_each_file
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      Test::Unit.at_start { raise 'no start' }
      class ATest < Test::Unit::TestCase
        def test_a; end
      end
    RUBY
    write('b_test.rb', "class BTest < Test::Unit::TestCase\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_empty ran.tests
    assert_equal [['Test::Unit.at_start', 'no start', true]] * 2, ran.of(:file_error).map { |fault| fault.values_at(:what, :message, :spent) }
  end

  def test_data_labels_and_sub_cases_are_part_of_the_name
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        data('one' => 1, 'two # 2' => 2)
        def test_data(number) assert_equal 1, number; end
        test('says so') { assert true }
        sub_test_case 'inner part' do
          def test_in; end
        end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test: says so' => 'passed', 'ATest#test_data[one]' => 'passed', 'ATest#test_data[two # 2]' => 'failed',
                   'ATest::inner part#test_in' => 'passed' }, ran.outcomes.sort.to_h)
    assert_equal ['ATest#test_data[two # 2]'], run_files('a_test.rb@ATest#test_data[two # 2]').outcomes.keys
    assert_equal ['ATest::inner part#test_in'], run_files('a_test.rb@7').outcomes.keys
    assert_equal ['ATest::inner part#test_in'], run_files('a_test.rb@6').outcomes.keys
    assert_equal ['ATest#test_data[one]', 'ATest#test_data[two # 2]'], run_files('a_test.rb@4').outcomes.keys
  end

  def test_a_class_reopened_by_a_later_file_runs_only_what_that_brought
    write('a_test.rb', "require 'test/unit'\nclass ATest < Test::Unit::TestCase\n  def test_one; end\nend\n")
    write('b_test.rb', "class ATest\n  def test_two; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[ATest#test_one], ran.outcomes('a_test.rb').keys
    assert_equal %w[ATest#test_two], ran.outcomes('b_test.rb').keys
  end

  def test_the_default_test_of_a_helper_runs_once
    write('helper.rb', "require 'test/unit'\nclass Base < Test::Unit::TestCase\n  def default_test; end\nend\n")
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Base\n  def test_a; end\nend\n")
    write('b_test.rb', "require_relative 'helper'\nclass BTest < Base\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[ATest#test_a Base#default_test], ran.outcomes('a_test.rb').keys.sort
    assert_equal %w[BTest#test_b], ran.outcomes('b_test.rb').keys
  end

  def test_a_later_part_of_a_file_runs_without_loading_it_again
    write('a_test.rb', "require 'test/unit'\nputs 'loaded'\nclass ATest < Test::Unit::TestCase\n  def test_one; end\n  def test_two; end\nend\n")
    ran = run_files('a_test.rb@ATest#test_one', 'a_test.rb@ATest#test_two', 'a_test.rb@ATest#test_one')
    assert_equal 3, ran.tests.size
    assert_equal "loaded\n", ran.output
  end

  def test_names_are_chosen_by_options
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_one; end
        def test_two; end
      end
    RUBY
    assert_equal %w[ATest#test_one], run_files('a_test.rb', options: '-n /one/ -v').outcomes.keys
    assert_equal %w[ATest#test_two], run_files('a_test.rb', options: '--exclude=/one/ --seed 3').outcomes.keys
    assert_equal %w[ATest#test_two], run_files('a_test.rb', env: { 'TESTOPTS' => '--name=test_two' }).outcomes.keys
    assert_equal %w[ATest#test_one ATest#test_two], run_files('a_test.rb', options: '--testcase ATest').outcomes.keys
    assert_match(/invalid option: --tag/, run_files('a_test.rb', options: '--tag x').of(:refused).first[:message])
  end

  def test_exit_in_a_test_is_passed_up_and_nothing_runs_at_exit
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_a; Process.wait(fork { exit 3 }); assert_equal 3, $?.exitstatus; end
        def test_b; exit 0; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test_a' => 'passed' }, ran.outcomes)
    assert_equal 'ATest#test_b', ran.of(:test_started).last[:id]
    assert_empty ran.output
    refute ran.finished?
  end

  def test_a_file_that_can_not_be_loaded_is_a_fault_and_harms_no_other
    write('a_test.rb', "require 'test/unit'\nclass ATest < Test::Unit::TestCase\n  def test_half; end\nend\nrequire 'no/such/thing'\n")
    write('b_test.rb', "class BTest < Test::Unit::TestCase\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[BTest#test_b], ran.outcomes.keys
    assert_equal %w[load LoadError], ran.of(:file_error).first.values_at(:what, :exception)
  end

  def test_an_order_that_is_random_follows_the_seed
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        self.test_order = :random
        30.times { |n| define_method("test_\#{n}") {} }
      end
    RUBY
    order = run_files('a_test.rb', seed: 5).outcomes.keys
    assert_equal order, run_files('a_test.rb', seed: 5).outcomes.keys
    refute_equal order, run_files('a_test.rb', seed: 6).outcomes.keys
  end

  def test_a_part_runs_its_own_tests_and_tells_of_all
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        %w[a b c].each { |name| define_method("test_\#{name}") {} }
      end
    RUBY
    ran = run_files('a_test.rb@+ATest#test_a,ATest#test_gone', 'a_test.rb@-ATest#test_a')
    assert_equal %w[ATest#test_a ATest#test_b ATest#test_c], ran.tests.map { |test| test[:id] }.sort
    assert_equal [%w[ATest#test_a ATest#test_b ATest#test_c]] * 2, ran.of(:defined).map { |fields| fields[:ids] }
    assert_equal 2, ran.of(:divisible).size
    assert_empty ran.of(:warning)
  end

  def test_classes_that_are_not_to_be_cut_name_the_outermost_of_them
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class Free < Test::Unit::TestCase
        def test_x; end
      end
      class Held < Test::Unit::TestCase
        def self.shutdown; end
        def test_x; end
      end
      class Below < Held
        def self.startup; end
        def test_x; end
      end
      class InOrder < Test::Unit::TestCase
        self.test_order = :defined
        def test_x; end
      end
    RUBY
    groups = run_files('a_test.rb').tests.to_h { |test| [test[:classname], test[:group]] }
    assert_equal({ 'Free' => nil, 'Held' => 'Held', 'Below' => 'Held', 'InOrder' => 'InOrder' }, groups)
  end
end
