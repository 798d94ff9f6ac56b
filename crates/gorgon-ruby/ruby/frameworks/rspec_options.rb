# frozen_string_literal: true

require 'stringio'

module Gorgon
  module Frameworks
    # RSpec's options from its usual places (.rspec, ~/.rspec, SPEC_OPTS, what stands after `--`),
    # but for those that only make sense in one process.
    class RspecOptions
      # What RSpec does not know of.
      class Unknown < UnknownOption
        OF = 'RSpec'
      end

      # Option => what the user is told.
      IGNORED = {
        fail_fast: '--fail-fast of RSpec is ignored: use --fail-fast of gorgon-originator',
        dry_run: '--dry-run of RSpec is ignored',
        only_failures: '--only-failures of RSpec is ignored: use --only-failures of gorgon-originator',
        bisect: '--bisect of RSpec is ignored',
        drb: '--drb of RSpec is ignored',
        pattern: '--pattern of RSpec is ignored: `files` of gorgon.json and the command line say which files run',
        exclude_pattern: '--exclude-pattern of RSpec is ignored: `files` of gorgon.json and the command line ' \
                         'say which files run'
      }.freeze
      # Left out without a word.
      LEFT_OUT = %i[formatters runner files_or_directories_to_run profile_examples drb_port color color_mode tty].freeze

      def initialize(settings, reporter)
        @settings = settings
        @reporter = reporter
      end

      # Whether Ruby in an options file of the project decides what they are.
      def self.templates?
        %w[.rspec .rspec-local].any? { |path| File.file?(path) && File.binread(path).include?('<%') }
      end

      # RSpec says what is wrong, and exits.
      def parse
        stderr = $stderr
        $stderr = ::StringIO.new
        ::RSpec::Core::ConfigurationOptions.new(@settings.options)
      rescue SystemExit, ::OptionParser::ParseError => e
        raise Unknown, Raised.message(e).lines.first.to_s.strip
      ensure
        $stderr = stderr
      end

      def configure(config, filters)
        options = parse
        found = options.options
        IGNORED.each { |key, text| @reporter.warning(text) if found.delete(key) }
        files = found.fetch(:files_or_directories_to_run, [])
        @reporter.warning(Frameworks.no_options('RSpec', files)) if files.any?
        LEFT_OUT.each { |key| found.delete(key) }
        without_last_run(options)
        seed(config)
        filters.attend
        options.configure(config)
      end

      # What a helper may set as well.
      def self.ignore_endings(config, reporter)
        return unless config.fail_fast || config.dry_run

        %i[fail_fast dry_run].each do |name|
          next unless config.public_send(name)

          reporter.warning(IGNORED[name])
          config.public_send("#{name}=", nil)
        end
      end

      private

      # --only-failures is a filter besides.
      def without_last_run(options)
        filters = options.instance_variable_get(:@filter_manager_options) || []
        filters.each { |_, rules| rules.delete(:last_run_status) if rules.is_a?(Hash) }
      end

      # Takes effect only where the suite asks for a random order and names no seed of its own.
      def seed(config)
        config.ordering_manager.instance_variable_set(:@seed, @settings.seed)
      end
    end
  end
end
