# frozen_string_literal: true

require_relative 'adapter_case'
require 'socket'
require_relative '../system'
require_relative '../protocol'

# A Ruby child whose files are of several frameworks: none passes because the wrong one looked.
class ChildFrameworksTest < AdapterCase
  CHILD = File.expand_path('child_process.rb', __dir__)

  # Runs a child as a branch would fork it, and returns what it said for each file.
  def child(framework, *files, preload: '')
    ours, theirs = UNIXSocket.pair
    pid = spawn('ruby', CHILD, framework, preload, 3 => theirs, chdir: @dir)
    theirs.close
    channel = Gorgon::Channel.new(ours)
    said = files.map { |file| ask(channel, file) }
    channel.send(op: 'finish')
    Process.wait(pid)
    said.map { |events| events.reject { |event| %w[forked ready loading].include?(event['event']) } }
  end

  def ask(channel, file)
    channel.send(op: 'run', file: file, tests: [], lines: [])
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

  def test_tests_that_the_own_framework_does_not_know_run_all_the_same
    write('hidden_spec.rb', "require 'mini' + 'test'\nClass.new(Minitest.const_get(:Test)) { def self.name; 'Odd'; end; def test_odd; flunk; end }\n")
    write('x_test.rb', "require 'rsp' + 'ec/core'\nObject.const_get(:RSpec).describe('odd') { it('is') { raise 'no' } }\n")
    write('y_test.rb', "require 'test' + '/unit'\nClass.new(Test.const_get(:Unit)::TestCase) { def self.name; 'OddUnit'; end; def test_odd; end }\n")
    assert_equal [[%w[Odd#test_odd failed]]], child('rspec', 'hidden_spec.rb').map { |events| outcomes(events) }
    assert_equal [[['odd is', 'failed']], [%w[OddUnit#test_odd passed]]],
                 child('minitest', 'x_test.rb', 'y_test.rb').map { |events| outcomes(events) }
  end

  def test_what_callbacks_load_of_another_framework_keeps_its_words_to_itself
    write('a_spec.rb', "describe('x') { it('y') { _(1).must_equal 1 } }\n")
    write('b_spec.rb', "describe('x') { it('y') { expect(1).to eq 1 } }\n")
    both = "require 'minitest/autorun'; require 'rspec/autorun'; require 'test/unit'"
    assert_equal [[['x#test_0001_y', 'passed']]], child('minitest', 'a_spec.rb', preload: both).map { |events| outcomes(events) }
    assert_equal [[['x y', 'passed']]], child('rspec', 'b_spec.rb', preload: both).map { |events| outcomes(events) }
  end
end
