# frozen_string_literal: true

require_relative 'branch'
require_relative 'rails/application'
require_relative 'sockets'

module Gorgon
  # Loads the user's application once, then forks: a branch for each framework, from which the Ruby
  # children are forked. Workers reach it over a socket; its owner over what was its stdin. Children are asked for at a
  # further socket for each framework, where its branch answers: what was asked before there is one waits there.
  class Preloader
    FRAMEWORKS = %w[rspec minitest test_unit].freeze

    # A branch as the preloader sees it: the pipe of its orders; the pipe on which it says that it serves, and which ends
    # with it; whether it has served.
    Grown = Struct.new(:pid, :orders, :life, :served)
    # How often in a row a branch may end before it serves. Without a limit that could go on for ever.
    MOST_STARTS = 3
    # A worker, once it has said who it is.
    Link = Struct.new(:channel, :name)

    def initialize(settings, callbacks, owner, compiled)
      @settings = settings
      @callbacks = callbacks
      @owner = owner
      @compiled = compiled
      @path = settings['socket']
      @links = {}
      @doors = {}
      @branches = {}
      @starts = Hash.new(0)
    end

    def run
      failure = @callbacks.run('before_creating_workers')
      return @owner.send(failure.merge(event: 'callback_failed')) if failure

      load_rails if @settings['rails'] == true
      RailsEnvironment.check
      run_loaded
    rescue Refused => e
      refuse(e)
    ensure
      stop
    end

    # The same where the application is loaded.
    def run_loaded
      # Not sooner: the application may set its own.
      @traps = System.deaf
      @server = Sockets.listen(@path)
      FRAMEWORKS.each { |framework| @doors[framework] = Sockets.listen("#{@path}.#{framework}") }
      @owner.send(event: 'ready')
      @settings['frameworks'].first(1).each { |framework| branch(framework) }
      nil while serve
    rescue Refused => e
      refuse(e)
    ensure
      stop
    end

    private

    def refuse(error)
      @owner.send(event: 'refused', what: error.what, message: error.message)
    end

    # If the application cannot be loaded here, the process starts anew without it. Then the files that need it load it,
    # and the error is theirs. Going on with half an application would raise another error than the first one.
    def load_rails
      RailsApplication.load || Anew.start(@settings.merge('rails' => 'by files'), @owner, File.dirname(@path))
    end

    # Waits for one thing to happen; false at the end.
    def serve
      asked = @doors.reject { |framework, _| @branches.key?(framework) }
      lives = @branches.values.map(&:life)
      ready, = IO.select([@owner.io, @server, *@links.keys, *lives, *asked.values], nil, nil, @compiled.behind? ? 0 : nil)
      return @compiled.catch_up || true unless ready

      @branches.delete_if { |framework, grown| ready.include?(grown.life) && over?(framework, grown) }
      @links.keys.each { |io| hear(io) if ready.include?(io) }
      accept if ready.include?(@server)
      asked.each { |framework, door| branch(framework) if ready.include?(door) }
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

    # A worker opens its link.
    def accept
      socket = Sockets.accept(@server) or return
      channel = Channel.new(socket)
      @links[channel.io] = Link.new(channel)
    end

    # What a worker says on its link; its end is the end of its children.
    def hear(io)
      link = @links[io]
      lines = link.channel.received
      return lines.each { |line| line['op'] == 'link' ? link.name = line['link'] : to_branches(line) } if lines

      hang_up(io)
    rescue ArgumentError
      hang_up(io) # No worker speaks like that.
    end

    def hang_up(io)
      link = @links.delete(io)
      link.channel.close
      to_branches('op' => 'end', 'link' => link.name) if link.name
    end

    def to_branches(line)
      @branches.each_value do |grown|
        grown.orders.syswrite("#{Json.write(line)}\n")
      rescue SystemCallError
        nil # It has ended; its pipe says so next.
      end
    end

    def branch(framework)
      @branches[framework] ||= grow(framework)
    end

    # The branch has the reading end of its orders, and the writing end of its life.
    def grow(framework)
      theirs, orders = IO.pipe
      life, living = IO.pipe
      preloader = $$
      CoverageCounts.keep if CoverageWanted.merged?(@settings)
      pid = ::Process.fork do
        System.die_with_parent(preloader)
        [orders, life, *ours_alone(framework)].each(&:close)
        Branch.new(framework, @settings, @callbacks, Branch::Ways.new(@doors[framework], Channel.new(theirs, mode: 'rb'), living),
                   File.dirname(@path), @traps).run
        Process.exit!(0)
      end
      [theirs, living].each(&:close)
      Grown.new(pid, orders, life)
    end

    # The descriptors that a branch does not need, and would keep open.
    def ours_alone(framework)
      doors = @doors.reject { |name, _| name == framework }.values
      [@server, @owner, *doors, *@links.values.map(&:channel), *@branches.values.flat_map { |grown| [grown.orders, grown.life] }]
    end

    # Whether a branch has ended. The next request grows another, unless that is hopeless.
    def over?(framework, grown)
      return false if grown.life.read_nonblock(1, exception: false) && (grown.served = true)

      wither(grown)
      @starts[framework] = grown.served ? 0 : @starts[framework] + 1
      return true if @starts[framework] < MOST_STARTS

      raise Refused.new("the start of #{framework} processes", "their parent ended #{MOST_STARTS} times in a row before it could fork one")
    end

    # A branch has ended, and its children with it.
    def wither(grown)
      [grown.orders, grown.life].each { |io| io.close unless io.closed? }
      Process.wait(grown.pid)
      true
    rescue Errno::ECHILD
      true
    end

    def stop
      return if @stopped

      @stopped = true
      @compiled.finish
      [@path, *@doors.keys.map { |framework| "#{@path}.#{framework}" }].each { |path| File.unlink(path) if @server && File.exist?(path) }
      @branches.each_value { |grown| grown.orders.close }
      @branches.each_value { |grown| wither(grown) }
    rescue SystemCallError, IOError
      nil
    end
  end
end
