# frozen_string_literal: true

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

    class << self
      def write(value)
        case value
        when String then string(value)
        when Hash then object(value)
        when Array then "[#{value.map { |item| write(item) }.join(',')}]"
        when Integer, true, false then value.to_s
        when Float then value.finite? ? value.to_s : '0'
        when nil then 'null'
        else string(value)
        end
      end

      def read(text)
        Reader.new(text).value
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
        hash.each do |key, item|
          text << ',' if text.size > 1
          text << (KEYS[key] ||= "#{string(key)}:") << write(item)
        end
        text << '}'
      end

      def string(object)
        text = utf8(object)
        text = text.gsub(ESCAPED) { |char| ESCAPES[char] } if text.match?(ESCAPED)
        %("#{text}")
      end
    end

    # Reads one value of JSON.
    class Reader
      STRING = /\G"((?:[^"\\]|\\.)*)"/m.freeze
      NUMBER = /\G-?\d+(\.\d+)?([eE][-+]?\d+)?/.freeze
      ESCAPE = /\\u(d[89ab]..)\\u(d[c-f]..)|\\u(....)|\\(.)/im.freeze
      WORDS = { 'true' => true, 'false' => false, 'null' => nil }.freeze

      def initialize(text)
        @text = text
        @at = 0
      end

      def value
        case peek
        when '{' then object
        when '[' then array
        when '"' then string
        else word_or_number
        end
      end

      private

      def peek
        @at += 1 while " \t\r\n".include?(@text[@at] || '.')
        @text[@at]
      end

      def skip(char)
        raise ArgumentError, "#{char} expected at #{@at} of #{@text[0, 200]}" unless peek == char

        @at += 1
      end

      def object
        list('{', '}').each_with_object({}) { |(key, item), hash| hash[key] = item }
      end

      def array
        list('[', ']')
      end

      def list(open, close)
        items = []
        skip(open)
        until peek == close
          skip(',') unless items.empty?
          items << (open == '{' ? pair : value)
        end
        skip(close)
        items
      end

      def pair
        peek
        key = string
        skip(':')
        [key, value]
      end

      def string
        match(STRING)[1].gsub(ESCAPE) do
          found = Regexp.last_match
          next surrogates(found[1].hex, found[2].hex) if found[1]
          next [found[3].hex].pack('U') if found[3]

          UNESCAPES.fetch(found[4], found[4])
        end
      end

      def surrogates(high, low)
        [0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)].pack('U')
      end

      def word_or_number
        found = WORDS.keys.find { |text| @text[@at, text.size] == text }
        return number unless found

        @at += found.size
        WORDS[found]
      end

      def number
        text = match(NUMBER)
        text[1] || text[2] ? text[0].to_f : text[0].to_i
      end

      def match(pattern)
        found = pattern.match(@text, @at)
        raise ArgumentError, "no value at #{@at} of #{@text[0, 200]}" unless found

        @at = found.end(0)
        found
      end
    end
  end

  # Lines of JSON over a socket of ours, never over stdout.
  class Channel
    # A line of ours, never of a stranger: what is longer is a bug.
    READ_BYTES = 64 * 1024
    # Taken now: tests replace methods.
    SELECT = ::IO.method(:select)

    attr_reader :io

    def initialize(io)
      @io = IO.for_fd(io.fileno, 'r+b')
      @io.sync = true
      io.autoclose = false unless io.equal?(@io)
      @rest = +''
      @mutex = Mutex.new
    end

    def send(event)
      line = Json.write(event) << "\n"
      @mutex.synchronize do
        written = write_some(line)
        until written == line.bytesize
          line = line.byteslice(written..-1)
          written = write_some(line)
        end
      end
    end

    # The next line; nil at the end.
    def receive
      line = buffered
      until line
        @rest << @io.sysread(READ_BYTES)
        line = buffered
      end
      Json.read(line.force_encoding(Encoding::UTF_8))
    rescue EOFError, Errno::ECONNRESET, Errno::EPIPE
      nil
    end

    # The lines that can be had without waiting; nil at the end.
    def received
      @rest << @io.read_nonblock(READ_BYTES)
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

    # Ruby makes sockets non-blocking; a worker that reads more slowly than tests end fills ours.
    def write_some(line)
      @io.syswrite(line)
    rescue Errno::EAGAIN
      SELECT.call(nil, [@io])
      retry
    end

    def buffered
      stop = @rest.index("\n")
      @rest.slice!(0..stop) if stop
    end
  end
end
