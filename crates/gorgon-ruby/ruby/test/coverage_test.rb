# frozen_string_literal: true

require 'minitest/autorun'
require 'coverage'
require 'stringio'
require 'tmpdir'
require 'coverage/at_exit'
require 'coverage/counts'
require 'coverage/known'

module SimpleCov
  class << self
    # For SimpleCov's own plugin of Minitest, where that is installed.
    attr_accessor :external_at_exit

    def at_exit_behavior; end

    def at_exit(&block)
      @at_exit = block || @at_exit
    end

    def result
      @result ||= Struct.new(:reports) do
        def format!
          self.reports += 1
        end
      end.new(0)
    end
  end
end

class CoverageTest < Minitest::Test
  def setup
    @dir = Dir.mktmpdir('gorgon-coverage')
    @path = "#{@dir}/a.rb"
  end

  def teardown
    FileUtils.rm_rf(@dir)
  end

  # What is counted after the first fork and before the second one counts as well.
  def test_a_fork_has_the_counts_of_what_ran_before_it
    File.write(@path, "def self.a(large)\n  if large\n    1\n  else\n    2\n  end\nend\n\na(true)\n")
    told = in_a_fork do
      Coverage.start(:all)
      load @path
      Gorgon::CoverageCounts.keep
      in_a_fork do
        call = ->(large) { TOPLEVEL_BINDING.eval('self').send(:a, large) }
        call.(true)
        Gorgon::CoverageCounts.keep
        in_a_fork do
          Gorgon::CoverageCounts.give_back
          call.(true)
          call.(false)
          peeked = Coverage.peek_result.fetch(@path)
          found = Coverage.result(stop: false, clear: true).fetch(@path)
          again = Coverage.result.fetch(@path)
          [peeked == found, found[:lines], found[:branches].values, found[:methods].values, again[:lines].compact.sum]
        end
      end
    end
    assert_equal [true, [1, 4, 3, nil, 1, nil, nil, nil, 1], [{ 'then' => 3, 'else' => 1 }], [4], 0], arms(told)
  end

  def test_what_was_sent_is_a_number_from_then_on
    known = ->(*texts) { Gorgon::CoverageKnown.new("#{@dir}/known").numbers(texts) }
    name, numbers, news = known.call('a', 'b', 'a')
    assert_equal [[0, 1, 0], { 0 => 'a', 1 => 'b' }], [numbers, news]
    same, numbers, news = in_a_fork { known.call('b', 'c') }
    assert_equal [name, [1, 2], { 2 => 'c' }], [same, numbers, news]
    assert_equal [name, [2, 0], {}], known.call('c', 'a')
  end

  def test_a_block_of_at_exit_is_read_out_of_its_file
    { "SimpleCov.at_exit { $seen = { 'a' => [1].map { |n| n } } }\n" => 1,
      "# at_exit do\nSimpleCov.at_exit do\n  if true then $seen = __LINE__ end\n  [1].each do |n| n end\nend\nputs 1\n" => 2,
      "SimpleCov.at_exit \\\n  do\n  $seen = \"do \#{1} end }\" # end\nend\n" => 2 }.each do |text, line|
      File.write(@path, text)
      $seen = nil
      eval(text.sub(/^puts 1$/, ''), TOPLEVEL_BINDING, @path) # rubocop:disable Security/Eval
      assert_equal line, SimpleCov.at_exit.source_location[1]
      SimpleCov.at_exit.call
      plain = $seen
      $seen = nil
      Gorgon::AtExit.set([['a.rb', line]], @dir, asked: true)
      SimpleCov.at_exit.call
      assert_equal plain, $seen, text
    end
  end

  def test_a_block_of_at_exit_that_cannot_run_alone_or_raises_fails_the_run
    { "limit = 9\nSimpleCov.at_exit { exit 0 if limit }\n" => 'cannot run outside .*undefined local variable or method',
      "judge = proc { exit 0 }\nSimpleCov.at_exit(&judge)\n" => 'cannot run outside .*its text is not found',
      "$far = 1\nSimpleCov.at_exit { exit 0 unless $far }\n" => 'cannot run outside .*\$far not set',
      "\nSimpleCov.at_exit { 1 + nil }\n" => 'raised an exception .*TypeError: ',
      "\nSimpleCov.at_exit { raise 'too little' }\n" => 'raised an exception .*RuntimeError: too little' }.each do |text, why|
      assert_match(/SimpleCov.at_exit in a.rb:2 #{why}/, judge(text, asked: true))
      assert_equal 1, @status
    end
  end

  def test_a_block_of_at_exit_that_nobody_asked_to_judge_is_replaced_by_the_report
    { "LIMIT_OF_HELPER = 9\nSimpleCov.at_exit { exit 4 if 3 < LIMIT_OF_HELPER }\n" => [nil, 1],
      "\nSimpleCov.at_exit { SimpleCov.result.format!; of_the_helper }\n" => [nil, 1],
      "\nSimpleCov.at_exit { exit 4 if 1 > nil }\n" => [nil, 1],
      "\nSimpleCov.at_exit { SimpleCov.result.format!; raise 'too little' }\n" => [1, 1],
      "\nSimpleCov.at_exit { exit 4 }\n" => [4, 0] }.each do |text, (status, reports)|
      said = judge(text, asked: false)
      assert_equal [status, reports], [@status, SimpleCov.result.reports], text
      assert_equal status.nil?, said.include?('fails no run, as gorgon.json does not ask for coverage'), said
    end
  end

  private

  # Sets the block at line 2 of a file, and calls it; returns what it says, and keeps the status that it exits with.
  def judge(text, asked:)
    SimpleCov.instance_variable_set(:@result, nil)
    File.write(@path, text)
    Gorgon::AtExit.set([['a.rb', 2]], @dir, asked: asked)
    @status = nil
    _, said = capture_io do
      SimpleCov.at_exit.call
    rescue SystemExit => e
      @status = e.status
    end
    said
  end

  # Runs the block in a fork; returns what it returned.
  def in_a_fork
    from, to = IO.pipe
    pid = fork do
      to.write(Marshal.dump(yield))
      to.close
      exit!(0)
    end
    to.close
    Marshal.load(from.read).tap { Process.wait(pid) }
  end

  # The arms of branches by their kind.
  def arms(told)
    told.map { |value| value.is_a?(Array) && value.first.is_a?(Hash) ? value.map { |found| found.transform_keys { |key| key.first.to_s } } : value }
  end
end
