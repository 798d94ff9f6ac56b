# frozen_string_literal: true

require 'minitest/autorun'
require 'stringio'
require 'tmpdir'
require_relative '../protocol'
require_relative '../capture'
require_relative '../restore'

# What one file changes for the next, in a process of its own.
class RestoreTest < Minitest::Test
  def test_handlers_directory_and_umask_are_put_back
    seen = in_process do |restore|
      Dir.mktmpdir { |gone| Dir.chdir(gone) }
      File.umask(0o777)
      Signal.trap('TERM') { raise 'never' }
      Signal.trap('USR1', 'IGNORE')
      restore.call
      [Dir.pwd, File.umask, Signal.trap('TERM', 'DEFAULT'), Signal.trap('USR1', 'DEFAULT')]
    end
    assert_equal [Dir.pwd, File.umask, 'DEFAULT', 'DEFAULT'].inspect, seen
  end

  def test_streams_that_were_closed_or_replaced_are_put_back
    seen = in_process do |restore, capture|
      STDOUT.close
      $stderr = StringIO.new
      $stdin = nil
      restore.call
      puts 'out'
      warn 'err'
      system('echo below')
      [capture.text, $stdin.equal?(STDIN)]
    end
    assert_equal ["out\nerr\nbelow\n", true].inspect, seen
  end

  private

  def in_process
    reader, writer = IO.pipe
    pid = fork do
      Dir.mktmpdir do |directory|
        capture = Gorgon::Capture.new(directory)
        capture.take
        writer.write(yield(Gorgon::Restore.new(Dir.pwd, capture), capture).inspect)
      rescue Exception => e # rubocop:disable Lint/RescueException
        writer.write(e.full_message)
      end
    ensure
      exit!(0)
    end
    writer.close
    Process.wait(pid)
    reader.read
  end
end
