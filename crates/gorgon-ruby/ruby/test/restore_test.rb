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
      restore.call
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
      restore.call
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

  def test_what_loading_sets_is_kept
    seen = in_process do |restore|
      restore.call
      File.umask(0o027)
      Signal.trap('TERM', 'IGNORE')
      Signal.trap('USR1', nil)
      Signal.trap('USR2', heard = proc {})
      $stdin = input = StringIO.new
      Dir.chdir('/')
      restore.keep
      spoil
      restore.call
      [Dir.pwd, File.umask, Signal.trap('TERM', 'DEFAULT'), Signal.trap('USR1', 'DEFAULT').nil?,
       Signal.trap('USR2', 'DEFAULT').equal?(heard), $stdin.equal?(input)]
    end
    assert_equal ['/', 0o027, 'IGNORE', true, true, true].inspect, seen
  end

  def test_what_hooks_of_the_suite_set_holds_for_tests_and_not_while_files_are_loaded
    seen = in_process do |restore|
      root = Dir.pwd
      umask = File.umask
      restore.call
      restore.keep(due: true) { Dir.chdir('/') && File.umask(0o077) }
      spoil
      restore.call
      loading = [Dir.pwd == root, File.umask == umask]
      File.umask(0o007)
      restore.keep
      [loading, [Dir.pwd, File.umask]]
    end
    assert_equal [[true, true], ['/', 0o077]].inspect, seen
  end

  def test_what_tests_of_one_framework_change_is_not_kept_for_another_one
    seen = in_process do |restore|
      restore.call
      restore.keep
      umask = File.umask(0o077)
      restore.keep { File.umask(0o070) }
      restore.call
      File.umask == umask
    end
    assert_equal 'true', seen
  end

  def test_a_handler_of_int_that_loading_sets_is_kept_and_one_of_tests_is_not
    seen = in_process do |restore|
      restore.call
      Signal.trap('INT', heard = proc {})
      restore.keep
      Signal.trap('INT') { raise 'never' }
      restore.call
      Signal.trap('INT', 'DEFAULT').equal?(heard)
    end
    assert_equal 'true', seen
  end

  def test_what_ends_the_suite_finds_what_tests_of_all_files_have_left
    seen = in_process do |restore|
      restore.call
      restore.keep(due: true) { Signal.trap('USR1', 'IGNORE') }
      Signal.trap('TERM', left = proc {})
      Dir.chdir('/')
      restore.note
      restore.call
      restore.keep
      File.umask(0o007)
      ($stdout = StringIO.new).close
      restore.to_the_end
      [Dir.pwd, File.umask, $stdout.closed?, Signal.trap('TERM', nil).equal?(left), Signal.trap('USR1', nil)]
    end
    assert_equal ['/', 0o007, true, true, 'IGNORE'].inspect, seen
  end

  def test_what_ends_the_suite_finds_what_loading_and_hooks_have_set
    seen = in_process do |restore|
      restore.call
      restore.keep(due: true) { File.umask(0o070) }
      restore.note
      restore.call
      Dir.chdir('/')
      restore.to_the_end
      [Dir.pwd, File.umask]
    end
    assert_equal ['/', 0o070].inspect, seen
  end

  def test_what_ends_the_suite_finds_no_directory_where_the_last_one_is_gone
    seen = in_process do |restore|
      restore.call
      restore.keep
      Dir.chdir('/')
      restore.note
      restore.call
      restore.keep
      Dir.mktmpdir { |gone| Dir.chdir(gone) }
      restore.to_the_end
      Dir.pwd
    rescue Errno::ENOENT
      'gone'
    end
    assert_equal 'gone'.inspect, seen
  end

  def test_a_directory_that_is_gone_and_an_output_that_is_closed_are_replaced
    seen = in_process do |restore|
      root = Dir.pwd
      restore.call
      Dir.chdir(gone = Dir.mktmpdir)
      $stdout = StringIO.new
      restore.keep
      Dir.rmdir(gone)
      $stdout.close
      restore.call
      [Dir.pwd == root, $stdout.equal?(STDOUT)]
    end
    assert_equal [true, true].inspect, seen
  end

  def test_descriptors_lead_where_loading_has_pointed_them
    seen = in_process do |restore, capture|
      restore.call
      Dir.mktmpdir do |directory|
        STDERR.reopen(log = File.join(directory, 'log'), 'a')
        restore.keep
        STDERR.close
        STDOUT.reopen(File::NULL)
        restore.call
        system('echo out; echo err >&2')
        warn 'own'
        [File.read(log), capture.text]
      end
    end
    assert_equal ["err\nown\n", "out\n"].inspect, seen
  end

  def test_paths_of_gems_that_loading_has_set_are_kept
    seen = in_process do |restore|
      restore.call
      Gem.use_paths('/home-of-gems', '/gems')
      restore.keep
      kept = [Gem.dir, Gem.path.dup]
      Gem.use_paths('/elsewhere')
      restore.call
      [Gem.dir, Gem.path] == kept
    end
    assert_equal 'true', seen
  end

  def test_a_callback_has_the_directory_and_the_streams_of_the_start
    seen = in_process do |restore|
      root = Dir.pwd
      Dir.chdir('/')
      $stdout = said = StringIO.new
      inside = restore.outside { [Dir.pwd == root, $stdout.equal?(STDOUT)] }
      [inside, Dir.pwd, $stdout.equal?(said)]
    end
    assert_equal [[true, true], '/', true].inspect, seen
  end

  private

  def spoil
    Dir.chdir('/tmp')
    File.umask(0o777)
    %w[TERM USR1 USR2].each { |name| Signal.trap(name) { raise 'never' } }
    $stdout = $stderr = $stdin = StringIO.new
  end

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
