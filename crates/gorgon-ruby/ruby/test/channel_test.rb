# frozen_string_literal: true

require 'minitest/autorun'
require 'socket'
require 'fcntl'
require_relative '../protocol'

# A channel over a real socket.
class ChannelTest < Minitest::Test
  def test_a_slow_reader_delays_the_writer_and_nothing_is_lost
    ours, theirs = UNIXSocket.pair
    ours.fcntl(Fcntl::F_SETFL, ours.fcntl(Fcntl::F_GETFL) | File::NONBLOCK)
    reader = Thread.new do
      Thread.pass until full?(ours)
      theirs.read
    end
    channel = Gorgon::Channel.new(ours)
    2_000.times { |number| channel.send({ 'number' => number, 'text' => 'x' * 1_000 }) }
    channel.close
    numbers = reader.value.lines.map { |line| Gorgon::Json.read(line)['number'] }
    assert_equal (0...2_000).to_a, numbers
  end

  private

  # Nothing more can be written without waiting.
  def full?(socket)
    IO.select(nil, [socket], nil, 0).nil?
  end
end
