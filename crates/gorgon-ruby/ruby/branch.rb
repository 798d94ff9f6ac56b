# frozen_string_literal: true

require_relative 'child'

module Gorgon
  # A fork of the preloader for one framework, which it loads; the parent of the Ruby children of
  # that framework. It alone signals them, and reaps them once all of their group is dead.
  class Branch
    # A child of ours that has not been reaped.
    Born = Struct.new(:pid, :link, :channel, :capture, :drafts)

    # How often the output of running children is looked at: a test that prints without end must
    # not fill the disk.
    LOOK_S = 2
    REQUEST_BYTES = 64 * 1024

    def initialize(framework, settings, callbacks, socket, directory, traps)
      @framework = framework
      @settings = settings
      @callbacks = callbacks
      @socket = socket
      @directory = directory
      @traps = traps
      @children = []
      @compiled = Compiled.new(framework)
    end

    # Lives until the preloader closes the socket.
    def run
      System.deaf
      watch_children
      # Before the framework: a project may be the framework itself.
      load_path if @framework != 'rspec'
      preload
      ::Kernel.loop do
        ready, = IO.select([@socket, @ended], nil, nil, patience)
        next idle unless ready

        reap if ready.include?(@ended)
        break if ready.include?(@socket) && !obey
      end
      @compiled.finish
      @children.each { |child| end_child(child) } until reap
    end

    private

    def patience
      return 0 if @compiled.behind?

      @children.empty? ? nil : LOOK_S
    end

    def idle
      return @compiled.catch_up if @compiled.behind?

      @children.each { |child| child.capture.shrink }
    end

    # Directories of the project, as `ruby -Ilib -Itest` has them there.
    def load_path
      directories = Array(@settings['load_path']).map { |directory| File.expand_path(directory) }
      $LOAD_PATH.unshift(*(directories - $LOAD_PATH))
    end

    # What cannot be loaded here fails again in the child, where it can be told.
    def preload
      # Under a Bundler that the suite sets up by itself, the versions are not ours to choose.
      return if @framework != 'rspec' && Frameworks.versions_open?

      swept { @compiled.load { load_framework } }
    rescue SystemExit, ScriptError, StandardError => e
      STDERR.puts("gorgon: preload of #{@framework}: #{e.class}: #{e.message}")
    end

    def load_framework
      adapter = Frameworks.adapter(@framework)
      # RSpec runs nothing at exit unless it is asked to, so nobody need watch while it is loaded, which costs.
      return Frameworks.disarmed { adapter.preload } unless @framework == 'rspec'

      adapter.preload
      Frameworks.disarm
      adapter.keep_warm(@compiled)
    end

    # Collects garbage once, after the block: little of what is loaded dies, and what is swept here each child need not
    # sweep, which would cost it a copy of every page. An application that callbacks have loaded would take too long.
    def swept
      return yield if @callbacks.any?

      off = ::GC.disable
      begin
        yield
      ensure
        ::GC.enable unless off
      end
      # What was there before has been swept before.
      ::GC.start(full_mark: false)
    end

    def watch_children
      @ended, @wake = IO.pipe
      @old_trap = ::Signal.trap('CHLD') { @wake.write_nonblock('.', exception: false) }
    end

    # Does what the preloader passes on; false at its end.
    def obey
      text, _, _, *passed = @socket.recvmsg(REQUEST_BYTES, scm_rights: true)
      return false if text.nil? || text.empty?

      line = Json.read(text)
      case line['op']
      when 'fork' then fork_child(line, passed.flat_map(&:unix_rights).compact.first)
      when 'signal' then signal(line)
      when 'end' then @children.each { |child| end_child(child) if child.link == line['link'] }
      end
      true
    end

    def fork_child(line, socket)
      drafts = Drafts.new(@directory)
      channel = Channel.new(socket, drafts)
      capture = Capture.new(@directory)
      request = Child::Request.new(framework: @framework, slot: line['slot'],
                                   test_env_number: line['test_env_number'],
                                   after_complete: line['after_complete'])
      branch = $$
      pid = ::Process.fork { live(branch, request, channel, capture) }
      @children << Born.new(pid, line['link'], channel, capture, drafts)
    rescue SystemCallError, NoMemoryError => e
      channel ||= Channel.new(socket)
      tell(channel, { event: 'fork_failed', message: "#{e.class}: #{e.message}" })
      [channel, capture, drafts].compact.each(&:close)
    end

    # In the child.
    def live(branch, request, channel, capture)
      System.die_with_parent(branch)
      ::Signal.trap('CHLD', @old_trap || 'DEFAULT')
      System.hear_again(@traps)
      [@socket, @ended, @wake].each(&:close)
      @children.each { |child| close(child) }
      Child.new(request, @settings, @callbacks, channel, capture).run
    end

    def signal(line)
      child = @children.find { |born| born.pid == line['pid'] }
      System.kill(line['signal'], -child.pid) if child
    end

    def end_child(child)
      System.kill(:KILL, -child.pid)
      System.kill(:KILL, child.pid)
    end

    # Takes leave of the children that have ended; true when none is left.
    def reap
      @ended.read_nonblock(4096, exception: false)
      over, @children = @children.partition { |child| System.zombie?(child.pid) }
      over.each { |child| bury(child) }
      @children.empty? || (@ended.wait_readable(LOOK_S) && false)
    end

    # What is left of its group dies while its number is still its own.
    def bury(child)
      left = System.left_of(child.pid, "GORGON_CHILD_ID=#{child.pid}", @settings['adopter'])
      told = left.map { |pid| { pid: pid, command: System.command(pid) } }
      end_child(child)
      System.end_all(left)
      _, status = Process.wait2(child.pid)
      tell(child.channel, { event: 'ended', status: status.exitstatus, signal: status.termsig,
                            output: child.capture.text, left: told }, child.drafts.text)
    rescue Errno::ECHILD
      tell(child.channel, { event: 'ended', status: nil, signal: System::SIGKILL, output: '', left: [] })
    ensure
      close(child)
    end

    def close(child)
      [child.channel, child.capture, child.drafts].each(&:close)
    end

    # On a line of its own: the child may have been killed in the middle of one. Before that what it had not sent.
    def tell(channel, event, held = '')
      channel.send_anew(event, held)
    rescue SystemCallError, IOError
      nil # The worker is gone.
    end
  end
end
