# frozen_string_literal: true

require 'json'
require 'minitest/autorun'
require 'tmpdir'
require_relative 'application'
require_relative 'mariadb'
require_relative 'postgresql'

# What a team with a Rails application sees, beside what Rails' own command says. Runs where Rails is installed and
# Gorgon's binaries are on PATH: `scripts/rails`.
class RailsTest < Minitest::Test
  def setup
    @directory = Dir.mktmpdir('gorgon-rails')
  end

  def teardown
    @server&.stop
    FileUtils.rm_rf(@directory)
  end

  def test_a_new_application_runs_with_one_command_as_by_bin_rails_test
    application = make
    assert_match(/\A\s*7 runs, .* 0 failures, 0 errors/, application.run!('bin/rails', 'test')[/^\s*\d+ runs.*/])
    assert_summary application, '7 tests: 7 passed', '3 files: 3 passed'
    add = 12
    application.add_tests(add)
    plain = application.run!('bin/rails', 'test', PARALLEL_WORKERS: '1')
    assert_includes plain, "#{7 + add} runs, "
    application.forget_seen
    assert_summary application, "#{7 + add} tests: #{7 + add} passed"
    assert_databases(application) { |number| "#{application.databases}/test.sqlite3-gorgon-#{number}" }
    assert_equal 3, application.development_rows
  end

  def test_a_database_yml_that_names_the_number_is_taken_as_it_is_and_what_is_missing_is_made
    application = make
    application.add_tests(12)
    text = File.read("#{application.root}/config/database.yml")
    application.write('config/database.yml', text.sub('/test.sqlite3', "/test<%= ENV['TEST_ENV_NUMBER'] %>.sqlite3"))
    assert_summary application, '19 tests: 19 passed'
    assert_databases(application) { |number| "#{application.databases}/test#{number unless number == 1}.sqlite3" }
  end

  def test_hooks_of_parallelize_run_once_in_each_process_with_the_number_of_the_worker
    application = make
    application.add_tests(8)
    log = "#{application.root}/tmp/hooks"
    application.append('test/test_helper.rb', <<~RUBY)
      class ActiveSupport::TestCase
        parallelize_setup { |n| File.write('#{log}', "setup \#{n} \#{Process.pid}\\n", mode: 'a') }
        parallelize_teardown { |n| File.write('#{log}', "teardown \#{n} \#{Process.pid}\\n", mode: 'a') }
      end
    RUBY
    assert_summary application, '15 tests: 15 passed'
    lines = File.readlines(log, chomp: true)
    assert_equal lines.uniq, lines
    said = lines.group_by { |line| line.split.last }.values
    assert(said.all? { |those| those.map { |line| line[/\A\w+ \d/] } in [/\Asetup (\d)\z/, /\Ateardown (\d)\z/] })
    assert_equal %w[1 2], lines.map { |line| line.split[1] }.uniq.sort
  end

  def test_a_helper_that_comes_before_the_application_does_so_and_has_databases_of_its_own
    application = make
    application.add_tests(8)
    helper = File.read("#{application.root}/test/test_helper.rb")
    application.write('test/test_helper.rb', "ENV['SHOP'] = 'set'\n#{helper}")
    application.write('config/initializers/shop.rb', "SHOP = ENV.fetch('SHOP')\n")
    assert_summary application, '15 tests: 15 passed'
    assert_databases(application) { |number| "#{application.databases}/test.sqlite3-gorgon-#{number}" }
  end

  def test_what_init_writes_runs_the_same_also_with_its_callbacks_in_force
    application = make
    application.add_tests(8)
    application.write('test/system/never_test.rb', "raise 'system tests are left out'\n")
    written = application.run!('gorgon-originator', 'init')
    callbacks = 'test/gorgon_callbacks/gorgon_callbacks.rb'
    assert_includes written, "wrote #{callbacks}"
    files = -> { Dir.glob("#{application.root}/{.gitignore,gorgon.json,#{callbacks}}").to_h { |path| [path, File.read(path)] } }
    before = files.call
    assert_includes application.run!('gorgon-originator', 'init', 'rails'), 'nothing written'
    assert_equal before, files.call
    assert_summary application, '15 tests: 15 passed'
    text = before.fetch("#{application.root}/#{callbacks}")
    application.write(callbacks, text.gsub(/^  # ((?:  )*(?:def|end|ENV|require|Active|number|config|system).*)$/, '  \1'))
    assert_match(/^  def before_start$/, files.call.values.join)
    application.forget_seen
    assert_summary application, '15 tests: 15 passed'
    assert_databases(application) { |number| "#{application.databases}/test.sqlite3-gorgon-#{number}" }
    assert_equal 3, application.development_rows
  end

  def test_the_same_for_rspec
    application = make(framework: 'rspec')
    application.add_tests(8)
    helper = File.read("#{application.root}/spec/rails_helper.rb")
    application.write('spec/rails_helper.rb', "ENV['SHOP'] = 'set'\n#{helper}")
    application.write('config/initializers/shop.rb', "SHOP = ENV.fetch('SHOP')\n")
    application.run!('gorgon-originator', '--local=2')
    assert_databases(application) { |number| "#{application.databases}/test.sqlite3-gorgon-#{number}" }
  end

  def test_an_application_that_cannot_be_loaded_fails_each_file_that_needs_it_and_no_other
    application = make
    application.write('config/initializers/broken.rb', "raise 'this initializer is broken'\n")
    application.write('test/lib/pure_test.rb', "require 'minitest/autorun'\nclass PureTest < Minitest::Test\n  def test_it; assert true; end\nend\n")
    output, status = application.run('gorgon-originator', '--local=2')
    assert_equal 1, status, output
    # Rails 7 tells of it once in each process, and then of what it has frozen, as in a plain run of all files.
    assert_match(/^    this initializer is broken$/, output)
    assert_includes output, '4 files: 1 passed, 3 failed'
  end

  def test_two_runs_in_one_directory_at_once_have_databases_of_their_own
    application = make
    application.add_tests(30)
    runs = Array.new(2) { Thread.new { application.run('gorgon-originator', '--local=2') } }.map(&:value)
    assert_equal [0, 0], runs.map(&:last), runs.map(&:first).join
    assert_databases(application) { |number| "#{application.databases}/test.sqlite3-gorgon-#{number}" }
  end

  def test_rspec_and_postgresql_with_structure_sql_and_a_second_database
    @server = Postgresql.new(@directory)
    application = make(database: 'postgresql', framework: 'rspec', environment: @server.environment)
    application.write('config/initializers/schema.rb', "Rails.application.config.active_record.schema_format = :sql\n")
    application.write('config/database.yml', <<~YAML)
      development:
        primary: {adapter: postgresql, database: app_development}
        animals: {adapter: postgresql, database: app_animals_development, migrations_paths: db/animals}
      test:
        primary: {adapter: postgresql, database: app_test}
        animals: {adapter: postgresql, database: app_animals_test, migrations_paths: db/animals}
    YAML
    application.write('db/animals/20260101000000_dogs.rb',
                      "class Dogs < ActiveRecord::Migration[6.0]\n  def change; create_table(:dogs) { |t| t.string :name }; end\nend\n")
    application.write('app/models/animal.rb',
                      "class Animal < ApplicationRecord\n  self.abstract_class = true\n  connects_to database: { writing: :animals }\nend\n")
    application.write('app/models/dog.rb', "class Dog < Animal; end\n")
    application.migrate
    6.times do |i|
      application.write("spec/models/dog_#{i}_spec.rb", <<~RUBY)
        require 'rails_helper'
        RSpec.describe Dog do
          it('is alone') { Dog.delete_all; Dog.create!; sleep 0.05; expect(Dog.count).to eq 1 }
          it('has a worker') { expect(Dog.connection.current_database).to match(ENV['GORGON_WORKER_ID'] ? /-gorgon-[12]\\z/ : /test\\z/) }
        end
      RUBY
    end
    application.add_tests(8)
    examples = application.run!('bundle', 'exec', 'rspec')[/^(\d+) examples, 0 failures/, 1]
    application.forget_seen
    output = application.run!('gorgon-originator', '--local=2')
    assert_match(/^#{examples} tests: /, output)
    assert_databases(application) { |number| "app_test-gorgon-#{number}" }
    assert_equal 3, application.development_rows
  end

  def test_mariadb
    @server = Mariadb.new(@directory)
    application = make
    application.write('Gemfile', "#{Application::GEMFILE}gem 'mysql2'\n")
    application.run!('bundle', 'install', '--local', '--quiet')
    application.write('config/database.yml', %w[development test].map { |name| "#{name}: #{@server.yaml("app_#{name}")}\n" }.join)
    application.migrate
    application.add_tests(8)
    assert_summary application, '15 tests: 15 passed'
    assert_databases(application) { |number| "app_test-gorgon-#{number}" }
    assert_equal 3, application.development_rows
  end

  def test_the_line_under_a_failure_runs_that_test_alone
    application = make
    application.write('test/models/lines_test.rb', <<~RUBY)
      require 'test_helper'
      class LinesTest < ActiveSupport::TestCase
        test('is at a line') { flunk 'fails: one' }
        ['in a/b/c', 'it\\'s "here"'].each { |name| test(name) { flunk "fails: \#{name}" } }
      end
      class SameTest < ActiveSupport::TestCase
        test('is at a line') do
          flunk 'fails: same'
        end
      end
    RUBY
    output, = application.run('gorgon-originator', '--local=1', '--seed', '7', 'test/models/lines_test.rb')
    failures = output.split('Test name: ').drop(1)
    lines = failures.map { |text| [text[/^    (fails: .*)$/, 1], text[/^  rerun: (.*)$/, 1]] }.sort
    start = 'bin/rails test test/models/lines_test.rb'
    expected = [['fails: in a/b/c', "#{start} -n '/^LinesTest#test_in_a/b/c$/' --seed 7"],
                ['fails: it\'s "here"', "#{start} -n '/^LinesTest#test_it'\\''s_\"here\"$/' --seed 7"],
                ['fails: one', "#{start}:3 --seed 7"], ['fails: same', "#{start}:7 --seed 7"]]
    assert_equal expected, lines, output
    lines.each do |said, line|
      output, status = application.run('bash', '-c', line)
      assert_equal 1, status, output
      assert_includes output, '1 runs, 1 assertions, 1 failures, 0 errors'
      assert_includes output, said
    end
  end

  def test_the_line_under_a_failure_of_rspec_runs_that_example_alone
    application = make(framework: 'rspec')
    application.write('spec/models/lines_spec.rb', <<~RUBY)
      require 'rails_helper'
      RSpec.describe Author do
        it('is at a line') { raise 'fails: one' }
        %w[a b].each { |name| it(name) { raise "fails: \#{name}" } }
      end
    RUBY
    output, = application.run('gorgon-originator', '--local=1', 'spec/models/lines_spec.rb')
    lines = output.scan(/^  rerun: (.*)$/).flatten
    assert_equal 3, lines.size, output
    lines.zip(%w[one a b]) do |line, said|
      output, status = application.run('bash', '-c', line)
      assert_equal 1, status, output
      assert_includes output, '1 example, 1 failure'
      assert_includes output, "fails: #{said}"
    end
  end

  private

  def make(**options)
    Application.new("#{@directory}/app", **options)
  end

  # Each test was in the database of its worker; which worker had which file is chance.
  def assert_databases(application)
    seen = application.databases_seen
    refute_empty seen
    seen.each { |number, name| assert_equal yield(number), name }
  end

  def assert_summary(application, *lines)
    output, status = application.run('gorgon-originator', '--local=2')
    assert_equal 0, status, output
    lines.each { |line| assert_includes output.lines(chomp: true), line, output }
  end
end
