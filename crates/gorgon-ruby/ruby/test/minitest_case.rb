# frozen_string_literal: true

require_relative 'adapter_case'

# Small files of Minitest: runs each through the adapter and plainly, and compares the results.
class MinitestCase < AdapterCase
  CODES = { '.' => 'passed', 'F' => 'failed', 'E' => 'errored', 'S' => 'skipped' }.freeze

  def framework
    'minitest'
  end

  # Prints each result in one line: Minitest's own lines of tests that run side by side are mixed with each other.
  WHOLE_LINES = <<~RUBY
    require 'minitest'
    Minitest::ProgressReporter.prepend(Module.new do
      def prerecord(*); end

      def record(result)
        io.puts("\#{result.class_name}#\#{result.name} = 0.00 s = \#{result.result_code}")
      end
    end)
  RUBY

  # [name, outcome] of the tests of a plain run, in its order, and its status. `parallel`: tests run side by side.
  def plain(file, *arguments, env: {}, parallel: false)
    write('whole_lines.rb', WHOLE_LINES) if parallel
    library = parallel ? ['-r./whole_lines.rb'] : []
    output, status = Open3.capture2e(HERE.merge(env), 'ruby', '-W0', *library, file, '-v', *arguments, chdir: @dir)
    [output.scan(/^(\S+#.+) = \d+\.\d+ s = ([.FES])$/).map { |name, code| [name, CODES.fetch(code)] }, status.exitstatus]
  end

  def ours(ran)
    ran.tests.map { |test| [test[:name], test[:outcome]] }
  end

  # Runs the file both ways, compares the tests, and returns our run.
  def assert_as_plain(file, *arguments, seed: 7, env: {}, status: 0, parallel: false)
    tests, plain_status = plain(file, *arguments, '--seed', seed.to_s, env: env, parallel: parallel)
    refute_empty tests
    assert_equal status, plain_status
    ran = run_files(file, seed: seed, options: arguments.join(' '), env: env)
    assert_equal tests.sort, ours(ran).sort
    assert_empty ran.of(:file_error)
    ran
  end

  def in_order(file, seed: 7)
    tests, = plain(file, '--seed', seed.to_s)
    assert_equal tests, ours(run_files(file, seed: seed))
  end
end
