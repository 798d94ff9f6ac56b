# frozen_string_literal: true

require_relative 'adapter_case'
require_relative '../frameworks'

# Which framework a file is for, by its text and that of its helpers.
class ChooseTest < AdapterCase
  def choose(path, text = nil)
    write(path, text) if text
    Gorgon::Frameworks::Scan.new(@dir).framework(path)
  end

  def test_what_the_file_says_itself_counts_most
    assert_equal 'rspec', choose('test/a_test.rb', "require 'minitest/autorun'\nRSpec.describe('x') {}\n")
    assert_equal 'minitest', choose('a_spec.rb', "class A < Minitest::Test\nend\n")
    assert_equal 'minitest', choose('spec/b_spec.rb', "require 'minitest/autorun'\ndescribe('x') { }\n")
    assert_equal 'test_unit', choose('tc_a.rb', "require 'test/unit'\nclass A < ::Test::Unit::TestCase\nend\n")
    assert_equal 'minitest', choose('test/c_test.rb', "class C < ActiveSupport::TestCase\nend\n")
    assert_equal 'minitest', choose('test/d_test.rb', "module X\n  class D < ActionDispatch::IntegrationTest\n  end\nend\n")
  end

  def test_a_library_beside_the_framework_decides_nothing
    assert_equal 'rspec', choose('spec/a_spec.rb', "require 'minitest/mock'\ndescribe('x') { it { expect(1).to eq 1 } }\n")
  end

  def test_comments_strings_and_data_decide_nothing
    assert_equal 'minitest', choose('a_test.rb', <<~RUBY)
      # class A < Test::Unit::TestCase
      =begin
      RSpec.describe 'x'
      =end
      class ATest < Minitest::Test
        TEXT = <<~T
          RSpec.describe 'x'
        T
      end
      __END__
      RSpec.describe 'x'
    RUBY
  end

  def test_data_decide_nothing_also_where_nothing_else_tells
    assert_nil choose('a_test.rb', "class ATest < Base\nend\n__END__\nrequire 'test/unit'\n")
  end

  def test_what_stands_in_the_block_of_a_group_counts
    assert_equal 'minitest', choose('a_test.rb', <<~RUBY)
      TEXT = <<T
      class A < Test::Unit::TestCase
      T
      describe 'x' do
        class B < Minitest::Test
        end
      end
    RUBY
  end

  def test_what_is_tested_tells_less_than_helpers
    write('lib/tool.rb', "require 'test/unit'\n")
    write('test/helper.rb', "require 'minitest/autorun'\n")
    body = "class ATest < Base\nend\n"
    assert_equal 'minitest', choose('test/a_test.rb', "require_relative '../lib/tool'\nrequire_relative 'helper'\n#{body}")
    assert_equal 'test_unit', choose('test/b_test.rb', "require_relative '../lib/tool'\n#{body}")
  end

  def test_what_stands_in_strings_methods_and_blocks_of_tests_says_nothing
    write('test/helper.rb', "require 'minitest/autorun'\n")
    text = "require_relative 'helper'\ndescribe 'x' do\n  it 'y' do\n    RSpec.describe('z') {}\n    x = <<T\nRSpec.describe 'z' do\nT\n  end\nend\n"
    assert_equal 'minitest', choose('test/a_test.rb', text)
    assert_equal 'test_unit', choose('test/b_test.rb', <<~RUBY)
      TEXT = <<T
      class A < Minitest::Test
      T
      module Deep
        class B < Test::Unit::TestCase
          def helper; require 'minitest/autorun'; end
        end
      end
    RUBY
    assert_equal 'minitest', choose('test/c_test.rb', "T = <<T\n'\nclass A < Test::Unit::TestCase\nT\nbegin\n  require 'minitest/autorun'\nrescue LoadError\nend\n")
  end

  def test_specs_of_a_project_that_rspec_runs_are_rspec_s_whatever_they_ask_for
    write('spec/spec_helper.rb', "RSpec.configure {}\n")
    assert_equal 'rspec', choose('spec/a_spec.rb', "require 'minitest/spec'\ndescribe('x') { it('y') { expect(1).to eq 1 } }\n")
    assert_equal 'minitest', choose('spec/b_spec.rb', "require 'minitest/autorun'\ndescribe('x') { it('y') { _(1).must_equal 1 } }\n")
  end

  def test_a_helper_that_told_the_wrong_framework_tells_the_right_one_once_that_is_known
    write('test/helper.rb', "if false\n  require 'test/unit'\nelse\n  require 'mini' + 'test/autorun'\nend\n")
    write('test/a_test.rb', "require_relative 'helper'\nclass A < Base\nend\n")
    write('test/b_test.rb', "require_relative 'helper'\nclass B < Base\nend\n")
    scan = Gorgon::Frameworks::Scan.new(@dir)
    assert_equal 'test_unit', scan.framework('test/a_test.rb')
    scan.learn('test/a_test.rb', 'minitest')
    assert_equal %w[minitest minitest], [scan.framework('test/a_test.rb'), scan.framework('test/b_test.rb')]
  end

  def test_helpers_are_followed_by_every_way_to_load_them
    write('test/unit_helper.rb', "require 'test/unit'\n")
    write('test/deep/mini_helper.rb', "require_relative '../more'\n")
    write('test/more.rb', "require 'minitest/autorun'\n")
    body = "class A < Base\nend\n"
    assert_equal 'test_unit', choose('test/a_test.rb', "require_relative 'unit_helper'\n#{body}")
    assert_equal 'test_unit', choose('test/x/b_test.rb', "require File.expand_path('../../unit_helper', __FILE__)\n#{body}")
    assert_equal 'test_unit', choose('test/x/c_test.rb', "require 'unit_helper'\n#{body}")
    assert_equal 'test_unit', choose('test/x/d_test.rb', "require File.dirname(__FILE__) + '/../unit_helper.rb'\n#{body}")
    assert_equal 'minitest', choose('test/e_test.rb', "require 'deep/mini_helper'\n#{body}")
  end

  def test_helpers_that_load_each_other_end
    write('test/one.rb', "require_relative 'two'\n")
    write('test/two.rb', "require_relative 'one'\n")
    assert_nil choose('test/a_test.rb', "require_relative 'one'\nclass A < Base\nend\n")
  end

  def test_a_spec_helper_of_minitest_makes_specs_of_minitest
    write('spec/spec_helper.rb', "require 'minitest/autorun'\n")
    assert_equal 'minitest', choose('spec/a_spec.rb', "require 'spec_helper'\ndescribe('x') { it('y') { } }\n")
  end

  def test_words_then_names_then_the_locked_gems_decide
    assert_equal 'minitest', choose('a_spec.rb', "describe('x') { it('y') { _(1).must_equal 1 } }\n")
    assert_equal 'rspec', choose('b_spec.rb', "describe('x') { it('y') { } }\n")
    assert_nil choose('c_test.rb', "class C < Base\nend\n")
    write('Gemfile.lock', "GEM\n  specs:\n    test-unit (3.5)\n")
    assert_equal 'test_unit', choose('c_test.rb')
  end

  def test_what_is_loaded_tells_of_a_base_class
    write('a_test.rb', "class A < ChooseTest::Base\nend\n")
    assert_nil choose('a_test.rb')
    self.class.const_set(:Base, Class.new(Minitest::Test))
    assert_equal 'minitest', choose('a_test.rb')
  end

  def test_a_file_that_is_gone_or_binary_harms_nothing
    assert_equal 'rspec', choose('gone_spec.rb')
    assert_nil choose('a_test.rb', "\xFF\xFErequire '\xFF'\n")
  end

  def test_describe_at_the_top_is_the_word_of_the_own_framework
    both = "require 'minitest/spec'; require 'rspec/core'; RSpec::Core::DSL.expose_globally!"
    say = "p method(:describe).owner, Module.new.send(:method, :describe).owner rescue p $!.class"
    run = lambda do |name|
      script = "require '#{File.expand_path('../frameworks', __dir__)}'; #{both}; Gorgon::Frameworks.alone('#{name}'); #{say}"
      Open3.capture2e('ruby', '-e', script).first.lines.map(&:chomp)
    end
    assert_equal %w[Kernel Kernel], run.call('minitest')
    assert_equal ['#<Class:#<Object:0x', 'Module'], run.call('rspec').map { |line| line[/\A(?:#<Class:#<Object:0x|Module)/] }
    assert_equal %w[Kernel Kernel], run.call('test_unit')
  end
end
