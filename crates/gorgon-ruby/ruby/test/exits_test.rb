# frozen_string_literal: true

require 'minitest/autorun'
require 'open3'
require_relative '../frameworks/exits'

# at_exit while a file is loaded, and what it is otherwise.
class ExitsTest < Minitest::Test
  def setup
    @armed = true
    @exits = Gorgon::Frameworks::Exits.new { @armed }
    @said = []
  end

  def test_what_was_registered_last_is_called_first
    @exits.held do
      at_exit { @said << 1 }
      Kernel.at_exit { @said << 2 and at_exit { @said << 3 } }
    end
    assert_empty @said
    assert_nil @exits.run
    assert_equal [2, 3, 1], @said
  end

  def test_what_one_raises_the_next_finds_and_the_last_counts
    @exits.held do
      at_exit { @said << $!.class }
      at_exit { exit 3 }
      at_exit { raise 'no' }
    end
    assert_equal 3, @exits.run.status
    assert_equal [SystemExit], @said
    assert_nil @exits.run
  end

  # Ruby runs it before all handlers of at_exit.
  def test_a_trap_of_exit_that_a_file_sets_is_called_first
    @exits.held do
      trap('EXIT') { |number| @said << [:trap, number] }
      at_exit { @said << 1 }
    end
    assert_nil @exits.run
    assert_equal [[:trap, 0], 1], @said
    assert_nil trap('EXIT', 'DEFAULT')
    @exits.held { trap('EXIT', 'exit 3') }
    assert_equal 3, @exits.run.status
  end

  def test_a_trap_of_exit_that_was_there_before_or_without_a_framework_stays
    mine = -> {}
    trap('EXIT', mine)
    @exits.held {}
    assert_same mine, trap('EXIT', 'DEFAULT')
    @armed = false
    @exits.held { trap('EXIT', mine) }
    assert_nil @exits.run
  ensure
    assert_same mine, trap('EXIT', 'DEFAULT')
  end

  def test_a_trap_of_exit_that_tests_set_is_forgotten
    mine = -> {}
    trap('EXIT', mine)
    exits = Gorgon::Frameworks::Exits.new { @armed }
    exits.held {}
    trap('EXIT') { exit 3 }
    exits.forget_trap
    assert_same mine, trap('EXIT', 'DEFAULT')
  end

  def test_a_trap_of_exit_that_files_of_another_framework_set_stays
    mine = -> {}
    trap('EXIT', mine)
    @exits.forget_trap
    assert_same mine, trap('EXIT', 'DEFAULT')
  end

  def test_otherwise_it_is_ruby_s_own
    own = [method(:at_exit), Kernel.method(:at_exit)]
    kept = nil
    @exits.held { kept = method(:at_exit) }
    assert_equal own, [method(:at_exit), Kernel.method(:at_exit)]
    assert_nil method(:at_exit).source_location
    assert_includes Kernel.private_instance_methods(false), :at_exit
    assert_raises(ArgumentError) { kept.call }
  end

  def test_one_that_the_suite_puts_over_it_stays
    script = <<~RUBY
      exits = Gorgon::Frameworks::Exits.new { false }
      exits.held do
        module Kernel
          alias old_at_exit at_exit
          def at_exit(&block) = old_at_exit { print 'suite '; block.call }
        end
      end
      at_exit { print 'end' }
    RUBY
    output, = Open3.capture2e('ruby', '-w', '-r', File.expand_path('../frameworks/exits.rb', __dir__), '-e', script)
    assert_equal 'suite end', output.lines.last
  end

  def test_before_the_framework_was_asked_they_wait_for_the_end
    script = <<~RUBY
      armed = false
      exits = Gorgon::Frameworks::Exits.new { armed }
      exits.held { at_exit { print 1 }; armed = true; at_exit { print 2 }; at_exit { print 3 } }
      print 'run '
      exits.let_go
    RUBY
    output, = Open3.capture2e('ruby', '-w', '-r', File.expand_path('../frameworks/exits.rb', __dir__), '-e', script)
    assert_equal 'run 321', output
  end
end
