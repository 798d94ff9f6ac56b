# frozen_string_literal: true

# A Ruby child as a branch forks it, with its socket as descriptor 3.
# usage: ruby child_process.rb FRAMEWORK PRELOAD
require_relative '../system'
require_relative '../protocol'
require_relative '../callbacks'
require_relative '../branch'

framework, preload = ARGV
ARGV.clear
Gorgon::Frameworks.disarmed { eval(preload) }
request = Gorgon::Child::Request.new(framework: framework, slot: 1, test_env_number: 1)
settings = { 'seed' => 1, 'options' => [], 'env' => {}, 'callbacks' => {} }
rspec = -> { Gorgon::Frameworks.adapter(framework).preload(Gorgon::Child.settings(settings, Dir.pwd)) }
Gorgon::Frameworks.disarmed(&rspec) if framework == 'rspec'
channel = Gorgon::Channel.new(IO.for_fd(3, 'r+b'))
# It leads a session of its own, which a process group's leader cannot.
Process.exit!(0) if (pid = fork) && Process.wait(pid)
Gorgon::Child.new(request, settings, Gorgon::Callbacks.new({}), channel, Gorgon::Capture.new(Dir.pwd)).run
