# frozen_string_literal: true

# Started by gorgon-ruby with a socket for its stdin: the first line says what to be. stdin of all
# that follows is /dev/null.
require_relative 'compiled'

module Gorgon
  compiled = Compiled.new('boot')
  # What is loaded here lives on.
  off = ::GC.disable
  compiled.load { %w[system protocol anew callbacks preloader].each { |name| require_relative name } }
  ::GC.enable unless off

  # The handler that runs last in a child.
  ::Kernel.at_exit { Leaving.tell($!) }
  # ARGV has one blank argument, which only makes the command line long enough for any later `$0`.
  ARGV.clear
  owner = Channel.new(STDIN.dup)
  File.open('/dev/null') { |null| System.place(null, 0) || STDIN.reopen(null) }
  [STDOUT, STDERR].each { |stream| stream.sync = true }
  settings = Anew.settings || owner.receive
  Process.exit!(1) unless settings

  RailsEnvironment.allow(settings['env'])
  Hidden.hide
  callbacks = Callbacks.new(settings['callbacks'])
  if settings['mode'] == 'preload'
    Preloader.new(settings, callbacks, owner, compiled).run
  elsif settings['mode'] == 'keep'
    Hidden.shown { require_relative 'kept_preloader' }
    KeptPreloader.new(settings, callbacks, owner, compiled).run
  else
    name = settings['callback']
    returned = nil
    failure = callbacks.run(name) { |value| returned = value if value.is_a?(String) }
    owner.send(failure ? failure.merge(event: 'callback_failed') : { event: 'callback_done', callback: name, returned: returned })
  end
  # at_exit handlers are for the children that run files.
  Process.exit!(0)
end
