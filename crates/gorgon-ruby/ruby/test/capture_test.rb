# frozen_string_literal: true

require 'minitest/autorun'
require 'tmpdir'
require_relative '../capture'

# What a test may do with its streams while they are captured.
class CaptureTest < Minitest::Test
  def test_streams_can_be_silenced_and_put_back
    said = captured do
      puts 'before'
      kept = $stdout.dup
      $stdout.reopen(IO::NULL)
      puts 'silenced'
      $stdout.reopen(kept)
      puts 'after'
      system('echo from below')
    end
    assert_equal "before\nafter\nfrom below\n", said
  end

  private

  # Runs the block in a process whose streams are captured; returns what was kept.
  def captured
    reader, writer = IO.pipe
    pid = fork do
      Dir.mktmpdir do |directory|
        capture = Gorgon::Capture.new(directory)
        capture.take
        yield
        writer.write(capture.text)
      end
    ensure
      exit!(0)
    end
    writer.close
    Process.wait(pid)
    reader.read
  end
end
