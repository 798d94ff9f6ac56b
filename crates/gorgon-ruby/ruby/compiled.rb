# frozen_string_literal: true

module Gorgon
  # Ruby's compiled code of our scripts, or of a framework, kept for the next run: compiling takes half of the time to
  # load them. The code is valid only for the Ruby that made it, and for a file whose size and time are unchanged. Kept
  # with it is which files children have loaded: only those are made ready for the next children.
  class Compiled
    ISEQ = defined?(::RubyVM::InstructionSequence) ? ::RubyVM::InstructionSequence : nil
    # Made with the scripts where they are unpacked; without it nothing is kept.
    DIRECTORY = ::File.join(__dir__, 'compiled')
    # What older ones load of it is not always what they had compiled.
    OLDEST = '2.7'

    # Whether Ruby's own loading would do no more. Bootsnap has a store of its own, Coverage counts what is compiled, and
    # with warnings a compiler has some to tell.
    def self.usable?
      ISEQ && RUBY_ENGINE == 'ruby' && RUBY_VERSION >= OLDEST && !$VERBOSE && !defined?(::Coverage) &&
        !ISEQ.respond_to?(:load_iseq) && File.directory?(DIRECTORY)
    end

    def initialize(name)
      @kept = {}
      @used = {}
      @asked = {}
      @missing = []
      @project = "#{Dir.pwd}/"
      return unless Compiled.usable?

      @identity = identity
      @path = File.join(DIRECTORY, "#{name}-#{@identity.sum}")
      @kept, @asked = read
    end

    # Runs the block, once; what it loads is compiled already, if it was kept.
    def load(&block)
      return yield unless @path && Compiled.usable?

      begin
        @loading = true
        found_by(method(:find), &block)
      ensure
        @loading = false
        @kept = {}
        @used = {} unless behind?
      end
    end

    # Reads the kept compiled code of files that a child may load later, if children have loaded them before. Files
    # without it are compiled for the next run. Call it in the block of `load`.
    def ahead(paths)
      return unless @loading

      @ahead = paths.to_h { |path| [path, @asked.key?(path) ? find(path) : stay(path)] }
      @told = shared_file
      @place = place(@told)
    rescue SystemCallError
      @ahead = nil # Then they are compiled when they are loaded.
    end

    # Runs the block, in a child. Files that were compiled ahead are not compiled again.
    def with_ahead(&block)
      return yield unless @ahead && Compiled.usable?

      begin
        loaded = []
        found_by(->(path) { @ahead.key?(path) && loaded.push(path) && @ahead.delete(path) }, &block)
      ensure
        tell(loaded)
      end
    end

    # Called by Ruby for each file; nil: it compiles the file. One of the project lies in another workspace next time.
    def find(path)
      found = binary(path) unless path.start_with?(@project)
      ISEQ.load_from_binary(found) if found
    rescue StandardError
      @missing << path
      nil
    end

    # Whether there is something to be kept that was not.
    def behind?
      !@missing.empty?
    end

    # Compiles one more file for the next run; after the last one all is written.
    def catch_up
      path = @missing.pop
      stamp = stamp_of(path)
      @used[path] = [stamp, ISEQ.compile_file(path).to_binary]
      @fresh = true
    rescue ScriptError, StandardError
      nil # It is compiled in each run.
    ensure
      write if @missing.empty?
    end

    # Keeps what there was time for.
    def finish
      hear
      write if @fresh
    end

    private

    # Keeps the compiled code of a file, or has it compiled for the next run, without making it ready.
    def stay(path)
      binary(path)
      nil
    rescue StandardError
      @missing << path
      nil
    end

    # A file without a name, which a child writes to and its parent reads.
    def shared_file
      path = "#{@path}.#{$$}.told"
      file = File.open(path, File::RDWR | File::CREAT | File::EXCL | File::APPEND, 0o600)
      File.unlink(path)
      file
    end

    def place(file)
      stat = file.stat
      [stat.dev, stat.ino]
    end

    # Lets the parent know of files that were loaded and that nobody had loaded before. A test may have closed our
    # descriptor, and its number be that of a file of the test.
    def tell(paths)
      fresh = paths.reject { |path| @asked.key?(path) }
      return if fresh.empty? || place(@told) != @place

      @told.syswrite(fresh.map { |path| "#{path}\n" }.join)
    rescue SystemCallError, IOError
      nil # It is told by the next child, or in the next run.
    end

    def hear
      return unless @told

      @told.sysseek(0)
      @told.read.lines(chomp: true).each { |path| @fresh = @asked[path] = true unless @asked.key?(path) }
    rescue SystemCallError, IOError
      nil
    end

    # The kept compiled code of a file; nil if the file is yet to be compiled, for the next run.
    def binary(path)
      stamp, binary = @kept[path]
      if binary.nil? || stamp != stamp_of(path)
        @missing << path
        return nil
      end
      @used[path] = [stamp, binary]
      binary
    end

    def found_by(find)
      ISEQ.define_singleton_method(:load_iseq) { |path| find.call(path) }
      yield
    ensure
      ISEQ.singleton_class.send(:remove_method, :load_iseq)
    end

    # The interpreter, and how it compiles.
    def identity
      program = File.readlink('/proc/self/exe')
      library = defined?(::RbConfig) ? File.join(::RbConfig::CONFIG['libdir'].to_s, ::RbConfig::CONFIG['LIBRUBY_SO'].to_s) : program
      files = [program, library].map { |path| File.file?(path) ? "#{path} #{stamp_of(path)}" : path }
      [RUBY_DESCRIPTION, *files, ISEQ.compile_option.inspect].join("\n")
    rescue SystemCallError
      RUBY_DESCRIPTION
    end

    def stamp_of(path)
      stat = File.stat(path)
      time = stat.mtime
      "#{stat.size} #{time.to_i} #{time.nsec}"
    end

    # A file that was cut, or that another Ruby has written, holds nothing.
    def read
      sum, text = File.binread(@path).split("\n", 2)
      return [{}, {}] unless text && sum == check(text)

      identity, kept, asked = ::Marshal.load(text)
      identity == @identity ? [kept, asked.to_h] : [{}, {}]
    rescue ArgumentError, TypeError, SystemCallError
      [{}, {}]
    end

    # What is as it was is no longer at hand.
    def write
      @fresh = false
      @used, = read if @used.empty?
      text = ::Marshal.dump([@identity, @used, @asked])
      beside = "#{@path}.#{$$}"
      File.open(beside, 'wb', 0o600) { |file| file.write("#{check(text)}\n", text) }
      File.rename(beside, @path)
    rescue SystemCallError, IOError
      File.unlink(beside) if File.exist?(beside)
    end

    def check(text)
      "#{text.bytesize} #{text.sum(32)}"
    end
  end
end
