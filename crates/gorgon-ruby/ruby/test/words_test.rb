# frozen_string_literal: true

require 'minitest/autorun'
require 'shellwords'
require_relative '../frameworks/words'

# Words as a shell splits them.
class WordsTest < Minitest::Test
  def test_words_are_those_of_a_shell
    ['', ' ', 'a b', " a\t b\n", "-n '/a b/'", '-n "a \"b\" \c"', "a'b c'd", 'a\ b c', %q(x="y z" w), "''", '"" a', "'a'\\''b'", "é ü"].each do |text|
      assert_equal Shellwords.split(text), Gorgon::Frameworks::Words.split(text), text
    end
  end

  def test_a_quote_that_is_left_open_is_told
    assert_raises(ArgumentError) { Gorgon::Frameworks::Words.split("a 'b") }
  end
end
