# frozen_string_literal: true

# Runs files through an adapter in this process, as a Ruby child does, and writes what the adapter
# reported to the file named first: [[event, fields], …], marshalled.
# usage: ruby adapter_process.rb RESULT FRAMEWORK SEED OPTIONS FILE[@SELECTION]…
#   OPTIONS: words separated by spaces; SELECTION: lines or ids separated by commas; after a + they are
#   those of a part of the file, after a - those of all other parts
require_relative '../frameworks'
require_relative '../ruby_options'

# Writes down what an adapter reports; each event reaches the file at once, as tests may crash.
class Record
  def initialize(path)
    @io = File.open(path, 'wb')
    @io.sync = true
    @pid = $$
  end

  %i[test_started file_error suite_hook_failed].each do |name|
    define_method(name) { |**fields| write(name, fields) }
  end

  def test_finished(result)
    write(:test_finished, result)
  end

  def warning(text)
    write(:warning, { text: text })
  end

  def no_test(text)
    warning(text)
    []
  end

  def defined(ids)
    write(:defined, { ids: ids })
  end

  def left_out(**fields)
    write(:left_out, fields)
  end

  def needs_tests
    write(:needs_tests, {})
  end

  def before_tests(due: false)
    write(:before_tests, { due: due })
    yield if block_given?
  end

  def plain_run(said)
    write(:plain_run, said)
  end

  def divisible
    write(:divisible, {})
  end

  def indivisible
    write(:indivisible, {})
  end

  def file(path)
    write(:file, { path: path })
  end

  def refused(message)
    write(:refused, { message: message })
  end

  def ours?
    $$ == @pid
  end

  def finished
    write(:finished, {})
  end

  private

  def write(name, fields)
    raise "#{name} in a fork" unless $$ == @pid

    @io.write(Marshal.dump([name, fields]))
  end
end

result, framework, seed, options, *files = ARGV
ARGV.clear
record = Record.new(result)
Gorgon::Leaving.watch(record)
at_exit { Gorgon::Leaving.tell($!) }
Gorgon::Frameworks.disarmed { load 'callbacks.rb' } if File.exist?('callbacks.rb')
Gorgon::Frameworks.disarmed { require 'minitest/spec' } if ENV['PRELOAD_SPEC']
if ENV['REQUIRES']
  way = { 'directories' => ['.'], 'requires' => ENV['REQUIRES'].split, 'globs' => [], 'excludes' => [] }
  Gorgon::Frameworks.ruby_options = Gorgon::RubyOptions.new([way])
  Gorgon::Frameworks.ruby_options.begin
end
settings = Struct.new(:seed, :options, :root).new(Integer(seed), options.split, Dir.pwd)
adapter = Gorgon::Frameworks.adapter(framework).new(settings, record)
# As a child does.
Kernel.srand(Integer(seed)) if framework == 'test_unit'
adapter.start
files.each do |file|
  path, wanted = file.split('@', 2)
  record.file(path)
  sign = wanted.to_s[/\A[+-]/]
  wanted = wanted.to_s.sub(/\A[+-]/, '').split(',')
  lines, tests = wanted.partition { |word| word.match?(/\A\d+\z/) }
  selection = { tests: tests, lines: lines.map(&:to_i), part: !sign.nil?, except: [] }
  selection.update(tests: [], except: tests) if sign == '-'
  # The child reads the file's text for it.
  Gorgon::Frameworks.guess(path, framework)
  adapter.run(path, wanted.empty? ? nil : selection)
rescue Gorgon::Frameworks::UnknownOption => e
  record.refused(e.message)
end
adapter.finish
record.finished
Gorgon::Leaving.exit_as_plain([adapter])
