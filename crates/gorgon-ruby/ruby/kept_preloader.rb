# frozen_string_literal: true

require_relative 'preloader'

module Gorgon
  # Loads the user's application once, and forks a preloader for each job that wants it, one at a time. Its owner keeps it
  # from job to job, and has found out before each fork that a new start would load the same.
  #
  # It is the parent of these preloaders: it alone signals and reaps them.
  class KeptPreloader
    # The descriptors of what a fork would share with this process, by how the kernel names them.
    SHARED = { /\Asocket:/ => 'a socket', /\Apipe:/ => 'a pipe', /\Aanon_inode:.*(?:inotify|fanotify)/ => 'a watcher of files',
               /\Aanon_inode:.*(?:timerfd|signalfd)/ => 'a timer or a watcher of signals',
               /\Aanon_inode:.*(?:eventpoll|io_uring)/ => 'a loop of events' }.freeze
    OBJECTS = ::ObjectSpace.method(:each_object)
    # Threads that load nothing and change nothing: of `Timeout`, of the connection pool of Rails, which sleeps, and of
    # concurrent-ruby, which frees places of variables of threads that have ended.
    HARMLESS = %r{/timeout\.rb:\d|/connection_pool/reaper\.rb:\d|/connection_pool\.rb:\d|/ruby_thread_local_var\.rb:\d}.freeze
    FLAGS = /^flags:\s+(\d+)/.freeze
    MODES = { File::RDONLY => 'r', File::WRONLY => 'w', File::RDWR => 'r+' }.freeze
    ACCESS = 3 # O_ACCMODE
    LOCKED = /^lock:/.freeze

    def initialize(settings, callbacks, owner, compiled)
      @settings = settings
      @callbacks = callbacks
      @owner = owner
      @compiled = compiled
      # Ruby's own, and ours.
      @known = descriptors
    end

    def run
      failure = @callbacks.run('before_creating_workers')
      return @owner.send(failure.merge(event: 'callback_failed')) if failure
      return @owner.send(event: 'not_loaded') if @settings['rails'] == true && !RailsApplication.load

      RailsEnvironment.check
      @traps = System.deaf
      @ended, @wake = IO.pipe
      @old_trap = ::Signal.trap('CHLD') { @wake.write_nonblock('.', exception: false) }
      # What nobody refers to any more is closed by the collection.
      ::GC.start if unfit
      @positions = positions
      @owner.send(event: 'kept', unfit: unfit.to_s, offset_s: ::Time.now.utc_offset)
      nil while serve
    rescue Refused => e
      @owner.send(event: 'refused', what: e.what, message: e.message)
    ensure
      @compiled.finish
      System.kill(:KILL, @job) if @job
    end

    private

    # What cannot be shared by the jobs; nil: nothing.
    def unfit
      left = System.own_children.first
      return "a process that is left: #{System.command(left.pid)}" if left

      thread = ::Thread.list.find { |it| it != ::Thread.main && !it.inspect.match?(HARMLESS) }
      return "a thread runs, made at #{thread.inspect[/\A#<Thread:0x\h+(?:@\S+)? (.+?:\d+)/, 1] || 'an unknown place'}" if thread

      known = [@owner.io, @ended, @wake].map(&:fileno)
      descriptors.each do |number, link|
        why = shared(number, link) unless known.include?(number) || @known[number] == link
        return why if why
      rescue SystemCallError
        next # It was the descriptor of the list itself.
      end
      nil
    end

    # Why forks cannot share what this descriptor leads to; nil: they can.
    def shared(number, link)
      about = File.binread("/proc/self/fdinfo/#{number}")
      return "a lock is held (#{link})" if about.match?(LOCKED)

      kind, = SHARED.find { |pattern, _| link.match?(pattern) }
      return "#{SHARED[kind]}#{described(number, link)} is open" if kind
      return unless link.start_with?('/')

      flags = about[FLAGS, 1].to_i(8)
      type = type(number, flags)
      return "a pipe (#{link}) is open" if type == 'fifo'
      return if type != 'file' || flags & ACCESS == File::RDONLY

      # Each writes to the end of a log, wherever another one has left off.
      "a file is open for writing (#{link})" if flags & File::APPEND == 0 || link.end_with?(' (deleted)')
    end

    # By the descriptor itself, not by its path: that would be recorded as a look at the path.
    def type(number, flags)
      IO.for_fd(number, MODES.fetch(flags & ACCESS), autoclose: false).stat.ftype
    end

    # By number, each with what the kernel says of it.
    def descriptors
      Dir.children('/proc/self/fd').map(&:to_i).sort.each_with_object({}) do |number, found|
        found[number] = File.readlink("/proc/self/fd/#{number}")
      rescue SystemCallError
        next # The descriptor of the list itself.
      end
    end

    # Where each open file is read or written next: forks share that, and the next job is to find it as this one does.
    def positions
      descriptors.each_with_object({}) do |(number, link), found|
        next unless link.start_with?('/')

        about = File.binread("/proc/self/fdinfo/#{number}")
        found[number] = about[/^pos:\s+(\d+)/, 1].to_i if type(number, about[FLAGS, 1].to_i(8)) == 'file'
      rescue SystemCallError
        next # The descriptor of the list itself.
      end
    end

    def rewind
      @positions.each do |number, position|
        IO.for_fd(number, 'r', autoclose: false).sysseek(position)
      rescue SystemCallError
        IO.for_fd(number, 'w', autoclose: false).sysseek(position)
      end
    end

    # What is known of a descriptor: Ruby's object for it, or the other end of a connection.
    def described(number, link)
      found = OBJECTS.call(::IO).find { |io| !io.equal?(@owner.io) && number_of(io) == number }
      return " (#{found.class}, #{found.inspect[/fd \d+(, [^>]*)?/]})" if found

      to = remote(link[/\d+/])
      to ? " (connected to #{to})" : " (descriptor #{number})"
    rescue SystemCallError
      " (descriptor #{number})"
    end

    def number_of(io)
      io.fileno
    rescue IOError
      nil # It is closed, or was never open.
    end

    def remote(inode)
      lines = File.binread('/proc/self/net/tcp').lines.map(&:split)
      found = lines.find { |fields| fields[9] == inode } or return
      address, port = found[2].split(':')
      "#{[address].pack('H*').bytes.reverse.join('.')}:#{port.hex}"
    end

    # Waits for one thing to happen; false at the end.
    def serve
      ready, = IO.select([@owner.io, @ended], nil, nil, @compiled.behind? && !@job ? 0 : nil)
      return @compiled.catch_up || true unless ready

      reap if ready.include?(@ended)
      return true unless ready.include?(@owner.io)

      lines = @owner.received or return false
      lines.each { |line| line['op'] == 'fork' ? fork_job(line) : signal(line) }
      true
    end

    def reap
      @ended.read_nonblock(4096, exception: false)
      return unless @job && System.zombie?(@job)

      # Until it is reaped, no other process can get the number of its group.
      System.kill(:KILL, -@job)
      _, status = Process.wait2(@job)
      @job = nil
      @owner.send(event: 'job_ended', status: status.exitstatus, signal: status.termsig)
    end

    def signal(line)
      return unless @job

      System.kill(line['signal'], -@job)
      System.kill(line['signal'], @job)
    end

    def fork_job(line)
      connection = Sockets.connect(line['owner'])
      output = File.open(line['output'], File::WRONLY)
      rewind
      kept = $$
      adopter = Process.ppid
      @job = ::Process.fork { live(kept, adopter, line, connection, output) }
      [connection, output].each(&:close)
      @owner.send(event: 'forked', pid: @job)
    rescue SystemCallError, NoMemoryError => e
      @owner.send(event: 'fork_failed', message: "#{e.class}: #{e.message}")
    end

    # In the preloader of a job. What its processes leave behind falls to our parent.
    def live(kept, adopter, line, connection, output)
      System.die_with_parent(kept)
      Process.setsid
      ::Signal.trap('CHLD', @old_trap || 'DEFAULT')
      System.hear_again(@traps)
      [@owner, @ended, @wake].each(&:close)
      [STDOUT, STDERR].each { |stream| System.place(output, stream.fileno) || stream.reopen(output) }
      output.close
      ENV['GORGON_JOB_ID'] = line['job']
      line['environment'].each { |name, value| ENV[name] ||= value }
      owner = Channel.new(connection)
      settings = owner.receive or Process.exit!(1)
      settings = settings.merge('adopter' => adopter)
      Preloader.new(settings, @callbacks, owner, @compiled).run_loaded
    rescue Exception => e # rubocop:disable Lint/RescueException
      STDERR.puts("gorgon: #{e.class}: #{e.message}", *e.backtrace)
    ensure
      Process.exit!(0)
    end
  end
end
