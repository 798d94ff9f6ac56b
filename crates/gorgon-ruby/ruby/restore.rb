# frozen_string_literal: true

require_relative 'gem_paths'
require_relative 'system'

module Gorgon
  # Puts back, between the files of a child, what the tests of one file may have changed for the next: working
  # directory, umask, handlers of signals, standard streams, RubyGems' paths, encodings that no path can bear. ENV and
  # globals are the file's own business, as they would be in one plain process.
  #
  # What loading and hooks of the suite change is kept. A plain run loads all files, then runs these hooks, then the
  # tests. So what loading changes holds for all later loading and all tests, and what hooks change for all tests.
  class Restore
    # By INT a child is told to stop: its handler is ours, and always put back.
    INT = ::Signal.list['INT']
    SIGNALS = %w[TERM HUP QUIT USR1 USR2 ALRM CHLD PIPE CONT WINCH].freeze
    TRAP = ::Signal.method(:trap)

    # To be called before the first file.
    def initialize(root, capture)
      @root = root
      @capture = capture
      @encodings = [::Encoding.default_external, ::Encoding.default_internal]
      @gem_paths = GemPaths.new
      @int = first_handler(INT)
      # What files are loaded with.
      @directory = root
      @umask = File.umask
      @out, @err, @in = STDOUT, STDERR, STDIN
      @traps = handlers
      # What hooks of the suite have changed of that, for tests.
      @hooked = {}
    end

    # To be called before each file: puts back what tests have changed.
    def call
      @kept = false
      restore_encodings
      @gem_paths.restore
      @capture.take
      enter(@directory)
      File.umask(@umask)
      TRAP.call(INT, @int)
      @traps.each { |number, handler| TRAP.call(number, handler) }
      put_streams
    end

    # To be called when a file has been loaded, before its tests: from now on that is put back which is set now. The
    # block runs hooks of the suite, if some are `due`. Once a file: a second framework may take it up when tests of the
    # first have run.
    def keep(due: false)
      return (yield if block_given?) if @kept

      @kept = true
      keep_what_loading_set
      to_tests
      yield if block_given?
      @hooked = changes if due
      @gem_paths.keep
      @capture.keep
    end

    # As when tests begin. To be called before what ends the suite.
    def to_tests
      @hooked.each { |what, value| put(what, value) }
    end

    # Runs the block, a callback, in the directory and with the streams that callbacks always have.
    def outside
      before = [directory, $stdout, $stderr, $stdin]
      enter(@root)
      $stdout, $stderr, $stdin = STDOUT, STDERR, STDIN
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

    def keep_what_loading_set
      @directory = directory || @directory
      @umask = File.umask
      @traps.each do |number, handler|
        found = handler(number, handler)
        @traps[number] = found unless found.equal?(handler)
      end
      @out, @err, @in = $stdout, $stderr, $stdin
    end

    # What is set now, where it is not what files are loaded with.
    def changes
      now = { directory: [directory || @directory, @directory], umask: [File.umask, @umask],
              out: [$stdout, @out], err: [$stderr, @err], in: [$stdin, @in] }
      @traps.each { |number, handler| now[number] = [handler(number, @hooked.fetch(number, handler)), handler] }
      now.reject { |_, (value, loading)| same?(value, loading) }.transform_values(&:first)
    end

    def put(what, value)
      case what
      when :directory then enter(value)
      when :umask then File.umask(value)
      when :out then $stdout = usable(value, STDOUT)
      when :err then $stderr = usable(value, STDERR)
      when :in then $stdin = value
      else TRAP.call(what, value)
      end
    end

    def put_streams
      $stdout = usable(@out, STDOUT)
      $stderr = usable(@err, STDERR)
      $stdin = @in
    end

    # Ruby gives a command of a handler in a new string each time.
    def same?(one, other)
      one.equal?(other) || ((String === one || Integer === one) && one == other)
    end

    # One that is gone since cannot be entered: then it is the project's.
    def enter(path)
      Dir.chdir(path) unless directory == path
    rescue SystemCallError
      Dir.chdir(@root)
    end

    # nil: it is gone.
    def directory
      Dir.pwd
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

    # To read a handler is to set another one, for a moment: the one that is likely there. nil: the signal is ignored.
    def handler(number, likely)
      found = TRAP.call(number, likely)
      TRAP.call(number, found) unless same?(found, likely)
      found
    end

    # What stands for an output may have been closed by tests. It need not be an IO.
    def usable(stream, usual)
      !stream.equal?(usual) && stream.closed? ? usual : stream
    rescue StandardError
      stream
    end
  end
end
