# frozen_string_literal: true

require_relative 'branch'

module Gorgon
  # Loads the user's application once, then forks: a branch for each framework, from which the Ruby
  # children are forked. Workers reach it over a socket; its owner over what was its stdin.
  class Preloader
    # What is looked at to find the end of a first line.
    FIRST_BYTES = 4096

    # A branch as the preloader sees it.
    Grown = Struct.new(:pid, :socket)

    def initialize(settings, callbacks, owner, compiled)
      @settings = settings
      @callbacks = callbacks
      @owner = owner
      @compiled = compiled
      @path = settings['socket']
      @links = {}
      @branches = {}
    end

    def run
      failure = @callbacks.run('before_creating_workers')
      return @owner.send(failure.merge(event: 'callback_failed')) if failure

      RailsEnvironment.check
      # Not sooner: the application may set its own.
      @traps = System.deaf
      @server = listen
      File.chmod(0o600, @path)
      @owner.send(event: 'ready')
      @settings['frameworks'].first(1).each { |framework| branch(framework) }
      nil while serve
    rescue Refused => e
      @owner.send(event: 'refused', what: e.what, message: e.message)
    ensure
      stop
    end

    private

    # The name of a socket has at most 107 bytes, and TMPDIR may be longer: so it is named from the
    # open directory.
    def listen
      directory, name = File.split(@path)
      Dir.open(directory) { |open| UNIXServer.new("/proc/self/fd/#{open.fileno}/#{name}") }
    end

    # Waits for one thing to happen; false at the end.
    def serve
      sockets = @branches.values.map(&:socket)
      ready, = IO.select([@owner.io, @server, *@links.keys, *sockets], nil, nil, @compiled.behind? ? 0 : nil)
      return @compiled.catch_up || true unless ready

      @branches.delete_if { |_, grown| ready.include?(grown.socket) && wither(grown) }
      @links.keys.each { |io| hear(io) if ready.include?(io) }
      accept if ready.include?(@server)
      ready.include?(@owner.io) ? obey : true
    end

    # What the owner wants; false when it is gone, or wants us to be.
    def obey
      lines = @owner.received
      return false if lines.nil?

      lines.each do |line|
        name = line['callback']
        failure = @callbacks.run(name)
        @owner.send(failure ? failure.merge(event: 'callback_failed') : { event: 'callback_done', callback: name })
      end
      true
    end

    # A worker wants a child, or opens its link: the first line says which.
    def accept
      socket = @server.accept
      line = first_line(socket)
      case line['op']
      when 'link'
        channel = Channel.new(socket)
        @links[channel.io] = [channel, line['link']]
      when 'fork'
        pass(line, socket)
        socket.close
      end
    rescue ArgumentError, EOFError, SystemCallError
      socket&.close
    end

    # Takes the first line alone: what follows is for the child.
    def first_line(socket)
      text = +''
      until text.end_with?("\n")
        there = socket.recv(FIRST_BYTES, Socket::MSG_PEEK)
        raise EOFError if there.empty?

        text << socket.sysread((there.index("\n") || there.size - 1) + 1)
      end
      Json.read(text)
    end

    # What a worker says on its link; its end is the end of its children.
    def hear(io)
      channel, link = @links[io]
      lines = channel.received
      return lines.each { |line| to_branches(line) } if lines

      @links.delete(io)
      channel.close
      to_branches('op' => 'end', 'link' => link)
    end

    # A branch may have died since we looked: then once more, with another.
    def pass(line, socket)
      2.times do
        rights = Socket::AncillaryData.unix_rights(socket)
        return branch(line['framework']).socket.sendmsg(Json.write(line), 0, nil, rights)
      rescue Errno::EPIPE, Errno::ECONNRESET
        wither(@branches.delete(line['framework']))
      end
    end

    def to_branches(line)
      @branches.each_value do |grown|
        grown.socket.sendmsg(Json.write(line))
      rescue SystemCallError
        nil # It has ended; its socket says so next.
      end
    end

    def branch(framework)
      @branches[framework] ||= begin
        ours, theirs = UNIXSocket.pair(:SEQPACKET)
        pid = grow(framework, ours, theirs)
        theirs.close
        Grown.new(pid, ours)
      end
    end

    def grow(framework, ours, theirs)
      preloader = $$
      ::Process.fork do
        System.die_with_parent(preloader)
        [ours, @server, *@branches.values.map(&:socket), @owner, *@links.values.map(&:first)].each(&:close)
        Branch.new(framework, @settings, @callbacks, theirs, File.dirname(@path), @traps).run
        Process.exit!(0)
      end
    end

    # A branch has ended, and its children with it: the next request grows another.
    def wither(grown)
      grown.socket.close
      Process.wait(grown.pid)
      true
    rescue Errno::ECHILD
      true
    end

    def stop
      @compiled.finish
      File.unlink(@path) if @server && File.exist?(@path)
      @branches.each_value { |grown| grown.socket.close_write }
      @branches.each_value { |grown| wither(grown) }
    rescue SystemCallError, IOError
      nil
    end
  end
end
