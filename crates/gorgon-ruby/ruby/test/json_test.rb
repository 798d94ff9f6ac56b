# frozen_string_literal: true

require 'json'
require 'minitest/autorun'
require_relative '../protocol'

# Our JSON against Ruby's own.
class JsonTest < Minitest::Test
  VALUES = [
    nil, true, false, 0, -12, 1.5, 1e-7, '', 'plain', "quote \" back \\ slash /", "\u0000\u0001\e[31m\u007f\n\r\t",
    'é ü 漢 😀', [], {}, [1, [2, [nil]]], { 'a' => { 'b' => [{ 'c' => 'd' }] }, 'e f' => '' }
  ].freeze

  def test_what_is_written_is_what_ruby_reads
    VALUES.each do |value|
      assert_equal [value], JSON.parse(Gorgon::Json.write([value])), value.inspect
    end
  end

  def test_what_ruby_writes_is_read
    VALUES.each do |value|
      assert_equal [value], Gorgon::Json.read(JSON.generate([value])), value.inspect
      assert_equal [value], Gorgon::Json.read(JSON.pretty_generate([value])), value.inspect
      assert_equal [value], Gorgon::Json.read(JSON.generate([value], ascii_only: true)), value.inspect
    end
  end

  # What the worker writes is read in a way of its own, as far as it is an object of plain values.
  def test_objects_of_plain_values_are_read_as_ruby_reads_them
    ['{}', '{"op":"run","file":"spec/a b_spec.rb","tests":[],"part":false,"x":null,"y":true}', '{"a":-12,"b":0}',
     '{"a":1.5,"b":1e3}', '{"a":"é 漢","b":"\\u00e9 \\"\\\\"}', '{"a":["b"],"c":[]}', '{"a":{"b":[]}}', '{"a":"b","a":"c"}',
     '{"a":"],}:,"}', '{ "a" : 1 }', "{\"a\":1}\n"].each do |text|
      assert_equal JSON.parse(text), Gorgon::Json.read(text), text
    end
  end

  def test_text_of_any_encoding_becomes_utf8
    { "\xff\xfe" => "\uFFFD\uFFFD", 'é'.encode('ISO-8859-1') => 'é', 'é'.b => 'é', :symbol => 'symbol',
      "\xE9".dup.force_encoding('UTF-16LE') => "\uFFFD", Class.new(String).new('sub') => 'sub' }.each do |text, expected|
      assert_equal [expected], JSON.parse(Gorgon::Json.write([text])), text.inspect
    end
  end

  def test_numbers_without_a_form_in_json_are_zero
    assert_equal '[0,0]', Gorgon::Json.write([Float::NAN, Float::INFINITY])
  end

  def test_what_is_no_json_raises
    ['', '{', '{"a":}', 'nope', '["a"', '{"a":1,}', '{,"a":1}', '{"a":1', '{"a":1-2}', '{"a"1}', '{"a":tru}'].each do |text|
      assert_raises(ArgumentError, text) { Gorgon::Json.read(text) }
    end
  end
end
