# frozen_string_literal: true

require 'minitest/autorun'
require 'socket'
require 'fcntl'
require 'tmpdir'
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

  # Ruby leaves off waiting for a socket where a process of the last file ends meanwhile.
  def test_a_process_that_ends_while_a_line_is_waited_for_ends_nothing
    ours, theirs = UNIXSocket.pair
    channel = Gorgon::Channel.new(ours)
    test = $$
    left_behind = fork do
      Thread.pass until File.read("/proc/#{test}/stat")[/\) (\w)/, 1] == 'S'
      exit!(0)
    end
    writer = Thread.new do
      Process.wait(left_behind)
      theirs.write(%({"op":"finish"}\n))
    end
    assert_equal({ 'op' => 'finish' }, channel.receive)
    writer.join
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
    channel.hold_line(Gorgon::Channel.line('number' => 1))
    assert_equal :wait_readable, theirs.recv_nonblock(100, exception: false)
    channel.send({ 'number' => 2 })
    assert_equal %({"number":1}\n{"number":2}\n), theirs.recv(100)
    channel.send({ 'number' => 3 })
    assert_equal %({"number":3}\n), theirs.recv(100)
  end

  # A branch tells the end of its child, over the same socket.
  def test_what_a_child_held_as_it_died_is_sent_by_its_branch
    ours, theirs = UNIXSocket.pair
    in_directory { |directory| branch_of(ours, directory) { |channel| tell(channel) } }
    lines = theirs.readpartial(4096).force_encoding(Encoding::UTF_8).lines.map(&:chomp).reject(&:empty?)
    assert_equal ['{"n":1,"text":"ä"}', '{"n":2,"event":"first"}', '{"n":3,"text":"b"}', '{"event":"ended"}'], lines
  end

  def test_what_was_cut_off_is_sent_again_but_for_the_line_that_could_wait_no_longer
    ours, theirs = UNIXSocket.pair
    in_directory do |directory|
      channel = Gorgon::Channel.new(ours, Gorgon::Drafts.new(directory))
      channel.hold(text: 'held')
      writer = Thread.new do
        channel.send(event: 'x' * 4_000_000)
      rescue Interrupt
        channel.hold(text: 'more')
        channel.send(event: 'next')
        channel.close
      end
      theirs.readpartial(1)
      writer.raise(Interrupt)
      lines = theirs.read.lines.map(&:chomp)
      writer.join
      assert_equal ['{"n":1,"text":"held"}', '{"n":3,"text":"more"}', '{"n":4,"event":"next"}'], lines.last(3)
    end
  end

  def test_where_nothing_can_be_kept_all_is_sent_at_once
    ours, theirs = UNIXSocket.pair
    in_directory do |directory|
      drafts = Gorgon::Drafts.new(directory)
      channel = Gorgon::Channel.new(ours, drafts)
      drafts.close
      channel.hold(number: 1)
      assert_equal %({"n":1,"number":1}\n), theirs.recv(100)
    end
  end

  def test_what_remains_of_an_older_line_may_begin_inside_a_character
    in_directory do |directory|
      drafts = Gorgon::Drafts.new(directory)
      # Of each length: the line of the second sending ends at each byte of the older one.
      (0..40).each do |size|
        channel = Gorgon::Channel.new(UNIXSocket.pair.first, drafts)
        channel.hold(text: 'ä' * 60)
        channel.send(event: 'first')
        channel.hold(text: 'x' * size)
        assert_equal ['x' * size], drafts.text.lines.map { |line| Gorgon::Json.read(line)['text'] }
      end
      drafts.close
    end
  end

  def test_little_is_held
    ours, theirs = UNIXSocket.pair
    in_directory do |directory|
      channel = Gorgon::Channel.new(ours, Gorgon::Drafts.new(directory))
      channel.hold(text: 'x' * Gorgon::Drafts::HELD_BYTES)
      assert_equal Gorgon::Drafts::HELD_BYTES, Gorgon::Json.read(theirs.recv(100_000))['text'].size
    end
  end

  private

  def in_directory(&block)
    Dir.mktmpdir(&block)
  end

  # The child sends, holds two lines shorter than those before, and dies without a word.
  def branch_of(socket, directory)
    drafts = Gorgon::Drafts.new(directory)
    channel = Gorgon::Channel.new(socket, drafts)
    child = fork do
      yield channel
      Process.kill(:KILL, $$)
    end
    channel.drafts = nil
    Process.wait(child)
    channel.send_anew({ event: 'ended' }, drafts.text)
  end

  def tell(channel)
    channel.hold(text: 'ä')
    channel.send(event: 'first')
    channel.hold(text: 'b')
  end

  # Nothing more can be written without waiting.
  def full?(socket)
    IO.select(nil, [socket], nil, 0).nil?
  end
end
