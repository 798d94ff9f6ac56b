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

  # An interrupt may come while the worker reads too slowly.
  def test_a_line_after_one_that_was_cut_off_is_a_line
    ours, theirs = UNIXSocket.pair
    channel = Gorgon::Channel.new(ours)
    writer = Thread.new do
      channel.send(event: 'x' * 4_000_000)
    rescue Interrupt
      channel.send_anew(event: 'interrupted')
      channel.close
    end
    theirs.readpartial(1)
    writer.raise(Interrupt)
    lines = theirs.read.lines
    writer.join
    assert_equal({ 'event' => 'interrupted' }, Gorgon::Json.read(lines.last))
  end

  def test_what_is_held_goes_out_with_the_next_event_and_before_it
    ours, theirs = UNIXSocket.pair
    channel = Gorgon::Channel.new(ours)
    channel.hold(Gorgon::Channel.line('number' => 1))
    assert_equal :wait_readable, theirs.recv_nonblock(100, exception: false)
    channel.send({ 'number' => 2 })
    assert_equal %({"number":1}\n{"number":2}\n), theirs.recv(100)
    channel.send({ 'number' => 3 })
    assert_equal %({"number":3}\n), theirs.recv(100)
  end

  private

  # Nothing more can be written without waiting.
  def full?(socket)
    IO.select(nil, [socket], nil, 0).nil?
  end
end
