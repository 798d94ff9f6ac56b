# frozen_string_literal: true

require 'fileutils'
require 'minitest/autorun'
require 'open3'
require 'tmpdir'

# What is compiled in one Ruby and loaded in the next.
class CompiledTest < Minitest::Test
  SCRIPT = <<~RUBY
    require_relative 'compiled'
    kept = Gorgon::Compiled.new('set')
    kept.load { require_relative 'lib' }
    print VALUE, kept.behind? ? ' missing' : ' kept', (' hooked' if RubyVM::InstructionSequence.respond_to?(:load_iseq))
    kept.catch_up while kept.behind?
    kept.finish
  RUBY

  def setup
    @directory = Dir.mktmpdir
    FileUtils.cp(File.expand_path('../compiled.rb', __dir__), @directory)
    Dir.mkdir(path('compiled'))
    File.write(path('script.rb'), SCRIPT)
    write('1')
  end

  def teardown
    FileUtils.remove_entry(@directory)
  end

  def test_a_file_is_compiled_once_as_long_as_size_and_time_are_the_same
    assert_equal '1 missing', ruby
    assert_equal '1 kept', ruby
    write('2', Time.at(1))
    assert_equal '2 missing', ruby
    write('3', Time.at(1))
    assert_equal '2 kept', ruby, 'only the content differs'
    write('33', Time.at(1))
    assert_equal '33 missing', ruby
    assert_equal 1, packs.size
  end

  def test_what_is_cut_garbled_or_of_another_ruby_is_not_believed
    ruby
    pack = packs.first
    whole = File.binread(pack)
    [whole[0, whole.size / 2], '', "12\n", whole.sub('VALUE', 'VALUF')].each do |bytes|
      File.binwrite(pack, bytes)
      assert_equal '1 missing', ruby
      assert_equal '1 kept', ruby
    end
    header, text = whole.split("\n", 2)
    identity, *kept = Marshal.load(text)
    other = Marshal.dump([identity.sub('ruby', 'rubx'), *kept])
    File.binwrite(pack, "#{header.sub(/\d+\z/, other.sum(32).to_s)}\n#{other}")
    assert_equal '1 missing', ruby
  end

  def test_what_a_child_may_load_is_compiled_ahead_and_not_loaded
    File.write(path('later.rb'), "LATER = 'later'\n")
    File.write(path('script.rb'), <<~RUBY)
      require_relative 'compiled'
      kept = Gorgon::Compiled.new('set')
      kept.load { require_relative('lib').tap { kept.ahead(['#{path('later.rb')}']) } }
      print kept.behind? ? 'missing' : 'kept', defined?(LATER) ? ' loaded' : ' not loaded'
      kept.catch_up while kept.behind?
      kept.with_ahead { require_relative 'later' }
      print " \#{LATER}", (' hooked' if RubyVM::InstructionSequence.respond_to?(:load_iseq))
      kept.finish
    RUBY
    assert_equal 'missing not loaded later', ruby
    assert_equal 'kept not loaded later', ruby
    File.write(path('later.rb'), "LATER = 'much later'\n")
    assert_equal 'missing not loaded much later', ruby
  end

  def test_only_what_a_child_has_loaded_is_made_ready
    %w[one two].each { |name| File.write(path("#{name}.rb"), "#{name.upcase} = 1\n") }
    File.write(path('script.rb'), <<~RUBY)
      require_relative 'compiled'
      kept = Gorgon::Compiled.new('set')
      made = []
      compiled = RubyVM::InstructionSequence
      compiled.singleton_class.prepend(Module.new { define_method(:load_from_binary) { |code| super(code).tap { |it| made << File.basename(it.path) } } })
      kept.load { require_relative('lib').tap { kept.ahead(['#{path('one.rb')}', '#{path('two.rb')}']) } }
      Process.wait(fork { kept.with_ahead { require_relative 'two' } })
      print made.join(' ')
      kept.catch_up while kept.behind?
      kept.finish
    RUBY
    assert_equal '', ruby
    assert_equal 'lib.rb two.rb', ruby
    assert_equal 'lib.rb two.rb', ruby
    File.write(path('script.rb'), File.read(path('script.rb')).sub("'two'", "'one'"))
    assert_equal 'lib.rb two.rb', ruby, 'it has not been loaded before'
    assert_equal 'lib.rb one.rb two.rb', ruby
  end

  def test_where_ruby_has_more_to_do_nothing_is_kept
    assert_equal '1 kept', ruby('-w')
    assert_equal '1 kept', ruby('-rcoverage')
    assert_equal '1 kept hooked', ruby('-e', 'def (RubyVM::InstructionSequence).load_iseq(_); end; load ARGV[0]', '--', path('script.rb'))
    assert_empty packs
    FileUtils.remove_entry(path('compiled'))
    assert_equal '1 kept', ruby
  end

  def test_nothing_of_the_project_is_kept
    assert_equal '1 kept', ruby(project: @directory)
    assert_empty packs
  end

  private

  def path(name)
    File.join(@directory, name)
  end

  def write(value, time = nil)
    File.write(path('lib.rb'), "VALUE = #{value}\n")
    File.utime(time, time, path('lib.rb')) if time
  end

  def packs
    Dir.children(path('compiled')).map { |name| path("compiled/#{name}") }
  end

  def ruby(*options, project: '/usr')
    script = path('script.rb') unless options.include?('--')
    out, status = Open3.capture2e('ruby', *options, *script, chdir: project)
    assert status.success?, out
    out
  end
end
