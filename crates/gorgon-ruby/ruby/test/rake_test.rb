# frozen_string_literal: true

require 'json'
require_relative 'adapter_case'

# What Rake tells of a project's Rakefile, in a process of its own.
class RakeTest < AdapterCase
  ASK = File.expand_path('../rake/ask.rb', __dir__)

  def told(rakefile)
    File.write("#{@dir}/Rakefile", rakefile)
    output, noise, status = Open3.capture3('ruby', '-w', ASK, chdir: @dir)
    assert status.success?, noise
    JSON.parse(output)
  end

  def others(rakefile)
    told(rakefile)['others'].map { |it| it[/\A\S+/] }
  end

  def test_tasks_that_are_reached_are_told_and_no_other
    tasks = told(<<~RUBY)['tasks']
      require 'rake/testtask'
      puts 'noise'
      namespace :units do
        Rake::TestTask.new(:fast) { |t| t.libs << 'fast'; t.options = '-v' }
        Rake::TestTask.new(:slow)
      end
      Rake::TestTask.new(deep: 'units:fast') { |t| t.ruby_opts << '-rset' }
      task(:more) { |t| Rake::Task['deep'].invoke; raise 'no task runs' }
      task test: :more
    RUBY
    assert_equal(%w[fast deep], tasks.map { |it| it['name'] })
    assert_equal [%w[lib fast], '-v'], tasks[0].values_at('directories', 'options')
    assert_equal [%w[lib], ['-rset']], tasks[1].values_at('directories', 'ruby_opts')
  end

  def test_a_task_of_minitest_is_told
    File.write("#{@dir}/a.rb", '')
    task = told(<<~RUBY)['tasks'].first
      require 'minitest/test_task'
      Minitest::TestTask.create { |t| t.test_globs = ['*.rb']; t.test_prelude = 'require "set"' }
    RUBY
    assert_equal [%w[lib test .], %w[a.rb], 'require "set"', 'require "minitest/autorun"'],
                 task.values_at('directories', 'files', 'prelude', 'framework')
  end

  def test_what_loading_sets_in_the_environment_is_told
    told = told(<<~RUBY)['environment']
      ENV['SHIP'] = 'ketch' if RUBY_VERSION > '2'
      ENV['CONF'] = File.expand_path('test/a.conf')
      ENV['HOME'] = nil
      task(:cover) { ENV['COVERAGE'] = '1' }
    RUBY
    assert_equal([['SHIP', 'ketch'], ['CONF', "\0/test/a.conf"], ['HOME', nil]], told.map { |it| it.values_at('name', 'value') })
  end

  def test_commands_that_may_run_tests_are_told
    ['sh "ruby test/a.rb"', 'ruby "-e", "1"', 'v = ENV["A"]; sh v', '`ruby test/a.rb`', 'later', 'fork { exec "rake", "x" }',
     'Dir["a/*"].each { |f| require File.expand_path(f) }', 'Rake::Task[name].invoke'].each do |code|
      rakefile = "def later; system('testrb a'); end\ntask(:a) { #{code} }\ntask test: :a\n"
      assert_equal ['a'], others(rakefile), code
    end
  end

  def test_other_commands_are_not
    ['sh "make", verbose: false', 'v = 1; sh "make #{v}"', 'sh "bundle exec rspec"', 'sh "gem build x.gemspec"', 'puts "test"',
     'Rake::Task["b"].invoke', '`ls`'].each do |code|
      assert_empty others("task(:b)\ntask(:a) { #{code} }\ntask test: :a\n"), code
    end
  end

  def test_tasks_that_do_something_besides_are_told
    told = told(<<~RUBY)
      require 'rake/testtask'
      Rake::TestTask.new(:units) { |t| t.deps = [:env, 'b.rb'] }
      Rake::TestTask.new(:slow)
      task(:env) { ENV['A'] = 'b' }
      task(:make) { sh 'make' }
      task(:more) { |t| Rake::Task['units'].invoke; puts t.name }
      task(:doc) { sh 'yard' }
      file('a.rb') { touch 'a.rb' }
      file('b.rb') { touch 'b.rb' }
      File.write('b.rb', '')
      %w[c].each { |n| task(n) { ENV['C'] = n } }
      task test: %w[make more a.rb c]
      task default: %i[doc test slow]
    RUBY
    assert_equal %w[make a.rb c], told['more']
    assert_equal %w[slow], told['more_tests']
    assert_equal %w[b.rb env], told['tasks'].first['needs']
  end
end
