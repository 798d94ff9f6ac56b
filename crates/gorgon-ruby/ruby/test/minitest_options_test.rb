# frozen_string_literal: true

require_relative 'minitest_case'

# Options of the job and of a file, and the tests that they choose.
class MinitestOptionsTest < MinitestCase
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

  def test_a_plugin_that_a_later_file_brings_has_its_options_read
    write('a_test.rb', "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    write('b_test.rb', <<~RUBY)
      require 'minitest/autorun'
      Minitest.extensions << 'late'
      def Minitest.plugin_late_options(_, options) = options[:late] = puts('asked')
      def Minitest.plugin_late_init(options) = $late = options.key?(:late)
      class BTest < Minitest::Test
        def test_b; assert $late; end
      end
    RUBY
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal({ 'ATest#test_a' => 'passed', 'BTest#test_b' => 'passed' }, ran.outcomes)
    assert_equal "asked\n", ran.output
  end

  def test_options_that_print_and_end_are_refused
    write('a_test.rb', "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_a; end\nend\n")
    assert_equal ['--help runs no test'], run_files('a_test.rb', options: '--help').of(:refused).map { |fields| fields[:message] }
  end

  def test_names_are_chosen_by_options_and_by_testopts
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_one; end
        def test_two; end
      end
    RUBY
    assert_equal %w[ATest#test_one], run_files('a_test.rb', options: '-n /one/').outcomes.keys
    assert_equal %w[ATest#test_two], run_files('a_test.rb', options: '--name test_two -v').outcomes.keys
    assert_equal %w[ATest#test_two], run_files('a_test.rb', options: '--exclude /one/').outcomes.keys
    assert_equal %w[ATest#test_two], run_files('a_test.rb', env: { 'TESTOPTS' => '--name=ATest#test_two' }).outcomes.keys
    assert_empty run_files('a_test.rb', options: '-n nothing').tests
  end

  def test_a_name_that_is_excluded_may_empty_a_class
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_one; flunk; end
      end
      class BTest < Minitest::Test
        def test_two; end
      end
    RUBY
    %w[test_one ATest#test_one /one/].each do |name|
      ran = run_files('a_test.rb', options: "-e #{name}")
      assert_equal({ 'BTest#test_two' => 'passed' }, ran.outcomes, name)
      assert_equal [], ran.of(:file_error), name
      assert_equal [1], ran.of(:left_out).map { |left| left[:tests] }, name
    end
  end

  def test_an_unknown_option_is_no_fault_of_a_file
    write('a_test.rb', "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_one; end\nend\n")
    ran = run_files('a_test.rb', options: '--tag smoke')
    assert_empty ran.tests
    assert_equal 'invalid option: --tag', ran.of(:refused).first[:message]
  end
end
