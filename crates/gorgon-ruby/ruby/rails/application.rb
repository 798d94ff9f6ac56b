# frozen_string_literal: true

require_relative '../frameworks'

module Gorgon
  # A Rails application, loaded once for all Ruby children of a host, where no callback does that.
  module RailsApplication
    ENVIRONMENT = 'config/environment.rb'
    # Files that may want to run before the application is loaded.
    HELPERS = %w[.simplecov test/test_helper.rb spec/spec_helper.rb spec/rails_helper.rb].freeze
    # The place in a helper where it loads the application.
    LOADS = %r{^\s*require.*\bconfig/environment\b}.freeze
    # What a helper does before that, and what does not work after it: what counts lines must see them loaded, and the
    # application reads the environment.
    FIRST = /^\s*(?:SimpleCov\b|(?:::)?Coverage\.|require\s*\(?['"]simplecov|ENV\[['"](?!RAILS_ENV|RACK_ENV)\w+['"]\]\s*(?:\|\|)?=[^=]|Dotenv\b|require\s*\(?['"]dotenv)/.freeze

    class << self
      # Loads it; returns false where that fails, and leaves half an application behind.
      def load
        return true if wants_to_be_first

        Frameworks.disarmed { ::Kernel.require(File.expand_path(ENVIRONMENT)) }
        true
      rescue SystemExit, ScriptError, StandardError => e
        STDERR.puts("gorgon: #{ENVIRONMENT}: #{Raised.class_text(e)}: #{Raised.message(e)}")
        false
      end

      # Whether a helper does something before it loads the application: then each child loads it, with its first file.
      def wants_to_be_first
        HELPERS.any? do |path|
          next false unless File.file?(path)

          before, loads = File.binread(path).split(LOADS, 2)
          # A helper that loads others: what they do comes first as well.
          (loads || path != 'spec/rails_helper.rb') && before.match?(FIRST)
        end
      end
    end
  end
end
