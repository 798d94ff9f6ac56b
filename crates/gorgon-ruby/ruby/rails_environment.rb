# frozen_string_literal: true

require_relative 'refused'

module Gorgon
  # Which environment a Rails application was loaded in. In any other than `test` its tests would change the
  # database that people work with: fixtures replace its rows.
  module RailsEnvironment
    WHAT = 'the environment of Rails'
    # What a Rails project has, and what its text names; `src/rails.rs` has the same.
    APPLICATION = 'config/application.rb'
    NAMED = 'Rails::Application'
    # Taken at load: tests stub File.
    IS_FILE = File.method(:file?)
    READ = File.method(:binread)
    # Ruby starts there; tests change directories.
    PROJECT = Dir.pwd

    class << self
      # `env` of the configuration may allow another environment by naming it.
      def allow(env)
        named = [env['RAILS_ENV'], env['RACK_ENV']].find { |name| !name.to_s.empty? }
        @allowed = ['test', named].compact
      end

      # Runs the block, which loads a test file, and raises Refused if the environment is wrong after it. What a test
      # before it made of `Rails.env` is the suite's business.
      def watch
        left_by_test = @passed && wrong
        yield.tap { check unless left_by_test }
      end

      def check
        found = wrong
        if found
          raise Refused.new(WHAT, "Rails.env is #{found}, not test: no test runs, as tests would change the database of #{found} " \
                                  "(RAILS_ENV in `env` of gorgon.json names another environment)")
        end
        @passed = true if application?
      end

      private

      # The name of the environment if it is one in which no test may run.
      def wrong
        return unless application?

        name = ::Rails.env.to_s
        name unless (@allowed || ['test']).include?(name)
      end

      # Without an application there is no database to be harmed: suites of libraries load Rails as well.
      def application?
        return false unless defined?(::Rails) && ::Rails.respond_to?(:env)
        return true if project?(PROJECT)

        application = ::Rails.app_class if ::Rails.respond_to?(:app_class)
        !application.nil? && project?(::Rails.root.to_s)
      end

      def project?(directory)
        @projects ||= {}
        @projects.fetch(directory) do
          path = "#{directory}/#{APPLICATION}"
          @projects[directory] = IS_FILE.call(path) && READ.call(path).include?(NAMED)
        end
      end
    end
  end
end
