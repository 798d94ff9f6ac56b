# frozen_string_literal: true

require_relative 'adapter_case'

# Files that call `exit` while they are loaded, in a child of Minitest and in one of Test::Unit.
class FileExitsTest < AdapterCase
  ASKS = { 'minitest' => "require 'minitest'", 'test_unit' => "require 'test/unit'" }.freeze
  BASES = { 'minitest' => 'Minitest::Test', 'test_unit' => 'Test::Unit::TestCase' }.freeze

  attr_reader :framework

  def each_framework
    ASKS.each_key do |framework|
      @framework = framework
      yield ASKS[framework], BASES[framework]
    end
  end

  # Minitest would run them at exit, had the file asked for that; Test::Unit does not.
  def test_tests_that_a_plain_run_would_silently_not_run_are_an_error
    each_framework do |asks, base|
      write('a_test.rb', "#{asks}\nclass ATest < #{base}\n  def test_one; end\n  def test_two; end\nend\nexit\n")
      write('b_test.rb', "class BTest < #{base}\n  def test_b; end\nend\n")
      ran = run_files('a_test.rb', 'b_test.rb')
      assert_equal %w[BTest#test_b], ran.outcomes.keys
      error = ran.of(:file_error).first
      assert_equal %w[exit SystemExit], error.values_at(:what, :exception)
      assert_match(/called exit .* 2 tests of it did not run \(ATest#test_one, ATest#test_two\)/, error[:message])
      assert_match(/\Aa_test\.rb:6/, error[:backtrace].first)
      assert_equal [1, 0, true], [ran.of(:file_error).size, ran.of(:suite_hook_failed).size, ran.finished?]
    end
  end

  def test_a_file_without_tests_passes_also_if_it_opens_a_base_class
    each_framework do |asks, base|
      write('a_test.rb', "#{asks}\nclass Base < #{base}\n  def helper; end\nend\nexit 0\n")
      ran = run_files('a_test.rb')
      assert_empty ran.of(:file_error)
      assert ran.finished?
    end
  end

  def test_a_status_is_passed_up
    each_framework do |asks, base|
      write('a_test.rb', "#{asks}\nclass ATest < #{base}\n  def test_one; end\nend\nexit 3\n")
      ran = run_files('a_test.rb')
      refute ran.finished?
      assert_equal 3, ran.status.exitstatus
    end
  end

  def test_tests_that_the_file_ran_itself_run
    write('a_test.rb', "require 'test/unit'\nclass ATest < Test::Unit::TestCase\n  def test_one; end\nend\nTest::Unit::AutoRunner.run\nexit 0\n")
    @framework = 'test_unit'
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test_one' => 'passed' }, ran.outcomes)
    assert_empty ran.of(:file_error)
  end
end
