# frozen_string_literal: true

module Gorgon
  # Replaces this Ruby process by a new one (exec): the command, environment and owner stay, the settings change, and
  # whatever was loaded is gone.
  module Anew
    # The variable that names the descriptor with the settings. Without it the owner's first line has the settings.
    DESCRIPTOR = 'GORGON_SETTINGS_FD'
    ENVIRONMENT = ENV.to_h.freeze
    COMMAND = File.binread('/proc/self/cmdline').split("\0").freeze
    PROGRAM = File.readlink('/proc/self/exe').freeze

    class << self
      # Does not return. `directory`: ours alone.
      def start(settings, owner, directory)
        kept = keep(settings, "#{directory}/settings")
        environment = ENVIRONMENT.merge(DESCRIPTOR => kept.fileno.to_s)
        command, *arguments = COMMAND
        ::Kernel.exec(environment, [PROGRAM, command], *arguments, unsetenv_others: true, 0 => owner.io, kept.fileno => kept)
      end

      # The settings that `start` left for this process; nil in a process that its owner has started.
      def settings
        descriptor = ENV.delete(DESCRIPTOR) or return
        File.open(descriptor.to_i) { |file| Json.read(file.read) }
      end

      private

      # A file without a name.
      def keep(settings, path)
        file = File.open(path, File::RDWR | File::CREAT | File::EXCL, 0o600)
        File.unlink(path)
        file.write(Json.write(settings))
        file.rewind
        file
      end
    end
  end
end
