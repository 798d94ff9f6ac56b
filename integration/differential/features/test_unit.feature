Feature: Test::Unit

  Scenario: every outcome that a test can have
    Given a file named "test/outcomes_test.rb" with:
      """ruby
      require 'test/unit'
      class OutcomesTest < Test::Unit::TestCase
        def test_passes = assert(true)
        def test_fails = assert_equal([1, 2], [1, 3])
        def test_raises = raise(ArgumentError, 'not this')
        def test_omits = omit('no network')
        def test_pends = pend('later')
        def test_notifies
          notify('by the way')
          assert(true)
        end
      end
      """
    When I run `ruby -Itest test/outcomes_test.rb`

  Scenario: startup and shutdown, some of which raise
    Given a file named "test/hooks_test.rb" with:
      """ruby
      require 'test/unit'
      class GoodHooksTest < Test::Unit::TestCase
        class << self
          def startup = puts('startup')
          def shutdown = puts('shutdown')
        end
        setup { @value = 1 }
        cleanup { @value = nil }
        def test_value = assert_equal(1, @value)
        def test_other = assert_equal(2, @value)
      end
      class BadStartupTest < Test::Unit::TestCase
        def self.startup = raise('no database')
        def test_never = assert(true)
      end
      class BadShutdownTest < Test::Unit::TestCase
        def self.shutdown = raise('cannot clean up')
        def test_passes = assert(true)
      end
      """
    When I run `ruby -Itest test/hooks_test.rb`

  Scenario: data and descriptions
    Given a file named "test/data_test.rb" with:
      """ruby
      require 'test/unit'
      class DataTest < Test::Unit::TestCase
        data('one' => 1, 'two' => 2, 'ten' => 10)
        def test_small(value) = assert_operator(value, :<, 5)

        description 'what it is about'
        def test_described = assert(true)

        test('a name with words') { assert(true) }

        sub_test_case 'inside' do
          test('deeper') { assert(false, 'deep') }
        end
      end
      """
    When I run `ruby -Itest test/data_test.rb`

  Scenario: a name, a pattern and a class on the command line
    Given a file named "test/names_test.rb" with:
      """ruby
      require 'test/unit'
      class NamesTest < Test::Unit::TestCase
        def test_one = assert(true)
        def test_two = assert(true)
      end
      class OtherTest < Test::Unit::TestCase
        def test_two = assert(true)
      end
      """
    When I run `ruby -Itest test/names_test.rb -n test_two`
    And I run `ruby -Itest test/names_test.rb -n /one/`
    And I run `ruby -Itest test/names_test.rb -t OtherTest`

  Scenario: a class with a suite of its own
    Given a file named "test/suite_test.rb" with:
      """ruby
      require 'test/unit'
      class SuiteTest < Test::Unit::TestCase
        def self.suite
          suite = Test::Unit::TestSuite.new('by hand')
          suite << new('check_one')
          suite << new('check_two')
          suite
        end

        def check_one = assert(true)
        def check_two = assert(false)
      end
      """
    When I run `ruby -Itest test/suite_test.rb`

  Scenario: hooks of the run, and an order that is defined
    Given a file named "test/order_test.rb" with:
      """ruby
      require 'test/unit'
      Test::Unit.at_start { puts 'at start' }
      Test::Unit.at_exit { File.write('end.txt', OrderTest::SEEN.join(' ')) }
      class OrderTest < Test::Unit::TestCase
        self.test_order = :defined
        SEEN = []
        def test_z = SEEN << :z
        def test_a = assert_equal([:z], SEEN.push(:a).first(1))
      end
      """
    When I run `ruby -Itest test/order_test.rb`

  Scenario: failures with causes
    Given a file named "test/cause_test.rb" with:
      """ruby
      require 'test/unit'
      class CauseTest < Test::Unit::TestCase
        def test_cause
          begin
            Integer('x')
          rescue ArgumentError
            raise IOError, 'outer'
          end
        end
      end
      """
    When I run `ruby -Itest test/cause_test.rb`

  Scenario: a thread that the test waits for
    Given a file named "test/thread_test.rb" with:
      """ruby
      require 'test/unit'
      class ThreadTest < Test::Unit::TestCase
        def test_thread
          value = Thread.new { 40 + 2 }.value
          assert_equal(42, value)
        end

        def test_thread_that_raises
          thread = Thread.new { raise 'inside' }
          thread.report_on_exception = false
          assert_raise(RuntimeError) { thread.join }
        end
      end
      """
    When I run `ruby -Itest test/thread_test.rb`
