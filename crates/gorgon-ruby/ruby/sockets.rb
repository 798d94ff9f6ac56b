# frozen_string_literal: true

require_relative 'system'

module Gorgon
  # Sockets as far as the preloader needs them, by calls of the kernel: what Ruby's library defines would be there for
  # every test, also for one whose code has forgotten to require it.
  module Sockets
    SOCKET, BIND, LISTEN, ACCEPT, CONNECT = { 'x86_64' => [41, 49, 50, 288, 42], 'aarch64' => [198, 200, 201, 242, 203],
                                              'arm64' => [198, 200, 201, 242, 203] }[RUBY_PLATFORM[/\A[^-]+/]]
    AF_UNIX = 1
    SOCK_STREAM = 1
    SOCK_NONBLOCK = 0x800
    SOCK_CLOEXEC = 0x80000
    # More workers than a host has ask at once.
    BACKLOG = 1024

    class << self
      # The name of a socket has at most 107 bytes, and TMPDIR may be longer: so it is named from the
      # open directory. It is ours alone.
      def listen(path)
        directory, name = File.split(path)
        listener = Dir.open(directory) { |open| bound("/proc/self/fd/#{open.fileno}/#{name}") }
        File.chmod(0o600, path)
        listener
      end

      # A connection to whoever listens there.
      def connect(path)
        directory, name = File.split(path)
        Dir.open(directory) { |open| connected("/proc/self/fd/#{open.fileno}/#{name}") }
      end

      # The next connection; nil when whoever wanted it has gone.
      def accept(listener)
        return listener.accept_nonblock(exception: false).then { |io| io unless io == :wait_readable } unless ACCEPT

        IO.for_fd(System.call(ACCEPT, listener.fileno, 0, 0, SOCK_CLOEXEC), 'r+b')
      rescue Errno::EAGAIN, Errno::ECONNABORTED
        nil
      end

      private

      def bound(path)
        return by_library(path) unless SOCKET

        listener = IO.for_fd(System.call(SOCKET, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'r+b')
        address = [AF_UNIX, path].pack('Sa108')
        # By its place in memory: a text that is handed over as it is may hold no zeros.
        System.call(BIND, listener.fileno, [address].pack('p').unpack1('J'), address.bytesize)
        System.call(LISTEN, listener.fileno, BACKLOG)
        listener
      end

      def connected(path)
        unless CONNECT
          require 'socket'
          return ::UNIXSocket.new(path)
        end

        socket = IO.for_fd(System.call(SOCKET, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'r+b')
        address = [AF_UNIX, path].pack('Sa108')
        System.call(CONNECT, socket.fileno, [address].pack('p').unpack1('J'), address.bytesize)
        socket
      end

      # On a processor whose numbers are not known above.
      def by_library(path)
        require 'socket'
        ::UNIXServer.new(path)
      end
    end
  end
end
