# frozen_string_literal: true

require_relative 'system'

module Gorgon
  # What a test sees as `$0`: what it would be with the framework's own command, `rspec` or `ruby FILE`.
  module Program
    # As long as the words of our own command line: a longer title would be written over the environment, by which
    # processes of a job are found.
    MOST_BYTES = 1000
    COMPARED = /(?:__FILE__\s*==\s*\$(?:0|PROGRAM_NAME)\b|\$(?:0|PROGRAM_NAME)\s*==\s*__FILE__)/.freeze
    OWN_RUNNER = /\bTestRunner\b|\bAutoRunner\s*\.\s*run\b|\bMini[tT]est(?:::Unit)?\s*\.\s*(?:run|new)\b/.freeze
    # What it is under `rake test`.
    LOADER = 'rake_test_loader.rb'

    class << self
      def take(framework, path, root)
        name = framework == 'rspec' ? rspec : of(File.expand_path(path, root))
        return if name.bytesize > MOST_BYTES

        $0 = name unless $0 == name
        title = "#{name} #{path}"
        ::Process.setproctitle(title) if framework == 'rspec' && title.bytesize <= MOST_BYTES
      end

      private

      def rspec
        @rspec ||= ENV['PATH'].to_s.split(':').map { |directory| "#{directory}/rspec" }.find { |path| File.executable?(path) } || 'rspec'
      end

      # A file that runs its tests by itself where it is the program would run them twice.
      def of(file)
        text = File.file?(file) ? File.binread(file) : ''
        text.match?(COMPARED) && text.match?(OWN_RUNNER) ? LOADER : file
      end
    end
  end
end
