# frozen_string_literal: true

require_relative 'minitest_case'

# Tests that an item names by id or by line, and parts of a file.
class MinitestPartsTest < MinitestCase
  def test_tests_of_two_classes_with_one_name_are_chosen_each_by_its_id
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      2.times { |n| describe('twin') { it('is') { _(n).must_equal 0 }; it('was') { } } }
    RUBY
    assert_equal({ 'twin#test_0001_is' => 'passed', 'twin#test_0002_was@2' => 'passed' },
                 run_files('a_test.rb@twin#test_0001_is,twin#test_0002_was@2').outcomes.sort.to_h)
  end

  def test_specs_with_one_name_have_ids_of_their_own
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      describe 'x' do
        describe('same') { it('is') { _(1).must_equal 1 } }
      end
      describe 'x' do
        describe('same') { it('is') { _(1).must_equal 2 } }
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'x::same#test_0001_is' => 'passed', 'x::same#test_0001_is@2' => 'failed' }, ran.outcomes.sort.to_h)
    assert_equal ['x::same#test_0001_is'], ran.tests.map { |test| test[:name] }.uniq
    again = run_files('a_test.rb@x::same#test_0001_is@2')
    assert_equal({ 'x::same#test_0001_is@2' => 'failed' }, again.outcomes)
  end

  def test_a_later_part_of_a_file_runs_without_loading_it_again
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      puts 'loaded'
      class ATest < Minitest::Test
        def test_one; end
        def test_two; end
      end
    RUBY
    ran = run_files('a_test.rb@ATest#test_one', 'a_test.rb@ATest#test_two', 'a_test.rb@ATest#test_gone')
    assert_equal %w[ATest#test_one ATest#test_two], ran.outcomes.keys
    assert_equal 1, ran.output.scan('loaded').size
    assert_match(/no test ATest#test_gone/, ran.of(:warning).first[:text])
  end

  def test_lines_choose_the_test_around_or_the_group_that_they_open
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_one
          assert true
        end

        def test_two; end
      end
      describe 'group' do
        it 'three' do
        end
      end
    RUBY
    assert_equal %w[ATest#test_one], run_files('a_test.rb@4').outcomes.keys
    assert_equal %w[ATest#test_two], run_files('a_test.rb@7').outcomes.keys
    assert_equal %w[ATest#test_one ATest#test_two], run_files('a_test.rb@2').outcomes.keys.sort
    assert_equal %w[group#test_0001_three], run_files('a_test.rb@9').outcomes.keys
    assert_equal %w[ATest#test_one ATest#test_two], run_files('a_test.rb@4,7').outcomes.keys.sort
  end

  def test_a_part_runs_its_own_tests_and_tells_of_all
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        %w[a b c].each { |name| define_method("test_\#{name}") {} }
      end
    RUBY
    ran = run_files('a_test.rb@+ATest#test_a,ATest#test_gone', 'a_test.rb@-ATest#test_a')
    assert_equal %w[ATest#test_a ATest#test_b ATest#test_c], ran.tests.map { |test| test[:id] }.sort
    assert_equal [%w[ATest#test_a ATest#test_b ATest#test_c]] * 2, ran.of(:defined).map { |fields| fields[:ids] }
    assert_equal 2, ran.of(:divisible).size
    assert_empty ran.of(:warning)
  end

  def test_classes_that_are_not_to_be_cut_name_themselves
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Free < Minitest::Test
        def test_x; end
      end
      class Parallel < Minitest::Test
        parallelize_me!
        def test_x; end
      end
      class InOrder < Minitest::Test
        def self.test_order = :sorted
        def test_x; end
      end
      module Hooks
        def run(*) = super
      end
      class Around < Minitest::Test
        extend Hooks
        def test_x; end
      end
      describe('spec') { it('is free') {} }
    RUBY
    groups = run_files('a_test.rb').tests.to_h { |test| [test[:classname], test[:group]] }
    assert_equal({ 'Free' => nil, 'Parallel' => nil, 'InOrder' => 'InOrder', 'Around' => 'Around', 'spec' => nil }, groups)
  end

  def test_a_file_whose_ids_are_made_up_is_not_to_be_cut
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      2.times { Class.new(Minitest::Test) { def self.name = 'Twin'; def test_x; end } }
    RUBY
    write('b_test.rb', "require 'minitest/autorun'\nClass.new(Minitest::Test) { def test_x; end }\n")
    assert_empty run_files('a_test.rb', 'b_test.rb').of(:divisible)
  end
end
