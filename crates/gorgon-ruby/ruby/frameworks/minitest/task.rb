# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Minitest
      # Minitest::TestTask, by which `rake test` of a project loads Minitest before its first test file: files of such a
      # project need not ask for it.
      module Task
        RAKEFILES = %w[Rakefile rakefile Rakefile.rb rakefile.rb].freeze
        NAMED = /^[^#\n]*\bMinitest::TestTask\b/.freeze
        LIBRARY = 'minitest/autorun'
        # A task may load something else instead.
        OWN = /^[^#\n]*\bframework\s*=[^\n]*\brequire[ (]+\\?["']([^"'\\]+)/.freeze

        # What it requires; nil without a task.
        def self.library(root)
          path = RAKEFILES.map { |name| "#{root}/#{name}" }.find { |name| File.file?(name) } or return
          text = File.binread(path)
          return unless NAMED.match?(text)

          own = text[OWN, 1] or return LIBRARY
          # The task has the project's directory on its load path.
          ["#{root}/#{own}", "#{root}/#{own}.rb"].find { |file| File.file?(file) } || own
        rescue SystemCallError
          nil
        end
      end
    end
  end
end
