# frozen_string_literal: true

require_relative 'system'

module Gorgon
  # The lines that a Ruby child holds back, in a file: to write there wakes nobody. Its branch sends them from there if it
  # dies before it has, and its worker looks there when it hears nothing for a while. The file is written over from its
  # beginning after each sending.
  #
  # Lines are numbered, and the worker passes over those that it has had, so what was sent need not be wiped out.
  class Drafts
    # What a child holds at most before it sends, but for its last line.
    HELD_BYTES = 16 * 1024
    # A line of ours is shorter.
    READ_BYTES = 16 * 1024 * 1024

    # Of bytes: what remains of an older line may begin inside a character.
    NUMBER = /\A\{"n":(\d+),/n.freeze
    # Taken at load: tests replace methods.
    DIGITS = ::Integer.instance_method(:to_s)

    # The same line with its number.
    def self.numbered(number, line)
      "#{head(number)}#{line[1..-1]}"
    end

    def self.head(number)
      %({"n":#{DIGITS.bind_call(number)},)
    end

    attr_reader :path

    def initialize(directory)
      @path = File.join(directory, "drafts-#{$$}-#{(System.now * 1_000_000).to_i}-#{object_id}")
      @io = System.keep(File.open(@path, File::RDWR | File::CREAT | File::EXCL, 0o600))
      @io.binmode
      @size = 0
    end

    # Returns whether the line is kept: a full disk takes none, and a test may close our descriptors.
    def keep(line)
      @size += @io.pwrite(line, @size)
      true
    rescue SystemCallError, IOError
      false
    end

    # All of it is sent.
    def sent
      @size = 0
    end

    # Called in another process: the lines that the child wrote since it last sent, and perhaps some that it had sent. What
    # follows them is what remains of older lines.
    def text
      latest = 0
      lines = @io.pread(READ_BYTES, 0).force_encoding(Encoding::BINARY).lines
      good = lines.take_while do |line|
        number = line[NUMBER, 1].to_i
        number > latest && (latest = number)
      end
      good.join.force_encoding(Encoding::UTF_8)
    rescue SystemCallError, IOError
      ''
    end

    # Called in another process, before it has the child interrupted. It is noted in the mode of the file, which both have.
    def ask_to_stop
      @io.chmod(0o400)
    rescue SystemCallError, IOError
      nil
    end

    # Whether the child is to stop: a test may interrupt its own process, and expect that. Where a test has closed the
    # file, nobody can tell.
    def asked_to_stop?
      (@io.stat.mode & 0o200).zero?
    rescue SystemCallError, IOError
      true
    end

    # The child has ended.
    def remove
      File.unlink(@path)
    rescue SystemCallError
      nil
    end

    def close
      @io.close
    rescue IOError
      nil
    end
  end
end
