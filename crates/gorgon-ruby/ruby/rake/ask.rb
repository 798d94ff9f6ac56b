# frozen_string_literal: true

# Started by gorgon-ruby in the project's directory: loads the Rakefile as `rake` does, and writes as JSON which files
# its test tasks run, and how. No task is executed. Its stdout is for that alone.
answer = STDOUT.dup
STDOUT.reopen(STDERR)
[STDOUT, STDERR].each { |stream| stream.sync = true }
ARGV.clear
$0 = 'rake'

begin
  require 'rake'
rescue LoadError => e
  warn "gorgon: #{e.message}"
  exit!(3)
end
require_relative 'seen'
require_relative 'action'
require_relative 'told'
require_relative 'environment'

begin
  project = Dir.pwd
  environment = Gorgon::EnvironmentOfRake.new(project)
  Rake.application.init('rake')
  Gorgon::SeenTasks.watch { Rake.application.raw_load_rakefile }
  told = Gorgon::ToldByRake.new(project).to_h.merge(environment: environment.changes)
rescue SystemExit => e
  warn "gorgon: it exits with #{e.status}"
  exit!(4)
rescue Exception => e # rubocop:disable Lint/RescueException
  warn "gorgon: #{e.class}: #{e.message.lines.first}"
  exit!(4)
end
require 'json'
answer.write(JSON.generate(told))
answer.flush
# Handlers of at_exit belong to whoever runs tasks.
Process.exit!(0)
