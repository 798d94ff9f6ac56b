# frozen_string_literal: true

require_relative 'minitest_case'

# What Gorgon::Frameworks::Minitest reports of small files.
class MinitestAdapterTest < MinitestCase
  def test_each_outcome_is_told_with_its_place_and_text
    write('test/a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_passes; assert true; end
        def test_fails; assert_equal 1, 2; end
        def test_errs; raise ArgumentError, 'boom'; end
        def test_skips; skip 'not now'; end
      end
    RUBY
    ran = run_files('test/a_test.rb')
    assert_equal({ 'ATest#test_passes' => 'passed', 'ATest#test_fails' => 'failed',
                   'ATest#test_errs' => 'errored', 'ATest#test_skips' => 'skipped' }.sort, ran.outcomes.sort)
    failed = ran.test('ATest#test_fails')
    assert_equal ['test/a_test.rb', 4, 'ATest', 'Minitest::Assertion'], failed.values_at(:file, :line, :classname, :exception)
    assert_equal "Expected: 1\n  Actual: 2", failed[:message]
    assert_equal ["test/a_test.rb:4:in `test_fails'"], failed[:backtrace].map { |line| line.sub(/'ATest#/, '`') }
    assert_equal ['ArgumentError', 'ArgumentError: boom'], ran.test('ATest#test_errs').values_at(:exception, :message)
    assert_equal 'not now', ran.test('ATest#test_skips')[:message]
    assert_empty ran.output
    assert_equal 0, ran.status.exitstatus
  end

  def test_all_failures_of_one_test_are_kept_and_the_first_decides
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_both; flunk 'first'; end
        def teardown; raise 'second'; end
      end
    RUBY
    test = run_files('a_test.rb').test('ATest#test_both')
    assert_equal 'failed', test[:outcome]
    assert_match(/Failure:\nfirst\n.*a_test\.rb:3.*Error:\nRuntimeError: second/m, test[:message])
  end

  def test_causes_stand_below_the_text_of_a_test_and_of_a_load_error
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def jam; raise IOError, 'valve 7 is jammed'; end
        def test_errs; jam; rescue IOError; raise 'the pump did not start'; end
        def test_fails; jam; rescue IOError; flunk 'no pump'; end
        def test_expects; assert_raises(KeyError) { jam }; end
      end
    RUBY
    write('b_test.rb', "begin\n  raise IOError, 'gauge 3 is missing'\nrescue IOError\n  raise 'no tank'\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_match(/\ARuntimeError: the pump did not start\n\nCaused by:\nIOError: valve 7 is jammed\n    a_test\.rb:3:in/,
                 ran.test('ATest#test_errs')[:message])
    assert_match(/\Ano pump\n\nCaused by:\nIOError: valve 7/, ran.test('ATest#test_fails')[:message])
    refute_match(/Caused by/, ran.test('ATest#test_expects')[:message])
    assert_match(/\Ano tank\n\nCaused by:\nIOError: gauge 3 is missing\n    b_test\.rb:2:in/, ran.of(:file_error).first[:message])
  end

  def test_a_class_reopened_by_a_later_file_runs_only_what_that_brought
    write('a_test.rb', "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_one; end\nend\n")
    write('b_test.rb', "class ATest < Minitest::Test\n  def test_two; end\nend\n")
    write('c_test.rb', "ATest.class_eval { def test_three; end }\n")
    ran = run_files('a_test.rb', 'b_test.rb', 'c_test.rb')
    assert_equal %w[ATest#test_one], ran.outcomes('a_test.rb').keys
    assert_equal %w[ATest#test_two], ran.outcomes('b_test.rb').keys
    assert_equal %w[ATest#test_three], ran.outcomes('c_test.rb').keys
  end

  def test_a_base_class_of_a_helper_runs_its_own_test_once_and_inherits_it
    write('helper.rb', "require 'minitest/autorun'\nclass Base < Minitest::Test\n  def test_shared; end\nend\n")
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Base; end\n")
    write('b_test.rb', "require_relative 'helper'\nclass BTest < Base; end\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[ATest#test_shared Base#test_shared], ran.outcomes('a_test.rb').keys.sort
    assert_equal %w[BTest#test_shared], ran.outcomes('b_test.rb').keys
  end

  def test_what_tests_define_while_they_run_never_runs
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_defines
          self.class.class_eval { def test_made; raise; end }
          Class.new(Minitest::Test) { def test_made_too; raise; end }
        end
      end
    RUBY
    write('b_test.rb', "class BTest < Minitest::Test\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[ATest#test_defines BTest#test_b], ran.outcomes.keys
  end

  def test_the_seed_gives_the_order_of_plain_minitest
    names = ('a'..'h').map { |name| "def test_#{name}; puts '#{name}'; end" }
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        #{names.join("\n")}
      end
      class BTest < ATest; end
      class CTest < ATest; end
    RUBY
    plain, = Open3.capture2e('ruby', '-W0', 'a_test.rb', '--seed', '4711', '-v', chdir: @dir)
    order = plain.scan(/^([ABC]Test#test_\w)/).flatten
    assert_equal order, run_files('a_test.rb', seed: 4711).outcomes.keys
    refute_equal order, run_files('a_test.rb', seed: 4712).outcomes.keys
  end

  def test_a_file_that_can_not_be_loaded_is_a_fault_and_harms_no_other
    write('a_test.rb', "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_half; end\nend\nraise 'half way'\n")
    write('b_test.rb', "class BTest < Minitest::Test\n  def test_b\nend\n")
    write('c_test.rb', "class CTest < Minitest::Test\n  def test_c; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb', 'c_test.rb')
    assert_equal %w[CTest#test_c], ran.outcomes.keys
    raised, broken = ran.of(:file_error)
    assert_equal ['load', 'RuntimeError', 'half way'], raised.values_at(:what, :exception, :message)
    assert_match(/\Aa_test\.rb:5/, raised[:backtrace].first)
    assert_equal 'SyntaxError', broken[:exception]
    assert_match(/\Ab_test\.rb:\d/, broken[:backtrace].first)
    refute_includes broken[:message], @dir
  end

  def test_parallel_tests_are_all_told
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        parallelize_me!
        10.times { |n| define_method("test_\#{n}") { sleep 0.01; assert n != 3 } }
      end
    RUBY
    ran = run_files('a_test.rb', 'a_test.rb')
    assert_equal 20, ran.tests.size
    assert_equal %w[ATest#test_3], ran.outcomes.reject { |_, outcome| outcome == 'passed' }.keys
    assert ran.tests.all? { |test| test[:seconds] >= 0.005 }
  end

  def test_a_stubbed_clock_does_not_spoil_the_seconds
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_frozen
          Process.define_singleton_method(:clock_gettime) { |*| 0 }
          Time.define_singleton_method(:now) { Time.at(0) }
          sleep 0.05
        end
      end
    RUBY
    assert_operator run_files('a_test.rb').tests.first[:seconds], :>=, 0.04
  end

  def test_files_that_callbacks_loaded_run_with_their_own_item
    write('a_test.rb', "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    write('b_test.rb', "require 'minitest/autorun'\nclass BTest < Minitest::Test\n  def test_b; end\nend\n")
    write('callbacks.rb', "Gorgon::Frameworks.disarmed { require_relative 'a_test'; require_relative 'b_test' }\n")
    ran = run_files('b_test.rb', 'a_test.rb')
    assert_equal %w[BTest#test_b], ran.outcomes('b_test.rb').keys
    assert_equal %w[ATest#test_a], ran.outcomes('a_test.rb').keys
  end

  def test_bytes_of_any_encoding_harm_nothing
    write('a_test.rb', <<~'RUBY')
      require 'minitest/autorun'
      class ATest < Minitest::Test
        define_method("test_\xFF".b) { flunk "\xFE".b }
        def test_both; raise "\u00fc".encode('UTF-16LE'); end
        def teardown; raise "\xFE\u00fc" if name == 'test_both'; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal %w[errored failed], ran.tests.map { |test| test[:outcome] }.sort
    assert_includes ran.test('ATest#test_both')[:message], "RuntimeError: \u00fc"
    assert ran.tests.all? { |test| test[:id].valid_encoding? && test[:message].valid_encoding? }
  end

  def test_a_file_that_another_one_loaded_says_where_its_tests_ran
    write('a_test.rb', "require 'minitest/autorun'\nrequire_relative 'b_test'\n")
    write('b_test.rb', "class BTest < Minitest::Test\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[BTest#test_b], ran.outcomes('a_test.rb').keys
    assert_equal 1, ran.tests.size
    assert_match(/\Ab_test\.rb was loaded by a file that ran before/, ran.of(:warning).first[:text])
  end

  def test_a_class_that_can_not_list_its_tests_is_a_fault
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def self.test_order; :no_such_order; end
        def test_a; end
      end
      class BTest < Minitest::Test
        def test_b; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal %w[BTest#test_b], ran.outcomes.keys
    assert_match(/no_such_order/, ran.of(:file_error).first[:message])
  end

  # What Minitest 6 calls otherwise, over the installed one: suites, the run of one test, names.
  SIX = <<~RUBY
    require 'minitest'
    module Minitest
      remove_const(:VERSION)
      VERSION = '6.0.0'
      def self.load_plugins; raise 'left to the user in 6'; end
      def self.process_args(args)
        at = args.index('-i')
        { seed: Integer(args[args.index('--seed') + 1]), include: at && args[at + 1], io: $stdout }
      end
      def self.run_all_suites(reporter, options)
        Runnable.runnables.shuffle.each { |suite| suite.run_suite(reporter, options) }
      end
      class Runnable
        def self.run_suite(reporter, options = {})
          pos, neg = options.values_at(:include, :exclude)
          pos = Regexp.new($1) if pos.is_a?(String) && pos =~ %r%/(.*)/%
          names = runnable_methods.select { |name| !pos || pos === name || pos === "\#{self}#\#{name}" }
                                  .reject { |name| neg && (neg === name || neg === "\#{self}#\#{name}") }
          names.each { |name| run(self, name, reporter) }
        end

        def self.run(klass, name, reporter)
          reporter.prerecord(klass, name)
          reporter.record(klass.new(name).run)
        end
      end
    end
  RUBY

  def test_minitest_6_runs_suites_by_its_own_names
    write('six.rb', SIX)
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_one; flunk 'so'; end
        def test_two; end
      end
    RUBY
    ran = run_files('a_test.rb', 'a_test.rb@ATest#test_one', ruby: %w[-r ./six.rb])
    assert_equal({ 'ATest#test_one' => 'failed', 'ATest#test_two' => 'passed' }, ran.outcomes.sort.to_h)
    assert_equal 3, ran.tests.size
    assert_equal %w[ATest#test_two], run_files('a_test.rb', options: '-i /two/', ruby: %w[-r ./six.rb]).outcomes.keys
  end
end
