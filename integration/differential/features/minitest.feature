Feature: Minitest

  Scenario: every outcome that a test can have
    Given a file named "test/outcomes_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class OutcomesTest < Minitest::Test
        def test_passes = assert(true)
        def test_fails = assert_equal([1, 2], [1, 3])
        def test_raises = raise(ArgumentError, 'not this')
        def test_skips = skip('no network')
        def test_flunks = flunk
        def test_asserts_nothing; end
      end
      """
    When I run `ruby -Itest test/outcomes_test.rb`

  Scenario: failures in test and teardown at once, with causes
    Given a file named "test/twice_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class TwiceTest < Minitest::Test
        def teardown = raise('in teardown')
        def test_fails = assert(false, 'in the test')
        def test_passes = assert(true)
      end
      class CauseTest < Minitest::Test
        def test_cause
          begin
            Integer('x')
          rescue ArgumentError
            raise IOError, 'outer'
          end
        end
      end
      """
    When I run `ruby -Itest test/twice_test.rb`

  Scenario: specs, nested and with names of all kinds
    Given a file named "test/spec_test.rb" with:
      """ruby
      require 'minitest/autorun'
      describe 'a list' do
        let(:list) { [1, 2] }
        it('has a size') { _(list.size).must_equal 2 }
        it('is "quoted", with: signs / and ünicode') { _(list).must_include 1 }
        describe 'when empty' do
          before { list.clear }
          it('has none') { _(list).must_be_empty }
          it('fails') { _(list).wont_be_empty }
        end
      end
      """
    When I run `ruby -Itest test/spec_test.rb`

  Scenario: classes that run in parallel, and in order
    Given a file named "test/parallel_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class ParallelTest < Minitest::Test
        parallelize_me!
        5.times { |number| define_method("test_#{number}") { assert number < 4 } }
      end
      class OrderedTest < Minitest::Test
        i_suck_and_my_tests_are_order_dependent!
        SEEN = []
        def test_a = SEEN << :a
        def test_b = assert_equal([:a], SEEN)
      end
      """
    When I run `ruby -Itest test/parallel_test.rb`

  Scenario: a name on the command line, and a pattern
    Given a file named "test/names_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class NamesTest < Minitest::Test
        def test_one = assert(true)
        def test_two = assert(true)
        def test_three = assert(true)
      end
      """
    When I run `ruby -Itest test/names_test.rb -n test_two`
    And I run `ruby -Itest test/names_test.rb -n /t_t/`
    And I run `ruby -Itest test/names_test.rb -n NamesTest#test_one`

  Scenario: a plugin whose reporter judges
    Given a file named "test/minitest/strict_plugin.rb" with:
      """ruby
      module Minitest
        class StrictReporter < AbstractReporter
          def record(result)
            (@bare ||= []) << result.name if result.assertions.zero?
          end

          def passed? = @bare.nil?

          def report = puts("these assert nothing: #{@bare.join(', ')}")
        end

        def self.plugin_strict_init(_options)
          reporter << StrictReporter.new
        end
      end
      """
    And a file named "test/bare_test.rb" with:
      """ruby
      require 'minitest/autorun'
      require 'minitest/strict_plugin'
      Minitest.extensions << 'strict' unless Minitest.extensions.include?('strict')
      class BareTest < Minitest::Test
        def test_bare; end
        def test_full = assert(true)
      end
      """
    When I run `ruby -Itest test/bare_test.rb`

  Scenario: a class that runs itself
    Given a file named "test/own_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class OwnTest < Minitest::Test
        def self.run(*arguments)
          puts 'before the class'
          super
        end

        def self.runnable_methods = super + ['check_by_hand']
        def test_one = assert(true)
        def check_by_hand = assert(false, 'by hand')
      end
      """
    When I run `ruby -Itest test/own_test.rb`

  Scenario: hooks at the end of the run
    Given a file named "test/after_test.rb" with:
      """ruby
      require 'minitest/autorun'
      Minitest.after_run { File.write('after.txt', 'ran') }
      class AfterTest < Minitest::Test
        def test_passes = assert(true)
      end
      """
    When I run `ruby -Itest test/after_test.rb`

  Scenario: an exit status that the suite chooses at its end
    Given a file named "test/leaves_test.rb" with:
      """ruby
      at_exit { exit 7 }
      require 'minitest/autorun'
      class LeavesTest < Minitest::Test
        def test_passes = assert(true)
      end
      """
    When I run `ruby -Itest test/leaves_test.rb`

  Scenario: an exit status that a hook of the end chooses
    Given a file named "test/late_test.rb" with:
      """ruby
      require 'minitest/autorun'
      Minitest.after_run { at_exit { exit 7 } }
      class LateTest < Minitest::Test
        def test_passes = assert(true)
      end
      """
    When I run `ruby -Itest test/late_test.rb`

  Scenario: inherited tests, abstract classes and modules of tests
    Given a file named "test/inherited_test.rb" with:
      """ruby
      require 'minitest/autorun'
      module Walks
        def test_walks = assert_respond_to(self, :legs)
      end
      class AnimalTest < Minitest::Test
        def test_eats = assert(true)
      end
      class DogTest < AnimalTest
        include Walks
        def legs = 4
      end
      class SnakeTest < AnimalTest
        include Walks
      end
      """
    When I run `ruby -Itest test/inherited_test.rb`

  Scenario: a helper and two files
    Given a file named "test/test_helper.rb" with:
      """ruby
      $LOAD_PATH.unshift File.expand_path('../lib', __dir__)
      require 'minitest/autorun'
      require 'bird'
      """
    And a file named "lib/bird.rb" with:
      """ruby
      class Bird
        def fly = :high
      end
      """
    And a file named "test/bird_test.rb" with:
      """ruby
      require 'test_helper'
      class BirdTest < Minitest::Test
        def test_flies = assert_equal(:high, Bird.new.fly)
        def test_swims = assert_respond_to(Bird.new, :swim)
      end
      """
    And a file named "test/nest_test.rb" with:
      """ruby
      require 'test_helper'
      class NestTest < Minitest::Test
        def test_holds = assert(Bird)
      end
      """
    When I run `ruby -Itest test/bird_test.rb test/nest_test.rb`

  Scenario: abstract classes by a run of their own
    Given a file named "test/abstract_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class ShapeTest < Minitest::Test
        def self.abstract! klass = self
          extend(Module.new { define_method(:run) { |*args| super(*args) unless self == klass } })
        end
        abstract!
        def test_has_an_area = assert_operator(shape, :>, 0)
      end
      class SquareTest < ShapeTest
        def shape = 4
      end
      class PointTest < ShapeTest
        parallelize_me!
        def shape = 0
      end
      """
    When I run `ruby -Itest test/abstract_test.rb`

  Scenario: abstract classes where all tests run side by side
    Given a file named "test/abstract_test.rb" with:
      """ruby
      require 'minitest/autorun'
      require 'minitest/hell'
      class ShapeTest < Minitest::Test
        def self.run(*) = self == ShapeTest ? nil : super
        def test_has_an_area = assert_operator(shape, :>, 0)
      end
      class SquareTest < ShapeTest
        def shape = 4
      end
      """
    When I run `ruby -Itest test/abstract_test.rb`
