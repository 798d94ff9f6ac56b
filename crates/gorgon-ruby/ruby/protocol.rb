# frozen_string_literal: true

require_relative 'drafts'
require_relative 'system'

module Gorgon
  # JSON, as far as our lines need it. Ruby's own is a gem: to load it before the project's Bundler
  # does would pin its version, and tests replace its methods.
  module Json
    ESCAPES = Hash.new { |_, char| ::Kernel.format('\\u%04x', char.ord) }
    ESCAPES.update('"' => '\\"', '\\' => '\\\\', "\n" => '\\n', "\r" => '\\r', "\t" => '\\t')
    ESCAPED = /["\\\u0000-\u001f\u007f]/.freeze
    # Keys as they are written; ours, so they are few.
    KEYS = {} # rubocop:disable Style/MutableConstant
    UNESCAPES = { 'n' => "\n", 'r' => "\r", 't' => "\t", 'b' => "\b", 'f' => "\f" }.freeze

    # Taken at load: a file may replace what its results are written with.
    EACH = Hash.instance_method(:each)
    MAP = Array.instance_method(:map)
    JOIN = Array.instance_method(:join)
    DIGITS = Integer.instance_method(:to_s)
    DECIMALS = Float.instance_method(:to_s)
    APPEND = String.instance_method(:concat)
    MATCHES = String.instance_method(:match?)
    REPLACED = String.instance_method(:gsub)

    class << self
      def write(value)
        case value
        when String then string(value)
        when Hash then object(value)
        when Array then "[#{JOIN.bind_call(MAP.bind_call(value) { |item| write(item) }, ',')}]"
        when Integer then DIGITS.bind_call(value)
        when true, false then value ? 'true' : 'false'
        when Float then value.finite? ? DECIMALS.bind_call(value) : '0'
        when nil then 'null'
        else string(value)
        end
      end

      def read(text)
        Flat.read(text) || Reader.new(text).value
      end

      # Any object's text as valid UTF-8: what is none is replaced.
      def utf8(object)
        text = object.to_s
        return text if text.instance_of?(String) && text.encoding == Encoding::UTF_8 && text.valid_encoding?

        text = String.new(text)
        case text.encoding
        when Encoding::UTF_8 then nil
        when Encoding::US_ASCII, Encoding::BINARY then text.force_encoding(Encoding::UTF_8)
        else text = text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace)
        end
        text.valid_encoding? ? text : text.scrub
      rescue EncodingError
        text.force_encoding(Encoding::UTF_8).scrub
      end

      private

      def object(hash)
        text = +'{'
        EACH.bind_call(hash) do |key, item|
          APPEND.bind_call(text, ',') if text.size > 1
          APPEND.bind_call(text, KEYS[key] ||= "#{string(key)}:", write(item))
        end
        APPEND.bind_call(text, '}')
      end

      def string(object)
        text = utf8(object)
        text = REPLACED.bind_call(text, ESCAPED) { |char| ESCAPES[char] } if MATCHES.bind_call(text, ESCAPED)
        %("#{text}")
      end
    end

    # Reads an object of plain values and lists of texts, without blanks or escapes, which is what the worker writes for most files: two
    # looks at the text in place of one at each of its words.
    module Flat
      STRING = /"([^"\\]*+)"/.freeze
      OTHER = /(\[\]|true|false|null|-?\d++(?![.eE]))/.freeze
      STRINGS = /\[("[^"\\]*+"(?:,"[^"\\]*+")*+)\]/.freeze
      PAIR = /#{STRING}:(?:#{STRING}|#{OTHER}|#{STRINGS})/.freeze
      OBJECT = /\A\{#{PAIR}(?:,#{PAIR})*+\}\n?\z/.freeze
      CONSTANTS = { 'true' => true, 'false' => false, 'null' => nil }.freeze

      # nil: the text is no such object.
      def self.read(text)
        return unless text.match?(OBJECT)

        text.scan(PAIR).each_with_object({}) do |(key, string, other, strings), hash|
          hash[key] = string || (strings ? strings.scan(STRING).flatten : value(other))
        end
      end

      def self.value(word)
        word == '[]' ? [] : CONSTANTS.fetch(word) { word.to_i }
      end
    end

    # Reads one value of JSON, cut into its words at one go: to look at each character costs more than
    # a small test does.
    class Reader
      WORD = /"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|[^\s{}\[\],:"]+|"/m.freeze
      NUMBER = /\A-?\d+(\.\d+)?([eE][-+]?\d+)?\z/.freeze
      ESCAPE = /\\u(d[89ab]..)\\u(d[c-f]..)|\\u(....)|\\(.)/im.freeze
      CONSTANTS = { 'true' => true, 'false' => false, 'null' => nil }.freeze

      def initialize(text)
        @words = text.scan(WORD)
        @at = -1
      end

      def value
        word = following
        case word
        when '{' then object
        when '[' then array
        else plain(word)
        end
      end

      private

      def following
        @words[@at += 1] || raise(ArgumentError, "a value or its end is missing after #{@words.last(5).join(' ')}")
      end

      def object
        list('}').each_with_object({}) { |(key, item), hash| hash[key] = item }
      end

      def array
        list(']')
      end

      def list(close)
        items = []
        until @words[@at + 1] == close
          expect(',') unless items.empty?
          items << (close == '}' ? pair : value)
        end
        @at += 1
        items
      end

      def pair
        key = string(following)
        expect(':')
        [key, value]
      end

      def expect(char)
        word = following
        raise ArgumentError, "#{char} expected in place of #{word[0, 200]}" unless word == char
      end

      def plain(word)
        return string(word) if word.start_with?('"')
        return CONSTANTS[word] if CONSTANTS.key?(word)

        found = NUMBER.match(word)
        raise ArgumentError, "no value: #{word[0, 200]}" unless found

        found[1] || found[2] ? word.to_f : word.to_i
      end

      def string(word)
        raise ArgumentError, "no text: #{word[0, 200]}" unless word.size > 1 && word.start_with?('"')

        text = word[1..-2]
        text.include?('\\') ? unescaped(text) : text
      end

      def unescaped(text)
        text.gsub(ESCAPE) do
          found = Regexp.last_match
          next surrogates(found[1].hex, found[2].hex) if found[1]
          next [found[3].hex].pack('U') if found[3]

          UNESCAPES.fetch(found[4], found[4])
        end
      end

      def surrogates(high, low)
        [0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)].pack('U')
      end
    end
  end

  # Lines of JSON over a socket of ours, never over stdout.
  class Channel
    # Seconds after the last line in either direction during which `send_soon` holds its line back.
    SOON_S = 0.01
    # Most lines are shorter, and each read makes a buffer.
    READ_BYTES = 4 * 1024
    # Taken now: tests replace methods.
    SELECT = ::IO.method(:select)

    attr_reader :io

    # The file that keeps held lines, in case this process dies.
    attr_writer :drafts

    def initialize(io, drafts = nil, mode: 'r+b')
      @io = System.keep(IO.for_fd(io.fileno, mode))
      @io.sync = true
      io.autoclose = false unless io.equal?(@io)
      @drafts = drafts
      @number = 0
      @spoke_at = 0.0
      @rest = +''
      @held = +''
      @sending = +''
      @cut = false
      @mutex = Mutex.new
    end

    def drafts_path
      @drafts&.path
    end

    # Whether the process that holds the other end of the drafts wants this one to stop.
    def asked_to_stop?
      @drafts.nil? || @drafts.asked_to_stop?
    end

    # An event as a line, for those that are always the same.
    def self.line(event)
      "#{Json.write(event)}\n".freeze
    end

    # To be sent with the next event: each write wakes the other side.
    def hold(event)
      hold_line("#{Json.write(event)}\n")
    end

    def hold_line(line)
      @mutex.synchronize do
        line = numbered(line)
        kept = @drafts.keep(line) if @drafts
        @held = "#{@held}#{line}"
        write_all('') if kept == false || @held.bytesize > Drafts::HELD_BYTES
      end
    end

    def send(event)
      line = "#{Json.write(event)}\n"
      @mutex.synchronize { write_all(numbered(line)) }
    end

    # Sends the event, or holds it back if something was sent or received a moment ago.
    def send_soon(event)
      System.now - @spoke_at < SOON_S ? hold(event) : send(event)
    end

    # As `send`, after a line that may have been cut off in the middle, and after what was held.
    def send_anew(event, held = '')
      line = "#{Json.write(event)}\n"
      @mutex.synchronize do
        @cut = true
        @held = "#{held}#{@held}"
        write_all(numbered(line))
      end
    end

    # The next line; nil at the end.
    def receive
      line = buffered
      until line
        @rest = "#{@rest}#{read_some}"
        line = buffered
      end
      @spoke_at = System.now
      Json.read(line.force_encoding(Encoding::UTF_8))
    rescue EOFError, Errno::ECONNRESET, Errno::EPIPE
      nil
    end

    # The lines that can be had without waiting; nil at the end.
    def received
      @rest = "#{@rest}#{@io.read_nonblock(READ_BYTES)}"
      lines = []
      while (line = buffered)
        lines << Json.read(line.force_encoding(Encoding::UTF_8))
      end
      lines
    rescue ::IO::WaitReadable
      []
    rescue EOFError, Errno::ECONNRESET, Errno::EPIPE
      nil
    end

    def close
      @io.close
    rescue IOError
      nil
    end

    private

    # Each line of a child has the number that follows the one before it. So who looks into the drafts knows whether
    # something is on its way that comes before them.
    def numbered(line)
      @drafts ? Drafts.numbered(@number += 1, line) : line
    end

    # Where an interrupt has cut off the line before: that is given up, but not what was held.
    def write_all(line)
      @sending = "#{@sending}#{@held}"
      @held = +''
      line = "#{"\n" if @cut}#{@sending}#{line}"
      @cut = true
      written = write_some(line)
      until written >= line.bytesize
        line = line.byteslice(written..-1)
        written = write_some(line)
      end
      @cut = false
      @sending = +''
      @spoke_at = System.now
      @drafts&.sent
    end

    # Ruby makes sockets non-blocking; a worker that reads more slowly than tests end fills ours.
    def write_some(line)
      @io.syswrite(line)
    rescue Errno::EAGAIN
      SELECT.call(nil, [@io])
      retry
    end

    # Waits for the first bytes. A process that ends meanwhile, and a signal, interrupt the wait.
    def read_some
      @io.readpartial(READ_BYTES)
    end

    def buffered
      stop = @rest.index("\n")
      @rest.slice!(0..stop) if stop
    end
  end
end
