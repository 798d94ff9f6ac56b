# frozen_string_literal: true

require_relative 'gem_paths'
require_relative 'system'

module Gorgon
  # Puts back, between the files of a child, what the tests of one file may have changed for the next: working
  # directory, umask, handlers of signals, standard streams, RubyGems' paths, encodings that no path can bear. ENV and
  # globals are the file's own business, as they would be in one plain process.
  #
  # What loading and hooks of the suite change is kept. A plain run loads all files, then runs these hooks, then the
  # tests. So what loading changes holds for all later loading and all tests, and what hooks change for all tests. What
  # ends the suite comes last, and finds what tests have left.
  class Restore
    SIGNALS = %w[INT TERM HUP QUIT USR1 USR2 ALRM CHLD PIPE CONT WINCH].freeze
    # Taken at load: tests replace Dir and File.
    TRAP = ::Signal.method(:trap)
    UMASK = ::File.method(:umask)
    PWD = ::Dir.method(:pwd)
    CHDIR = ::Dir.method(:chdir)
    private_constant :SIGNALS, :TRAP, :UMASK, :PWD, :CHDIR

    # To be called before the first file, where our own handler of INT is set.
    def initialize(root, capture)
      @root = root
      @capture = capture
      @encodings = [::Encoding.default_external, ::Encoding.default_internal]
      @gem_paths = GemPaths.new
      # What files are loaded with.
      traps = handlers
      @signals = traps.keys
      @loading = { directory: root, umask: UMASK.call, out: STDOUT, err: STDERR, in: STDIN, **traps }
      # What hooks of the suite have changed of that, for tests.
      @hooked = {}
      # What tests have changed and not put back, for what ends the suite.
      @left = {}
      @kept = nil
      @noted = {}
    end

    # To be called before each file: puts back what tests have changed.
    def call
      changed = [*note.keys, *@hooked.keys]
      @noted = @kept = nil
      restore_encodings
      @gem_paths.restore
      @capture.take
      changed.each { |what| put(what, @loading[what]) }
      enter(@loading[:directory])
      put_streams
    end

    # To be called when a file has been loaded, before its tests: from now on `call` puts back what is set now. The block
    # runs hooks of the suite, if some are `due`. Only the first call for a file counts: a second framework may take the
    # file up when tests of the first have run.
    def keep(due: false)
      return (yield if block_given?) if @kept

      @kept = true
      @loading.update(changes(@loading))
      to_tests
      yield if block_given?
      @hooked = changes(@loading) if due
      @testing = @hooked.empty? ? @loading : @loading.merge(@hooked)
      @gem_paths.keep
      @capture.keep
    end

    # Notes what the tests of a file have left, and changes nothing. To be called when they have ended.
    def note
      @noted ||= changes(@kept ? @testing : @loading).each { |what, value| @left[what] = value }
    end

    # To be called before what ends the suite. It finds what the tests of all files have left, as in one process.
    def to_the_end
      note
      to_tests unless @kept
      @left.each { |what, value| put(what, value) unless what == :directory && directory.nil? }
    end

    # Runs the block, a callback, in the directory and with the streams that callbacks always have.
    def outside
      before = [directory, $stdout, $stderr, $stdin]
      enter(@root)
      @capture.take
      $stdin = STDIN
      yield
    ensure
      directory, $stdout, $stderr, $stdin = before
      enter(directory) if directory
    end

    # Only those in which no path can be told: to set others is a helper's right. To be called before
    # anything that names a file.
    def restore_encodings
      return if paths_can_be_told?

      verbose = $VERBOSE
      $VERBOSE = nil
      ::Encoding.default_external, ::Encoding.default_internal = @encodings
      $VERBOSE = verbose
    end

    private

    def paths_can_be_told?
      ::Encoding.default_external.ascii_compatible? && ::Encoding.default_internal&.ascii_compatible? != false
    end

    # As when tests begin.
    def to_tests
      @hooked.each { |what, value| put(what, what == :out || what == :err ? usable(what, value) : value) }
    end

    # What is set now, where it is not what was `expected`. A directory that is gone is no change.
    def changes(expected)
      found = {}
      place = directory
      found[:directory] = place if place && place != expected[:directory]
      found[:umask] = UMASK.call unless UMASK.call == expected[:umask]
      found[:out] = $stdout unless $stdout.equal?(expected[:out])
      found[:err] = $stderr unless $stderr.equal?(expected[:err])
      found[:in] = $stdin unless $stdin.equal?(expected[:in])
      # To read a handler is to set another one, for a moment: the one that is likely there. nil: the signal is ignored.
      # Ruby gives a command of a handler in a new string each time.
      @signals.each do |number|
        likely = expected[number]
        now = TRAP.call(number, likely)
        next if now.equal?(likely) || (String === now && now == likely)

        TRAP.call(number, now)
        found[number] = now
      end
      found
    end

    def put(what, value)
      case what
      when :directory then enter(value)
      when :umask then UMASK.call(value)
      when :out then $stdout = value
      when :err then $stderr = value
      when :in then $stdin = value
      else TRAP.call(what, value)
      end
    end

    def put_streams
      $stdout = usable(:out, @loading[:out])
      $stderr = usable(:err, @loading[:err])
      $stdin = @loading[:in]
    end

    # One that is gone since cannot be entered: then it is the project's.
    def enter(path)
      change_to(path) || change_to(@root) unless directory == path
    end

    # Returns false where that cannot be entered. While a thread of an earlier file is in a block of Dir.chdir, nobody else
    # may enter any, in a plain run neither: then all stay where they are.
    def change_to(path)
      CHDIR.call(path)
    rescue SystemCallError
      false
    rescue ::RuntimeError
      true
    end

    # nil: it is gone.
    def directory
      PWD.call
    rescue SystemCallError
      nil
    end

    # The number of a signal => its handler; without those that Ruby did not set.
    def handlers
      SIGNALS.map { |name| ::Signal.list[name] }.to_h { |number| [number, first_handler(number)] }.compact
    end

    def first_handler(number)
      found = TRAP.call(number, 'DEFAULT')
      TRAP.call(number, found) if found
      found
    rescue ArgumentError
      nil
    end

    # What stands for an output may have been closed by tests. It need not be an IO.
    def usable(what, stream)
      usual = what == :out ? STDOUT : STDERR
      !stream.equal?(usual) && stream.closed? ? usual : stream
    rescue StandardError
      stream
    end
  end
end
