# frozen_string_literal: true

require 'fileutils'
require 'open3'

# A small Rails application, made as its users make theirs: by `rails new`, generators and migrations.
class Application
  GEMFILE = <<~RUBY
    source 'https://rubygems.org'
    gem 'rails'
    gem 'sqlite3'
    gem 'pg'
    gem 'puma'
    gem 'simplecov', require: false
  RUBY

  # Parts of Rails that no test here needs, some of which want packages of Node. An older Rails does not mind newer names.
  SKIPPED = %w[bundle git javascript webpack-install turbolinks spring listen bootsnap jbuilder system-test active-storage
               action-mailbox action-text hotwire kamal solid rubocop brakeman ci docker].freeze

  # What every command is given: no Spring, and nobody's settings.
  ENVIRONMENT = { 'DISABLE_SPRING' => '1', 'RAILS_ENV' => nil, 'LANG' => 'C.UTF-8' }.freeze

  attr_reader :root

  # Makes it below a directory, with a scaffold and rows in its development database. `database`: sqlite3 or postgresql.
  def initialize(root, database: 'sqlite3', framework: 'minitest', environment: {})
    @root = root
    @environment = ENVIRONMENT.merge(environment)
    @framework = framework
    skipped = SKIPPED + [rails_7? ? 'asset-pipeline' : 'sprockets', *('test' if framework == 'rspec')]
    Dir.chdir(File.dirname(root)) do
      run!('rails', 'new', root, *skipped.map { |name| "--skip-#{name}" }, "--database=#{database}", '--quiet', '--force')
    end
    write('Gemfile', framework == 'rspec' ? "#{GEMFILE}gem 'rspec-rails'\n" : GEMFILE)
    run!('bundle', 'install', '--local', '--quiet')
    run!('bin/rails', 'generate', 'rspec:install') if framework == 'rspec'
    run!('bin/rails', 'generate', 'scaffold', 'Author', 'name', '--no-helper')
    migrate
  end

  def migrate
    run!('bin/rails', 'db:create', 'db:migrate')
    run!('bin/rails', 'runner', '3.times { |i| Author.create!(name: "of development #{i}") } if Author.count.zero?')
  end

  # Files of tests, each of which sees only what it wrote itself, in a database that others leave alone.
  def add_tests(count)
    count.times do |i|
      body = "Author.create!(name: 'a'); sleep 0.05; %s; " \
             "File.write(\"#{seen}/\#{ENV['TEST_ENV_NUMBER']}-\#{Process.pid}\", Author.connection_db_config.database)"
      if @framework == 'rspec'
        write("spec/models/author_#{i}_spec.rb",
              "require 'rails_helper'\nRSpec.describe Author do\n  before { Author.delete_all }\n" \
              "  it('is alone') { #{format(body, 'expect(Author.count).to eq 1')} }\nend\n")
      else
        write("test/models/author_#{i}_test.rb",
              "require 'test_helper'\nclass Author#{i}Test < ActiveSupport::TestCase\n" \
              "  test('is alone') { Author.delete_all; #{format(body, 'assert_equal 1, Author.count')} }\nend\n")
      end
    end
  end

  # The databases that tests have seen, by the number of their worker.
  def databases_seen
    Dir.glob("#{seen}/*").map { |path| [[File.basename(path).to_i, 1].max, File.read(path)] }.uniq.sort
  end

  # Where those of SQLite lie.
  def databases
    rails_7? ? 'storage' : 'db'
  end

  def forget_seen
    FileUtils.rm_f(Dir.glob("#{seen}/*"))
  end

  def seen
    "#{@root}/tmp/seen".tap { |path| FileUtils.mkdir_p(path) }
  end

  def development_rows
    run!('bin/rails', 'runner', 'puts Author.count').to_i
  end

  def rails_7?
    Gem::Specification.find_by_name('rails').version >= Gem::Version.new('7')
  end

  # Runs a command in the application; returns its output and its status.
  def run(*command, **environment)
    words = environment.transform_keys(&:to_s)
    output, status = Open3.capture2e(@environment.merge(words), *command, chdir: File.directory?(@root) ? @root : Dir.pwd)
    [output, status.exitstatus]
  end

  def run!(*command, **environment)
    output, status = run(*command, **environment)
    raise "#{command.join(' ')} ended with #{status}:\n#{output}" unless status.zero?

    output
  end

  def write(path, text)
    full = "#{@root}/#{path}"
    FileUtils.mkdir_p(File.dirname(full))
    File.write(full, text)
  end

  def append(path, text)
    write(path, File.read("#{@root}/#{path}") + text)
  end

end
