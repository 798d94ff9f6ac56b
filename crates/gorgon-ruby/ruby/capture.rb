# frozen_string_literal: true

require_relative 'system'

module Gorgon
  # Takes stdout and stderr of a process and of all that it starts, at the level of descriptors.
  #
  # It is a file without a name: a pipe would have to be emptied while a test holds Ruby's lock, and
  # whoever keeps its other end open would keep its reader waiting.
  class Capture
    LIMIT_BYTES = 64 * 1024
    # A file that prints without end is cut on the disk, too; looked at by the parent.
    DISK_BYTES = 64 * 1024 * 1024

    # Where a stream is to lead.
    Target = Struct.new(:io, :inode, :device)
    # Taken at load: tests replace them.
    STREAMS = [STDOUT, STDERR].freeze
    STAT, FLUSH, CLOSED, SET_SYNC, FILENO, REOPEN, DUP = %i[stat flush closed? sync= fileno reopen dup].map { |name| ::IO.instance_method(name) }
    private_constant :Target, :STREAMS, :STAT, :FLUSH, :CLOSED, :SET_SYNC, :FILENO, :REOPEN, :DUP

    def initialize(directory)
      path = File.join(directory, ".output-#{$$}-#{object_id}")
      # A test may ask each open file for its path.
      @file = System.keep(File.open(path, File::RDWR | File::CREAT | File::EXCL | File::APPEND, 0o600))
      @file.binmode
      # An IO that cannot be read, like stdout: a stream that is reopened with an IO becomes readable if that is.
      @here = target(System.keep(IO.for_fd(IO.sysopen(path, File::WRONLY | File::APPEND), 'a')))
      @kept = {}.compare_by_identity # stream => where a helper has pointed it
      File.unlink(path)
    end

    # Points stdout and stderr here, or where they were last kept, and Ruby's own streams at them.
    def take
      STREAMS.each { |stream| lead(stream, @kept.fetch(stream, @here)) }
      $stdout, $stderr = STREAMS
    end

    # What Ruby holds back of either stream goes where that points now.
    def flush
      STREAMS.each { |stream| FLUSH.bind_call(stream) unless CLOSED.bind_call(stream) }
    rescue IOError, SystemCallError
      nil # A test has pointed it there: to a pipe that nobody reads, to a full disk.
    end

    # Where stdout and stderr point now, there they are pointed from now on.
    def keep
      STREAMS.each do |stream|
        next if CLOSED.bind_call(stream) || leads_to?(stream, @kept.fetch(stream, @here))

        @kept.delete(stream)&.io&.close
        @kept[stream] = target(System.keep(DUP.bind_call(stream))) unless leads_to?(stream, @here)
      end
    end

    def size
      @file.size
    end

    # Forgets what was printed.
    def clear
      @file.truncate(0) unless @file.size.zero?
    end

    # What was printed since the file had this size, cut in the middle.
    def text(from = 0, limit = LIMIT_BYTES)
      size = @file.size
      from = 0 if from > size
      return '' if size == from
      return @file.pread(size - from, from) if size - from <= limit

      half = limit / 2
      head = @file.pread(half, from)
      tail = @file.pread(half, size - half)
      "#{head}#{Capture.mark(size - from - limit + (from.zero? ? shrunk : 0))}#{tail}"
    rescue EOFError, IOError
      ''
    end

    # Keeps head and tail of a file that has become too big for the disk.
    def shrink
      size = @file.size
      return if size < DISK_BYTES

      head = @file.pread(LIMIT_BYTES / 2, 0)
      left_out = size - head.bytesize + shrunk
      @file.truncate(0)
      @file.syswrite("#{head}#{Capture.mark(left_out)}")
    end

    def close
      [@file, @here.io, *@kept.values.map(&:io)].each(&:close)
    end

    def self.mark(bytes)
      "\n[... #{bytes} bytes left out ...]\n"
    end

    # A text of at most `limit` bytes, cut in the middle.
    def self.cut(text, limit)
      return text if text.bytesize <= limit

      half = limit / 2
      left_out = text.bytesize - limit + left_out_before(text.byteslice(half, text.bytesize - limit))
      "#{text.byteslice(0, half)}#{mark(left_out)}#{text.byteslice(-half, half)}".scrub('')
    end

    # How much earlier cuts have left out of a text.
    def self.left_out_before(text)
      text.b.scan(/\[\.\.\. (\d+) bytes left out \.\.\.\]/n).sum { |(digits)| digits.to_i }
    end

    private

    # How much was left out of the file on the disk.
    def shrunk
      Capture.left_out_before(@file.pread(64, LIMIT_BYTES / 2))
    rescue EOFError
      0
    end

    def target(io)
      stat = STAT.bind_call(io)
      Target.new(io, stat.ino, stat.dev)
    end

    def lead(stream, target)
      point(stream, target.io) unless leads_to?(stream, target)
      SET_SYNC.bind_call(stream, true)
    end

    def leads_to?(stream, target)
      found = STAT.bind_call(stream)
      found.ino == target.inode && found.dev == target.device
    rescue IOError, SystemCallError
      false
    end

    # Redirects the descriptor and leaves Ruby's own object alone, unless a test has reopened it.
    def point(stream, io)
      flush
      return if stream.instance_of?(::IO) && System.place(io, FILENO.bind_call(stream))

      REOPEN.bind_call(stream, io)
    rescue IOError
      # A test closed the stream; Ruby leaves the descriptor of that number open. What it is reopened with must be a file.
      REOPEN.bind_call(stream, "/proc/self/fd/#{@here.io.fileno}", 'a')
    end
  end
end
