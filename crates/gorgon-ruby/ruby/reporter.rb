# frozen_string_literal: true

require_relative 'capture'
require_relative 'frameworks/places'
require_relative 'protocol'

module Gorgon
  # Takes what an adapter has to say of the file that runs, and sends it, within limits.
  #
  # A fork inside a test inherits it: there it is silent.
  class Reporter
    MESSAGE_BYTES = 32 * 1024
    OUTPUT_BYTES = Capture::LIMIT_BYTES
    NAME_BYTES = 4 * 1024
    BACKTRACE_LINES = 100
    # Of all texts of one file: a reply of a worker stays well below a megabyte.
    FILE_BYTES = 512 * 1024
    # What a text is cut to when its file has used up its bytes.
    POOR_BYTES = 512

    DIVISIBLE = Channel.line(event: 'divisible')

    # Outcomes that fail the file.
    BAD = %w[failed errored].freeze

    MOST_LINES = (1 << 32) - 1

    # Whether the file reported anything that fails it.
    attr_reader :failed
    # Whether the child must not be given another file.
    attr_reader :spent
    # How many results of tests it has told of the file, and how many of them are bad.
    attr_reader :told

    # Which framework the file is for, until the first test runs.
    attr_writer :choice

    # What is put back between files.
    attr_writer :restore

    # Set by INT: a test that swallows the Interrupt is the last one.
    attr_accessor :interrupted

    def initialize(channel, capture, root)
      @channel = channel
      @capture = capture
      @root = "#{root}/"
      @choice = nil
      @pid = $$
      begin_file
    end

    def begin_file
      @budget = FILE_BYTES
      @failed = false
      @any = false
      @divisible = false
      @not_found = []
      @test_from = 0
      @told = [0, 0]
    end

    # From now on no file runs: what a hook of the suite's end reports as a test of its own (a
    # coverage check) counts only when it fails.
    def begin_end
      begin_file
      @ending = true
    end

    # Whether the file reported a test, or a fault.
    def any?
      @any || @failed
    end

    # Whether a test of the file has begun.
    def tests?
      @any
    end

    # Whether the file ran tests, and nothing is amiss.
    def passed?
      @any && !@failed && !@spent
    end

    # Called by each adapter when the file is loaded, before the hooks of any group or class of tests. The block runs
    # hooks of the suite, if some are `due`.
    def before_tests(due: false, &hooks)
      return @restore.keep(due: due, &hooks) if @restore && ours?

      yield if hooks
    end

    def test_started(id:, name:)
      return if @ending

      begin_tests unless @any
      @any = true
      @test_from = @capture.size
      hold(event: 'test_started', id: id, name: cut(name, NAME_BYTES))
    end

    # Takes the result over.
    def test_finished(result)
      @any = true
      bad = BAD.include?(result[:outcome])
      return hook_finished(result, bad) if @ending

      # What went wrong was the interruption.
      raise Interrupt if interrupted && bad

      result[:event] = 'test_finished'
      result[:name] = cut(result[:name], NAME_BYTES)
      result[:line] = line(result[:line])
      result[:key] = cut(result[:key], NAME_BYTES) if result[:key]
      tell_fault(result, bad) if result[:outcome] != 'passed'
      hold(result)
      @told = [@told[0] + 1, @told[1] + (bad ? 1 : 0)]
      raise Interrupt if interrupted
    end

    # A fault outside tests; the child still serves other files unless `spent`.
    def file_error(what:, exception:, message:, backtrace:, test: nil, spent: false)
      @choice&.not_loaded(message.to_s) if what == 'load' && !@any && ours?
      @failed = true
      @spent = true if spent
      send(event: 'file_error', what: what, exception: exception, test: test,
           message: shown(message), backtrace: lines(backtrace))
    end

    def suite_hook_failed(what:, exception:, message:, backtrace:)
      error = { what: what, exception: exception, message: shown(message), backtrace: lines(backtrace) }
      send(event: 'suite_hook_failed', error: error, output: @capture.text)
    end

    def warning(text)
      send(event: 'warning', message: cut(text, NAME_BYTES))
    end

    # No test ran, where the configuration has it that a run without any fails.
    def needs_tests
      hold(event: 'needs_tests')
    end

    # How many tests of the file the filters of the job left out, and which filters. `everything`: no test of it ran, and
    # the suite wants all to run if that is so in the whole job.
    def left_out(tests:, by:, everything: false)
      hold(event: 'left_out', tests: tests, by: cut(by, NAME_BYTES), everything: everything)
    end

    # All tests that a run of the whole file would have.
    def defined(ids)
      hold(event: 'defined', ids: ids)
    end

    # What the framework's own command has to be told to run the file as it runs here.
    def plain_run(said)
      hold(said.merge(event: 'plain_run'))
    end

    # Each test of the file can be told from every other.
    def divisible
      @divisible = true
    end

    # Parts of the file would run other tests than the whole file does.
    def indivisible
      @divisible = false
    end

    # A test that the item asks for and an adapter does not know.
    def no_test(text)
      @not_found << text
      []
    end

    # The file has ended. A file with tests of two frameworks is never cut, as each framework knows only its own tests. A
    # test that one framework does not know may be the other's.
    def settle(adapters)
      @not_found.tally.each { |text, times| warning(text) if times >= adapters }
      @channel.hold_line(DIVISIBLE) if @divisible && adapters == 1 && ours?
    end

    # Whether this is the process that the reporter was made in.
    def ours?
      $$ == @pid
    end

    private

    def begin_tests
      @choice&.begin_tests if ours?
    end

    def send(event)
      @channel.send(event) if ours?
    end

    # What is to be done about it can be done when the file ends.
    def hold(event)
      @channel.hold(event) if ours?
    end

    def hook_finished(result, bad)
      return unless bad

      suite_hook_failed(what: result[:name], exception: result[:exception], message: result[:message],
                        backtrace: result[:backtrace])
    end

    def tell_fault(result, bad)
      @failed ||= bad
      result[:message] = shown(result[:message] || '')
      result[:backtrace] = lines(result[:backtrace] || [])
      return unless bad

      result.delete(:rerun) if result[:rerun] && result[:rerun][:words].sum(&:bytesize) > NAME_BYTES
      output = @capture.text(@test_from, [OUTPUT_BYTES, [@budget, POOR_BYTES].max].min)
      result[:output] = cut(output, OUTPUT_BYTES) unless output.empty?
    end

    # A message may have a whole backtrace in it.
    def shown(message)
      cut(Places.without_ours(Json.utf8(message)), MESSAGE_BYTES)
    end

    def cut(text, limit)
      text = Json.utf8(text)
      text = Capture.cut(text, @budget.positive? ? limit : POOR_BYTES)
      @budget -= text.bytesize if text.bytesize > 200
      text
    end

    # 0: unknown. Code that is evaluated may say that it stands at any line, also before the first.
    def line(number)
      number.is_a?(Integer) && number.between?(0, MOST_LINES) ? number : 0
    end

    # Paths of the project are relative.
    def lines(backtrace)
      lines = (backtrace || []).first(@budget.positive? ? BACKTRACE_LINES : 5)
      lines.map do |line|
        line = Json.utf8(line)
        @budget -= line.bytesize
        line.start_with?(@root) ? line[@root.size..-1] : line
      end
    end
  end
end
