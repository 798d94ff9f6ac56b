# frozen_string_literal: true

require_relative 'adapter_case'
require 'socket'
require_relative '../system'
require_relative '../protocol'

# Which framework a file is for is seen from what its loading defines: none passes because the wrong one
# looked at it, and none fails because it was the first that was asked.
class ChildFrameworksTest < AdapterCase
  CHILD = File.expand_path('child_process.rb', __dir__)

  # Runs a child as a branch would fork it, and returns what it said for each file.
  # A file may be named with the frameworks that were asked before.
  def child(framework, *files, preload: '', asked: [])
    ours, theirs = UNIXSocket.pair
    pid = spawn('ruby', CHILD, framework, preload, 3 => theirs, chdir: @dir)
    theirs.close
    channel = Gorgon::Channel.new(ours)
    said = files.map { |file, before| ask(channel, file, before || asked) }
    channel.send(op: 'finish')
    Process.wait(pid)
    said.map { |events| events.reject { |event| %w[forked ready loading].include?(event['event']) } }
  end

  def ask(channel, file, asked)
    channel.send(op: 'run', file: file, tests: [], lines: [], asked: asked)
    events = []
    until events.last && %w[file_finished other_framework].include?(events.last['event'])
      events << (channel.receive || flunk("the child ended: #{events}"))
    end
    events
  end

  def outcomes(events)
    events.select { |event| event['event'] == 'test_finished' }.map { |event| event.values_at('name', 'outcome') }
  end

  def test_a_file_of_another_framework_is_sent_on_before_it_is_loaded
    write('a_test.rb', "abort 'loaded' # never\nclass A < Minitest::Test\nend\n")
    events, = child('rspec', 'a_test.rb')
    assert_equal [%w[other_framework minitest]], events.map { |event| event.values_at('event', 'framework') }
  end

  # As a worker does: asks a child of each framework that the one before names. Returns who was asked, and what
  # the last one said.
  def serve(framework, *files)
    asked = []
    loop do
      events = child(framework, *files, asked: asked).last
      last = events.last
      asked += [framework]
      return [asked, events] unless last['event'] == 'other_framework'

      framework = last['framework']
      flunk("#{framework} is asked again: #{asked}") if asked.count(framework) > 1
    end
  end

  def assert_served(asked, outcomes, first, *files)
    went, events = serve(first, *files)
    assert_equal [asked, outcomes, []], [went, self.outcomes(events), events.select { |event| event['event'] == 'file_error' }], files.last
  end

  def test_tests_that_the_own_framework_does_not_know_run_in_a_child_of_theirs
    write('hidden_spec.rb', "require 'mini' + 'test'\nClass.new(Minitest.const_get(:Test)) { def self.name; 'Odd'; end; def test_odd; flunk; end }\n")
    write('x_test.rb', "require 'rsp' + 'ec/core'\nObject.const_get(:RSpec).describe('odd') { it('is') { raise 'no' } }\n")
    write('y_test.rb', "require 'test' + '/unit'\nClass.new(Test.const_get(:Unit)::TestCase) { def self.name; 'OddUnit'; end; def test_odd; end }\n")
    assert_served(%w[rspec minitest], [%w[Odd#test_odd failed]], 'rspec', 'hidden_spec.rb')
    assert_served(%w[minitest rspec], [['odd is', 'failed']], 'minitest', 'x_test.rb')
    assert_served(%w[minitest test_unit], [%w[OddUnit#test_odd passed]], 'minitest', 'y_test.rb')
  end

  def test_a_helper_that_names_two_frameworks_asks_each_of_them_once
    write('helper.rb', <<~RUBY)
      if ENV['WITH'] == 'test-unit'
        require 'test/unit'
        class Case < Test::Unit::TestCase
        end
      else
        require 'minitest/autorun'
        class Case < Minitest::Test
        end
      end
    RUBY
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Case\n  def test_a; end\nend\n")
    write('b_test.rb', "require_relative 'helper'\nclass BTest < Case\n  def test_b; end\nend\n")
    assert_served(%w[minitest test_unit minitest], [%w[ATest#test_a passed]], 'minitest', 'a_test.rb')
    # The child that has run one knows of the other.
    events = child('minitest', 'a_test.rb', 'b_test.rb', asked: %w[test_unit])
    assert_equal [%w[BTest#test_b passed]], outcomes(events.last)
  end

  def test_a_file_that_cannot_be_loaded_in_one_child_is_loaded_in_another
    # Asked for by its text, which is wrong: without RSpec there is no `describe`.
    write('spec/a_spec.rb', "class Sail < Object.const_get(:Struct).new(:x)\nend\ndescribe('a') { it('b') { expect(1).to eq 1 } }\nif false\n  class Never < Minitest::Test\n  end\nend\n")
    assert_served(%w[rspec minitest rspec], [['a b', 'passed']], 'rspec', 'spec/a_spec.rb')
    # Nothing tells but what is missing.
    write('b_test.rb', "describe('a') { it('b') { } }\n")
    assert_served(%w[minitest rspec], [['a b', 'passed']], 'minitest', 'b_test.rb')
  end

  def test_what_no_child_can_load_fails_as_in_the_plain_one
    write('a_spec.rb', "if false\n  class Never < Minitest::Test\n  end\nend\nrequire 'no/such/thing'\n")
    asked, events = serve('rspec', 'a_spec.rb')
    assert_equal %w[rspec minitest rspec], asked
    assert_equal [%w[load LoadError]], events.select { |event| event['event'] == 'file_error' }.map { |event| event.values_at('what', 'exception') }
    write('b_spec.rb', "require 'no/such/thing'\n")
    assert_equal %w[rspec], serve('rspec', 'b_spec.rb').first
  end

  def test_a_describe_that_rspec_took_from_minitest_is_given_back
    write('helper.rb', "require 'mini' + 'test/autorun'\n")
    write('a_test.rb', "require_relative 'helper'\nif false\n  RSpec.describe('x') {}\nend\ndescribe('a') { it('b') { _(1).must_equal 1 } }\n")
    assert_served(%w[minitest rspec minitest], [['a#test_0001_b', 'passed']], 'minitest', 'a_test.rb')
  end

  def test_a_describe_is_given_back_also_after_a_file_that_ran_no_test
    write('spec_helper.rb', "require 'minitest/autorun'\n")
    write('mini_spec.rb', "require_relative 'spec_helper'\ndescribe('Mini') { it('is') { _(1).must_equal 1 } }\n")
    { 'lost_spec.rb' => "require 'not_installed'\n", 'empty_spec.rb' => '' }.each do |file, text|
      write(file, "require_relative 'spec_helper'\n#{text}")
      first, last = child('rspec', [file, %w[minitest rspec]], ['mini_spec.rb', []])
      assert_equal 'file_finished', first.last['event']
      assert_equal [%w[other_framework minitest]], last.map { |event| event.values_at('event', 'framework') }, file
    end
  end

  def test_a_describe_with_words_of_the_suite_s_own_is_given_back_though_rspec_cannot_load_it
    write('helper.rb', "require 'mini' + 'test/autorun'\nclass Minitest::Spec; def self.it_is_one; it('is') { _(1).must_equal 1 }; end; end\n")
    write('own_spec.rb', "require_relative 'helper'\ndescribe('Own') { it_is_one }\n")
    assert_served(%w[rspec minitest], [['Own#test_0001_is', 'passed']], 'rspec', 'own_spec.rb')
  end

  def test_tests_of_two_frameworks_in_one_file_all_run
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      require 'test/unit'
      class MiniTest1 < Minitest::Test
        def test_mini; end
      end
      class UnitTest1 < Test::Unit::TestCase
        def test_unit; end
      end
    RUBY
    assert_equal [%w[MiniTest1#test_mini passed], %w[UnitTest1#test_unit passed]], outcomes(serve('minitest', 'a_test.rb').last).sort
  end

  # Plain RSpec does not run them either: nobody asked Minitest to run at exit, and Test::Unit was told not to.
  def test_classes_that_a_plain_run_would_not_run_do_not_run
    write('a_spec.rb', <<~RUBY)
      require 'minitest'
      require 'test/unit'
      Test::Unit::AutoRunner.need_auto_run = false
      class Sample < Minitest::Test
        def test_sample; flunk; end
      end
      class Other < Test::Unit::TestCase
        def test_other; flunk; end
      end
      RSpec.describe('plugin') { it('knows') { expect(Sample.methods_matching(/sample/)).to eq ['test_sample'] } }
    RUBY
    assert_served(%w[rspec], [['plugin knows', 'passed']], 'rspec', 'a_spec.rb')
  end

  def test_what_callbacks_load_of_another_framework_keeps_its_words_to_itself
    write('a_spec.rb', "describe('x') { it('y') { _(1).must_equal 1 } }\n")
    write('b_spec.rb', "describe('x') { it('y') { expect(1).to eq 1 } }\n")
    both = "require 'minitest/autorun'; require 'rspec/autorun'; require 'test/unit'"
    assert_equal [[['x#test_0001_y', 'passed']]], child('minitest', 'a_spec.rb', preload: both).map { |events| outcomes(events) }
    assert_equal [[['x y', 'passed']]], child('rspec', 'b_spec.rb', preload: both).map { |events| outcomes(events) }
  end
end
