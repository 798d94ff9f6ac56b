# frozen_string_literal: true

# The test runner's one global name. What tests may replace (FakeFS, Timecop, stubs) is kept here
# as it was when this was loaded.
module Gorgon
  # A module of Ruby with its functions as they are now; what they make is Ruby's own.
  def self.held(original)
    copy = original.is_a?(Class) ? Class.new(original) : Module.new { include original }
    copy.tap do
      (original.methods - Object.methods).each do |name|
        copy.define_singleton_method(name, &original.method(name))
      end
    end
  end
  private_class_method :held

  File = held(::File)
  Dir = held(::Dir)
  IO = held(::IO)
  # But for fork: libraries learn of it by what they have put over it, so ours is asked of ::Process.
  Process = held(::Process)

  # What the operating system knows of processes, read from /proc, and the one call that Ruby lacks.
  module System
    CLOCK = ::Process.method(:clock_gettime)
    MONOTONIC = ::Process::CLOCK_MONOTONIC
    PRCTL, WAITID, DUP3 = { 'x86_64' => [157, 247, 292], 'aarch64' => [167, 95, 24],
                            'arm64' => [167, 95, 24] }[RUBY_PLATFORM[/\A[^-]+/]]
    PR_SET_PDEATHSIG = 1
    # waitid(2): of any child (P_ALL), telling nothing of it, without waiting, without reaping.
    ANY_CHILD = [WAITID, 0, 0, 0, 0x01000005, 0].freeze
    SIGKILL = 9
    # Seconds for which a process without an environment is taken to be in the middle of exec(2).
    EXEC_LIMIT_S = 0.02
    # A killed process that is not gone after this hangs in the kernel.
    END_LIMIT_S = 0.5
    # What is shown of a command.
    COMMAND_BYTES = 200

    # What a test may send to its parent, which would die of it.
    STRANGERS = %w[INT TERM HUP QUIT USR1 USR2 ALRM].freeze
    TRAP = ::Signal.method(:trap)

    # A process as /proc tells it; started: in ticks since the start of the machine.
    Found = Struct.new(:pid, :state, :group, :session, :started)

    # What we ask of a stream of ours.
    STREAM = %i[syswrite readpartial read_nonblock pwrite pread truncate size stat chmod fileno sync= flush close closed?].freeze

    class << self
      # Gives a stream of ours methods of its own, as they are now: tests replace those of all streams.
      def keep(io)
        STREAM.each { |name| io.define_singleton_method(name, io.method(name)) if io.respond_to?(name) }
        io
      end

      # Seconds by a clock that tests cannot stub.
      def now
        CLOCK.call(MONOTONIC)
      end

      # A call of the kernel that Ruby has no other way to make.
      def call(number, *arguments)
        verbose = $VERBOSE
        $VERBOSE = nil
        ::Kernel.syscall(number, *arguments)
      rescue Errno::EINTR
        retry
      ensure
        $VERBOSE = verbose
      end

      # Has a descriptor mean what `io` means, below Ruby's own object for it, which stays what it was; false where
      # the number of the call is not known.
      def place(io, number)
        DUP3 ? call(DUP3, io.fileno, number, 0) && true : false
      end

      # The kernel kills us when the process that forked us ends.
      def die_with_parent(parent)
        if PRCTL
          call(PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        end
        Process.exit!(1) if Process.ppid != parent
      rescue NotImplementedError, SystemCallError
        nil # Then the end of the socket tells.
      end

      # Only a KILL ends this process any more; returns the handlers for its children. Not by 'IGNORE',
      # which a program that is started from here would inherit; a fork of a callback hears as ever.
      def deaf
        pid = $$
        traps = STRANGERS.map do |name|
          [name, TRAP.call(name) { $$ == pid || (hear_again(traps) && Process.kill(name, $$)) }]
        end
      end

      def hear_again(traps)
        traps.each { |name, handler| TRAP.call(name, handler || 'DEFAULT') }
      end

      def find(pid)
        line = File.binread("/proc/#{pid}/stat")
        fields = line[(line.rindex(')') + 2)..-1].split(' ')
        Found.new(pid, fields[0], fields[2].to_i, fields[3].to_i, fields[19].to_i)
      rescue SystemCallError
        nil
      end

      def zombie?(pid)
        found = find(pid)
        found.nil? || found.state == 'Z'
      end

      def command(pid)
        words = File.binread("/proc/#{pid}/cmdline").tr("\0", ' ').strip
        words.empty? ? File.binread("/proc/#{pid}/comm").strip : words[0, COMMAND_BYTES]
      rescue SystemCallError
        'a process'
      end

      # Living processes of a session whose leader has not been reaped, or with this in the environment they were
      # started with. They are below who adopts what is orphaned here, if that is known: to read of every process of the
      # machine takes 5 ms and more.
      def left_of(session, assignment, adopter = nil)
        since = find(session)&.started || 0
        found = (adopter && younger_below(adopter, since)) || processes.map { |pid| find(pid) }
        left = found.compact.select do |process|
          next if process.pid == session || process.pid == $$ || process.state == 'Z' || process.started < since

          process.session == session || process.group == session || started_with?(process.pid, assignment)
        end
        left.map(&:pid)
      end

      # Living processes that this process is the parent of; empty where the kernel does not tell.
      def own_children
        return [] unless any_child?

        children_of('self').map { |pid| find(pid) }.compact.reject { |found| found.state == 'Z' }
      rescue SystemCallError
        []
      end

      def kill(signal, pid)
        Process.kill(signal, pid)
      rescue Errno::ESRCH, Errno::EPERM
        nil
      end


      private

      def processes
        Dir.children('/proc').grep(/\A\d+\z/).map(&:to_i)
      end

      def children_of(pid)
        Dir.glob("/proc/#{pid}/task/*/children").flat_map { |path| File.binread(path).split(' ') }.map(&:to_i)
      end

      # Descendants that began since then, none of them below an older one; nil where the kernel does not tell. It leaves
      # out some of a list that gets shorter while it is read, so that is read twice.
      def younger_below(pid, since)
        return nil unless File.exist?("/proc/#{pid}/task/#{pid}/children")

        pids = children_of(pid) | children_of(pid)
        young = pids.map { |child| find(child) }.compact.select { |child| child.started >= since }
        young + young.flat_map { |child| younger_below(child.pid, since) || [] }
      rescue SystemCallError
        # A thread of it, or it, has just ended.
        nil
      end

      def any_child?
        return true unless WAITID

        call(*ANY_CHILD)
        true
      rescue Errno::ECHILD
        false
      rescue NotImplementedError, SystemCallError
        true
      end

      def started_with?(pid, assignment)
        environment(pid).split("\0").include?(assignment)
      rescue SystemCallError
        false
      end

      # In the middle of exec(2) a process has neither environment nor command line: it is looked at again.
      def environment(pid)
        until_at = now + EXEC_LIMIT_S
        found = File.binread("/proc/#{pid}/environ")
        while found.empty? && now < until_at && File.binread("/proc/#{pid}/cmdline").empty? && !zombie?(pid)
          ::Thread.pass
          found = File.binread("/proc/#{pid}/environ")
        end
        found
      end
    end
  end
end
