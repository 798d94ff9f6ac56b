# frozen_string_literal: true

require_relative 'child'
require_relative 'sockets'
require_relative 'ruby_options'

module Gorgon
  # A fork of the preloader for one framework, which it loads; the parent of the Ruby children of
  # that framework. It alone signals them, and reaps them once all of their group is dead.
  class Branch
    # A child of ours that has not been reaped.
    Born = Struct.new(:pid, :link, :channel, :capture, :drafts)

    # How often the output of running children is looked at: a test that prints without end must
    # not fill the disk.
    LOOK_S = 2
    # Seconds between two looks at whether killed processes are gone.
    GONE_S = 0.002
    # Number of objects that a child can make before it collects garbage: a framework and some hundred small tests. They
    # take 4.8 MB, once for all children.
    ROOM = 120_000

    # The socket where workers ask for children; the pipe of the preloader's orders; the pipe that tells it that we live.
    Ways = Struct.new(:door, :orders, :living)
    # A child that has ended, and the processes that it left behind, which are being killed.
    Dying = Struct.new(:child, :left, :told, :until_at)

    def initialize(framework, settings, callbacks, ways, directory, traps)
      @framework = framework
      @settings = settings
      @callbacks = callbacks
      @ways = ways
      @directory = directory
      @traps = traps
      @children = []
      @dying = []
      @askers = {}
      @compiled = Compiled.new(framework)
      CoverageShare.known = File.join(directory, "coverage-#{$$}")
    end

    # Lives until the preloader closes the pipe of its orders.
    def run
      System.deaf
      watch_children
      # Set before the framework is loaded: the project may be the framework itself.
      take_ruby_options if @framework != 'rspec'
      preload
      CoverageCounts.keep if CoverageWanted.merged?(@settings)
      @ways.living.write('.')
      nil while serve
      @compiled.finish
      until @children.empty? && @dying.empty?
        @children.each { |child| end_child(child) }
        IO.select([@ended], nil, nil, @dying.empty? ? LOOK_S : GONE_S)
        reap
        take_leave
      end
    end

    private

    # Waits for everything that the branch serves, at once. Returns false when the branch is to end.
    def serve
      ready, = IO.select([@ways.orders.io, @ended, @ways.door, *@askers.keys], nil, nil, patience)
      return idle || true unless ready

      reap if ready.include?(@ended)
      take_leave
      @askers.keys.each { |io| answer(io) if ready.include?(io) }
      accept if ready.include?(@ways.door)
      ready.include?(@ways.orders.io) ? obey : true
    end

    def patience
      return GONE_S unless @dying.empty?
      return 0 if @compiled.behind?

      @children.empty? ? nil : LOOK_S
    end

    def idle
      return take_leave unless @dying.empty?
      return @compiled.catch_up if @compiled.behind?

      @children.each { |child| child.capture.shrink }
    end

    def take_ruby_options
      Frameworks.ruby_options = RubyOptions.new(@settings['ways'], @settings['env'].to_h.keys)
      Frameworks.ruby_options.begin
    end

    # What cannot be loaded here fails again in the child, where it can be told.
    def preload
      # Under a Bundler that the suite sets up by itself, the versions are not ours to choose.
      return if @framework != 'rspec' && Frameworks.versions_open?

      swept do
        @compiled.load { load_framework }
        Frameworks.ready_to_trace if traced?
      end
    rescue SystemExit, ScriptError, StandardError => e
      STDERR.puts("gorgon: preload of #{@framework}: #{e.class}: #{e.message}")
    end

    # Whether children watch the classes that a file defines: the adapter of RSpec does not.
    def traced?
      @framework != 'rspec' || @settings['rails']
    end

    # If callbacks have loaded a framework, it runs no tests at exit either.
    def load_framework
      adapter = Frameworks.adapter(@framework)
      adapter.preload(Child.settings(@settings, ::Dir.pwd)) if adapter.respond_to?(:preload)
      Frameworks.disarm
      adapter.keep_warm(@compiled)
    end

    # Collects garbage once, after the block: little of what is loaded dies, and what is swept here each child need not
    # sweep, which would cost it a copy of every page. An application that callbacks have loaded would take too long.
    # Children begin with free room in the heap. Otherwise each child would mark the whole heap before it can grow.
    def swept
      return yield if @callbacks.any?

      off = ::GC.disable
      begin
        yield
        ::Array.new(ROOM).zip
      ensure
        ::GC.enable unless off
      end
      # A full mark. Ruby counts from here how many objects may grow old before the next full mark.
      ::GC.start
    end

    def watch_children
      @ended, @wake = IO.pipe
      @old_trap = ::Signal.trap('CHLD') { @wake.write_nonblock('.', exception: false) }
    end

    # Does what the preloader passes on; false at its end.
    def obey
      lines = @ways.orders.received or return false
      lines.each do |line|
        case line['op']
        when 'signal' then signal(line)
        when 'end' then @children.each { |child| end_child(child) if child.link == line['link'] }
        end
      end
      true
    end

    def accept
      socket = Sockets.accept(@ways.door) or return
      channel = Channel.new(socket)
      @askers[channel.io] = channel
    end

    # The first line of a connection asks for a child; what follows is for the child.
    def answer(io)
      channel = @askers[io]
      lines = channel.received
      return if lines && lines.empty?

      @askers.delete(io)
      lines ? fork_child(lines.first, channel) : channel.close
    rescue ArgumentError
      @askers.delete(io).close # No worker speaks like that.
    end

    def fork_child(line, channel)
      channel.drafts = drafts = Drafts.new(@directory)
      capture = Capture.new(@directory)
      request = Child::Request.new(framework: @framework, slot: line['slot'],
                                   test_env_number: line['test_env_number'],
                                   after_complete: line['after_complete'])
      branch = $$
      pid = ::Process.fork { live(branch, request, channel, capture) }
      # The numbers of lines are the child's.
      channel.drafts = nil
      @children << Born.new(pid, line['link'], channel, capture, drafts)
    rescue SystemCallError, NoMemoryError => e
      tell(channel, { event: 'fork_failed', message: "#{e.class}: #{e.message}" })
      drafts&.remove
      [channel, capture, drafts].compact.each(&:close)
    end

    # In the child.
    def live(branch, request, channel, capture)
      System.die_with_parent(branch)
      ::Signal.trap('CHLD', @old_trap || 'DEFAULT')
      System.hear_again(@traps)
      [@ways.door, @ways.orders, @ways.living, @ended, @wake, *@askers.values].each(&:close)
      [*@children, *@dying.map(&:child)].each { |child| close(child) }
      Child.new(request, @settings, @callbacks, channel, capture).run
    end

    def signal(line)
      child = @children.find { |born| born.pid == line['pid'] }
      return unless child

      child.drafts.ask_to_stop if line['signal'] == 'INT'
      System.kill(line['signal'], -child.pid)
    end

    def end_child(child)
      System.kill(:KILL, -child.pid)
      System.kill(:KILL, child.pid)
    end

    # Finds children that have ended. Other processes of their groups are killed before a child is reaped: until then no
    # other process can get the group's number.
    def reap
      @ended.read_nonblock(4096, exception: false)
      over, @children = @children.partition { |child| System.zombie?(child.pid) }
      over.each do |child|
        left = System.left_of(child.pid, "GORGON_CHILD_ID=#{child.pid}", @settings['adopter'])
        told = left.map { |pid| { pid: pid, command: System.command(pid) } }
        end_child(child)
        left.each { |pid| System.kill(:KILL, pid) }
        @dying << Dying.new(child, left, told, System.now + System::END_LIMIT_S)
      end
    end

    # Reports the end of a child when all its processes are gone: the next file may need their ports.
    def take_leave
      gone, @dying = @dying.partition do |dying|
        System.now >= dying.until_at || dying.left.all? { |pid| System.zombie?(pid) }
      end
      gone.each { |dying| bury(dying.child, dying.told) }
    end

    def bury(child, told)
      _, status = Process.wait2(child.pid)
      tell(child.channel, { event: 'ended', status: status.exitstatus, signal: status.termsig,
                            output: child.capture.text, left: told }, child.drafts.text)
    rescue Errno::ECHILD
      tell(child.channel, { event: 'ended', status: nil, signal: System::SIGKILL, output: '', left: [] })
    ensure
      child.drafts.remove
      close(child)
    end

    def close(child)
      [child.channel, child.capture, child.drafts].each(&:close)
    end

    # First sends the lines that the child had held back. The event begins a new line: the child may have been killed in
    # the middle of one.
    def tell(channel, event, held = '')
      channel.send_anew(event, held)
    rescue SystemCallError, IOError
      nil # The worker is gone.
    end
  end
end
