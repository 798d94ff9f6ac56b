# frozen_string_literal: true

require_relative 'capture'
require_relative 'coverage/share'
require_relative 'leaving'
require_relative 'program'
require_relative 'rails/databases'
require_relative 'rails/parallel'
require_relative 'raised'
require_relative 'reporter'
require_relative 'restore'
module Gorgon
  # A Ruby child: serves one framework, runs the files that its worker hands it, one at a time.
  class Child
    # What the child is asked to be.
    Request = Struct.new(:framework, :slot, :test_env_number, :after_complete, keyword_init: true)

    # What an adapter is told: the seed, what stood after `--`, the project's directory, the job's files by line.
    Settings = Struct.new(:seed, :options, :root, :files)

    def self.settings(settings, root)
      Settings.new(settings['seed'], settings['options'], root, settings['files'].to_s)
    end

    # Taken at load: tests stub File.
    REALPATH = File.method(:realpath)
    CALLER = ::Kernel.method(:caller)
    # Where our scripts lie.
    OURS = "#{__dir__}/"
    private_constant :REALPATH, :CALLER, :OURS

    LOADING = Channel.line(event: 'loading')
    HAS_NO_TESTS = Channel.line(event: 'has_no_tests')

    # How long a process that a file left behind may take to end by itself.
    LEFT_GRACE_S = 0.2

    def initialize(request, settings, callbacks, channel, capture)
      @request = request
      @settings = settings
      @callbacks = callbacks
      @channel = channel
      @capture = capture
      @root = Dir.pwd
      @inside = "#{REALPATH.call(@root)}/".b
      @left = {}
      @adapters = {}
    end

    # Lives; returns when at_exit handlers shall run.
    def run
      prepare
      @channel.send(event: 'forked', pid: $$, drafts: @channel.drafts_path)
      @request.after_complete ? only_after_complete : serve
    rescue IOError, Errno::EPIPE, Errno::EBADF => e
      # Without its line to the worker a child is of no use.
      raise unless Process.ppid && $$ == @pid

      @capture.take
      STDERR.puts("gorgon: the descriptor to the worker was closed: #{e.class}: #{e.message}")
      Process.exit!(1)
    end

    private

    def prepare
      @pid = $$
      Process.setsid
      @capture.take
      environment
      ARGV.replace(@settings['options'])
      ::Kernel.srand(seed_of_slot)
      Leaving.watch(@channel, judges: CoverageWanted.asked?(@settings))
      @reporter = Reporter.new(@channel, @capture, @root)
      ::Signal.trap('INT') { interrupt }
    end

    # The seed of `srand` follows from the job's seed and the slot, so two workers draw different names and ports.
    def seed_of_slot
      ::Random.new((@settings['seed'] << 32) + @request.slot).rand(1 << 32)
    end

    # As the framework's own handler, if it has one; else as Ruby's, with a backtrace as it has it. If the worker wants the
    # child to stop, a test that swallows the exception is the last one.
    def interrupt
      return if @late

      if $$ == @pid
        asked = @channel.asked_to_stop?
        @reporter.interrupted = true if asked
        own = @adapters[@request.framework] unless asked
        return own.interrupted if own.respond_to?(:interrupted)
      end
      ::Thread.main.raise(Interrupt, '', CALLER.call(0).reject { |line| line.start_with?(OURS) })
    end

    # Set before before_start, and never again: callbacks change it.
    def environment
      number = @request.test_env_number
      ENV['GORGON_WORKER_ID'] = @request.slot.to_s
      ENV['TEST_ENV_NUMBER'] = number == 1 ? '' : number.to_s
      ENV['PARALLEL_WORKERS'] = '1'
      ENV['GORGON_CHILD_ID'] = $$.to_s
      @settings['env'].each { |name, value| ENV[name] = value }
    end

    def only_after_complete
      @channel.send(event: 'after_complete')
      @channel.send(event: 'callback_done') if callback('after_complete')
      @channel.send(event: 'finished')
    end

    def serve
      CoverageShare.begin if CoverageWanted.merged?(@settings)
      # What before_start would load is loaded as a rule; if not, the options are looked at after it.
      settled = options_settled?
      check_options if settled
      return unless callback('before_start')

      RailsEnvironment.check
      return unless prepare_rails
      @started = true
      check_options if @callbacks.any? || !settled
      @restore = @reporter.restore = Restore.new(@root, @capture)
      @channel.send(event: 'ready')
      serve_files
      finish
    rescue Refused => e
      refused(e)
    ensure
      # Also if a test called exit.
      take_coverage
    end

    def take_coverage
      CoverageShare.take(@channel, @root, @settings) if CoverageWanted.merged?(@settings) && $$ == @pid
    end

    # Minitest and Test::Unit refuse unknown options only at the first file, as that may load a plugin with options of
    # its own. In a wrong Rails environment after_complete may not run either.
    def refused(error)
      @channel.send(event: 'refused', what: error.what, message: error.message, output: @capture.text)
      after_complete if @started && error.what != RailsEnvironment::WHAT
    end

    def check_options
      adapter = Frameworks.adapter(@request.framework)
      adapter.check_options(adapter_settings) if adapter.respond_to?(:check_options)
    end

    def options_settled?
      adapter = Frameworks.adapter(@request.framework)
      adapter.respond_to?(:options_settled?) && adapter.options_settled?
    end

    # Makes the databases of this worker; returns whether that succeeded. If callbacks load the application or start a
    # worker, they make the databases themselves.
    def prepare_rails
      return true unless @settings['rails']

      RailsParallel.offer(@request.test_env_number)
      RailsDatabases.offer(@request.test_env_number)
      true
    rescue *Raised::PASSED_UP
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      @channel.send(event: 'callback_failed', callback: 'before_start', exception: Raised.class_text(e),
                    message: "the databases of worker #{@request.test_env_number}: #{Raised.message(e)}",
                    backtrace: Raised.backtrace(e).first(50), output: @capture.text)
      false
    end

    def serve_files
      while (line = @channel.receive)
        # An INT that was meant for the last file, and found it ended, is not for the hooks.
        return @late = line['stopped'] if line['op'] == 'finish'

        run_bundle(line)
      end
      # The worker is gone.
      Process.exit!(1)
    rescue Interrupt
      Process.exit!(1) unless $$ == @pid
      @reporter.interrupted = false
      @channel.send_anew(event: 'interrupted')
    end

    # Runs a file, and after it those of its bundle, while each simply passes. What else may follow is the worker's to say.
    def run_bundle(line)
      @bundle = line['then'] || []
      run_file(line)
      run_file('file' => @bundle.shift) while @goes_on
    end

    def run_file(line)
      @goes_on = false
      path = line['file']
      # Ruby would look for it in a home directory.
      path = "./#{path}" if path.start_with?('~')
      return refuse(path) if outside?(path)

      asked = line['asked'] || []
      other = Frameworks.guess(path, @request.framework) if asked.empty?
      return leave_to(other, false) if other && other.to_s != @request.framework

      begin_file
      CoverageShare.note(path) if CoverageWanted.merged?(@settings) && path != first_of_a_plain_run
      program = Frameworks.ruby_options&.program_of(path)
      Program.take(@request.framework, path, @root, program) { |file| Frameworks.scan.text(file) if asked.empty? }
      started = System.now
      choice = Frameworks::Choice.new(path, @request.framework, asked, Frameworks.scan)
      other = ::Kernel.catch(Frameworks::Choice::ELSEWHERE) { run_with_adapter(path, selection(line), choice) }
      Process.exit!(fork_status) unless $$ == @pid
      return leave_to(other, true) if other

      end_file(path, System.now - started)
    end

    # A plain run has its files in the order of their names.
    def first_of_a_plain_run
      @first_of_a_plain_run ||= @settings['files'].to_s.lines(chomp: true).min || ''
    end

    # The status of a fork inside a test that came to its end here, as the framework would give it.
    def fork_status
      adapter.respond_to?(:fork_status) ? adapter.fork_status(@reporter.failed) : 0
    end

    # The file is another framework's. This child is given no other file when it has loaded this one.
    def leave_to(framework, loaded)
      @loaded_foreign = true if loaded
      @reporter.choice = nil
      @channel.send(event: 'other_framework', framework: framework, loaded: loaded)
    end

    # nil: the whole file, by the filters of the job.
    def selection(line)
      tests = line['tests'] || []
      lines = line['lines'] || []
      part = line['part'] || false
      unfiltered = line['unfiltered'] || false
      return unless part || unfiltered || tests.any? || lines.any?

      { tests: tests, lines: lines, except: line['except'] || [], part: part, unfiltered: unfiltered }
    end

    # Compared as bytes: tests change the encodings that Ruby gives to names of files.
    # A name that leads out of the workspace never comes this far, but a link may lead where its name does not say.
    # In place that is the user's own link, which the framework follows.
    def outside?(path)
      !@settings['follow_links'] && !REALPATH.call(path, @root).b.start_with?(@inside)
    rescue SystemCallError
      # It is not there, or cannot be read: to load it tells.
      false
    end

    def refuse(path)
      begin_file
      message = "#{path} leads out of the workspace, to #{REALPATH.call(path, @root)}: it is not run"
      @reporter.file_error(what: 'load', exception: 'SecurityError', message: message, backtrace: [])
      end_file(path, 0.0)
    end

    def begin_file
      @restore.call
      @capture.clear
      @reporter.begin_file
      @channel.hold_line(LOADING)
    end

    # Returns nil; leaves by ELSEWHERE where the file turns out to be another framework's.
    def run_with_adapter(path, selection, choice)
      @reporter.choice = choice
      adapter.run(path, selection)
      @reporter.choice = nil
      # No file passes because the wrong one looked at it.
      others = @reporter.any? ? choice.besides : choice.without_tests
      others.each { |name| adapter(name).run(path, selection, loaded: true) }
      @channel.hold_line(HAS_NO_TESTS) if !@reporter.any? && choice.without_tests_of_its_own?
      @reporter.settle(1 + others.size)
      @ran = true
      choice.settled
      nil
    rescue SystemExit => e
      raise unless script?(e, choice)

      @ran = true
      nil
    rescue *Raised::PASSED_UP
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      @reporter.file_error(**fault('run', e))
      nil
    end

    # Whether the file is one without tests, which ended by `exit`. Under RSpec that ends the run.
    def script?(error, choice)
      error.success? && @request.framework != 'rspec' && !@reporter.any? && !choice.brought_tests?
    end

    def adapter(name = @request.framework)
      @adapters[name] ||= begin
        Frameworks.alone(name) if name == @request.framework
        Frameworks.adapter(name).new(adapter_settings, @reporter).tap(&:start)
      end
    end

    def adapter_settings
      Child.settings(@settings, @root)
    end

    def end_file(path, time)
      # What a file without tests has loaded, others use.
      @restore.keep unless @reporter.tests?
      @restore.note
      @restore.restore_encodings
      note_left(path)
      @capture.flush
      @goes_on = !@bundle.empty? && @reporter.passed? && !@channel.asked_to_stop?
      told = @reporter.told
      return @channel.send_soon(event: 'file_finished', time: time, told: told, more: true) if @goes_on

      output = @reporter.failed ? @capture.text : ''
      @channel.send(event: 'file_finished', time: time, told: told, output: output, spent: @reporter.spent || false)
    end

    def finish
      return leave_without_hooks if @loaded_foreign && !@ran

      @restore.to_the_end
      @capture.clear
      @reporter.begin_end
      take_coverage
      @adapters.each_value(&:finish)
      rails_teardown
      @channel.send(event: 'after_complete')
      after_complete
      Leaving.at_last { tell_left }
      @channel.send(event: 'finished')
      Leaving.exit_as_plain(@adapters.values)
    end

    def rails_teardown
      RailsParallel.tear_down
    rescue *Raised::PASSED_UP
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      @reporter.suite_hook_failed(**fault('parallelize_teardown', e))
    end

    # An exception as the fields of an error outside of tests.
    def fault(what, error)
      { what: what, exception: Raised.class_text(error), message: Raised.message(error), backtrace: Raised.backtrace(error) }
    end

    # Another child will run this file, and what the file registers for the end of the process. Here only this worker's
    # own setup is torn down.
    def leave_without_hooks
      rails_teardown
      @channel.send(event: 'after_complete')
      after_complete
      @channel.send(event: 'finished')
      Process.exit!(0)
    end

    def after_complete
      @restore && @callbacks.any? ? @restore.outside { callback('after_complete') } : callback('after_complete')
    end

    # Returns whether it came back.
    def callback(name)
      failure = @callbacks.run(name)
      return true unless failure

      @channel.send(failure.merge(event: 'callback_failed', output: @capture.text))
      false
    end

    # Remembers which file was the first to leave a process behind.
    def note_left(path)
      @left = System.own_children.map { |found| [found.pid, @left.fetch(found.pid, path)] }.to_h
    end

    # Called when the handlers of at_exit have run: a library may end its processes there, as a web driver does.
    def tell_left
      return if @left.empty?

      until_at = System.now + LEFT_GRACE_S
      ::Kernel.sleep(0.01) while System.now < until_at && @left.keys.any? { |pid| !System.zombie?(pid) }
      @left.each do |pid, path|
        next if System.zombie?(pid)

        @channel.send(event: 'left_behind', pid: pid, file: path, command: System.command(pid))
      end
    end
  end
end
