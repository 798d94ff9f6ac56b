# frozen_string_literal: true

require 'minitest/autorun'
require 'tmpdir'
require 'fileutils'
require 'open3'

# Writes small test files into a directory and runs them through an adapter, in a process of
# their own.
class AdapterCase < Minitest::Test
  RUN = File.expand_path('adapter_process.rb', __dir__)

  # Plugins of gems that the machine happens to have do not take part.
  HERE = { 'TESTOPTS' => nil, 'MT_NO_PLUGINS' => '1' }.freeze

  # What one run reported.
  class Ran
    attr_reader :events, :output, :status

    def initialize(events, output, status)
      @events = events
      @output = output
      @status = status
    end

    def of(name)
      @events.select { |event, _| event == name }.map(&:last)
    end

    def tests
      of(:test_finished)
    end

    def test(id)
      tests.find { |test| test[:id] == id } || raise("no test #{id} in #{tests.map { |test| test[:id] }}")
    end

    # id => outcome, of the tests that ran with the file.
    def outcomes(path = nil)
      inside = path.nil?
      @events.each_with_object({}) do |(event, fields), found|
        inside = fields[:path] == path if event == :file && path
        found[fields[:id]] = fields[:outcome] if inside && event == :test_finished
      end
    end

    def finished?
      !of(:finished).empty?
    end
  end

  def setup
    @dir = File.realpath(Dir.mktmpdir('adapter'))
  end

  def teardown
    FileUtils.rm_rf(@dir)
  end

  def write(path, text)
    target = File.join(@dir, path)
    FileUtils.mkdir_p(File.dirname(target))
    File.write(target, text)
  end

  def run_files(*files, seed: 1, options: '', env: {}, ruby: [])
    result = File.join(@dir, '.result')
    command = ['ruby', '-W1', *ruby, RUN, result, framework, seed.to_s, options, *files]
    output, status = Open3.capture2e(HERE.merge(env), *command, chdir: @dir)
    Ran.new(events(result), output, status)
  end

  private

  def events(path)
    found = []
    File.open(path, 'rb') { |io| found << Marshal.load(io) until io.eof? }
    found
  rescue Errno::ENOENT
    found
  end
end
