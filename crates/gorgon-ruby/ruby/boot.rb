# frozen_string_literal: true

# Started by gorgon-ruby with a socket for its stdin: the first line says what to be. stdin of all
# that follows is /dev/null.
require_relative 'system'
require_relative 'protocol'

module Gorgon
  owner = Channel.new(STDIN.dup)
  STDIN.reopen('/dev/null')
  [STDOUT, STDERR].each { |stream| stream.sync = true }
  settings = owner.receive
  Process.exit!(1) unless settings

  require_relative 'callbacks'
  callbacks = Callbacks.new(settings['callbacks'])
  if settings['mode'] == 'preload'
    require_relative 'preloader'
    Preloader.new(settings, callbacks, owner).run
  else
    name = settings['callback']
    returned = nil
    failure = callbacks.run(name) { |value| returned = value if value.is_a?(String) }
    owner.send(failure ? failure.merge(event: 'callback_failed') : { event: 'callback_done', callback: name, returned: returned })
  end
  # at_exit handlers are for the children that run files.
  Process.exit!(0)
end
