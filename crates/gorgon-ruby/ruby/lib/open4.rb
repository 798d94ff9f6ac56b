# frozen_string_literal: true

# Callbacks files of the original use Open4, some without requiring it. Where the gem is installed
# it is taken; else this stands in for what such files call: popen4, popen4ext and spawn.
real = begin
  spec = defined?(Gem::Specification) && Gem::Specification.find_by_name('open4')
  spec.activate if spec && !spec.activated?
  spec && spec.full_require_paths.map { |dir| File.join(dir, 'open4.rb') }.find { |path| File.file?(path) }
rescue LoadError
  nil
end

if real
  require real
else
  require 'open3'

  # A stand-in for the gem open4.
  module Open4
    # A command of spawn that did not exit as expected.
    class SpawnError < StandardError
      attr_reader :cmd, :status

      def initialize(cmd, status)
        @cmd = cmd
        @status = status
        super("cmd <#{cmd}> failed with <#{status.exitstatus.inspect}>")
      end

      def exitstatus
        @status.exitstatus
      end
    end

    module_function

    # With a block: yields pid, stdin, stdout, stderr, and returns the status. Without: returns
    # the four; the caller waits for the pid.
    def popen4(*command)
      stdin, stdin_writer, stdout_reader, stdout, stderr_reader, stderr = IO.pipe + IO.pipe + IO.pipe
      pid = Process.spawn(*command, in: stdin, out: stdout, err: stderr)
      [stdin, stdout, stderr].each(&:close)
      stdin_writer.sync = true
      pipes = [stdin_writer, stdout_reader, stderr_reader]
      return [pid, *pipes] unless block_given?

      begin
        yield(pid, *pipes)
      ensure
        pipes.each { |pipe| pipe.close unless pipe.closed? }
      end
      Process.waitpid2(pid).last
    end

    alias popen4ext popen4
    module_function :popen4ext
    alias open4 popen4
    module_function :open4

    # Runs a command to its end; stdin is a text, stdout and stderr take what is written (`<<`).
    def spawn(*command, **options)
      input = options[:stdin] || options[0] || ''
      input = input.read if input.respond_to?(:read)
      out, err, status = Open3.capture3(*command, stdin_data: input.to_s)
      give(out, options[:stdout] || options['stdout'] || options[1])
      give(err, options[:stderr] || options['stderr'] || options[2])
      expected = Array(options.fetch(:exitstatus, options.fetch(:status, 0)))
      quiet = options[:quiet] || options[:raise] == false || options[:ignore_exit_failure]
      raise SpawnError.new(command.join(' '), status) unless quiet || expected.include?(status.exitstatus)

      status
    end

    def give(text, sink)
      sink << text if sink.respond_to?(:<<)
    end
  end
end
