# frozen_string_literal: true

module Gorgon
  module Frameworks
    class Rspec
      # RSpec's options from its usual places (.rspec, ~/.rspec, SPEC_OPTS, after `--`), without those that only make
      # sense in one process.
      class Options
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
          drb: '--drb of RSpec is ignored'
        }.freeze
        PATTERN = '%s of RSpec is ignored: `files` of gorgon.json and the command line say which files run'
        OWN_PATTERN = 'config.%<name>s of the suite is ignored: by it %<what>s (%<first>s); say which run in `files` of gorgon.json'
        PATTERNS = { pattern: %w[-P --pattern], exclude_pattern: %w[--exclude-pattern] }.freeze

        # The files of the project that may hold some.
        def self.files
          %w[.rspec .rspec-local].select { |path| File.file?(path) }
        end

        # Whether one of these files has Ruby in it (ERB), which decides the options.
        def self.templates?
          files.any? { |path| File.binread(path).include?('<%') }
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

        def initialize(settings, reporter)
          @settings = settings
          @reporter = reporter
        end

        # RSpec says what is wrong, and exits.
        def parse
          stderr = $stderr
          $stderr = ::IO.new(::IO.sysopen(::File::NULL, ::File::WRONLY), 'w')
          ::RSpec::Core::ConfigurationOptions.new(@settings.options)
        rescue SystemExit, ::OptionParser::ParseError => e
          raise Unknown, Raised.message(e).lines.first.to_s.strip
        ensure
          $stderr.close
          $stderr = stderr
        end

        # Those of a process that runs some of the job's files.
        def for_child(config, files)
          options = parse
          found = options.options
          IGNORED.each { |key, text| @reporter.warning(text) if found.delete(key) }
          PATTERNS.each { |key, names| ignore_pattern(names.last) if given?(names) && found.delete(key) }
          words = found.fetch(:files_or_directories_to_run, [])
          @reporter.warning(Frameworks.no_options('RSpec', words)) if words.any?
          # As if RSpec had been given the files of the job: helpers ask `files_to_run` what to start.
          found[:files_or_directories_to_run] = files
          %i[runner drb_port].each { |key| found.delete(key) }
          seed(config)
          options
        end

        # RSpec's files of the whole job, as far as their names tell.
        def job_files
          @settings.files.split("\n").select { |file| file.end_with?('_spec.rb') }
                   .map { |file| File.expand_path(file, @settings.root) }.sort
        end

        private

        def given?(names)
          @settings.options.any? { |word| names.any? { |name| word == name || word.start_with?("#{name}=") } }
        end

        def ignore_pattern(name)
          @reporter.warning(::Kernel.format(PATTERN, name))
        end

        # Takes effect only where the suite asks for a random order and names no seed of its own.
        def seed(config)
          config.order = "defined:#{@settings.seed}"
        end
      end
    end
  end
end
