# frozen_string_literal: true

# Started by gorgon-ruby in the project's directory: merges the shares of all Ruby children, has SimpleCov write its report
# and judge it, and ends with the status that SimpleCov ends with. Arguments: the file of the shares, a piece a line, and
# `passed` or `failed` for the tests. Its helper is not loaded, as that would load the application: `share.rb` sends what
# it has set. `.simplecov` is loaded by SimpleCov itself.
[STDOUT, STDERR].each { |stream| stream.sync = true }
shares_path, tests = ARGV.reject { |argument| argument.strip.empty? }
ARGV.clear

require 'simplecov' # It brings JSON.
# It runs its tasks when it collates, not once more at the end.
SimpleCov.external_at_exit = true

module Gorgon
  # What came from all children.
  class Collated
    CRITERIA = %w[line branch method oneshot_line eval].freeze

    def initialize(path)
      @root = Dir.pwd
      @coverage = nil
      @commands = []
      @groups = {}
      @limits = {}
      @pieces = {}
      @whole = {}
      File.foreach(path, encoding: 'UTF-8') { |line| piece(JSON.parse(line)) }
      warn "coverage: the results of #{@pieces.size} Ruby processes did not arrive whole and are left out" if @pieces.any?
    end

    def any?
      !@coverage.nil?
    end

    def whole?
      @pieces.empty?
    end

    def configure
      set(@settings)
      groups = @groups.transform_values { |files| SimpleCov::BlockFilter.new(->(file) { files[file.filename] }) }
      SimpleCov.groups = groups
      # They have been applied where they are defined.
      SimpleCov.filters = []
    end

    def report(failed)
      in_a_file do |path|
        next SimpleCov.collate([path]) unless failed

        begin
          exit 1
        rescue SystemExit
          # As in a process whose tests have failed: a report, and no judgement.
          SimpleCov.collate([path])
        end
      end
    end

    private

    # A message may come twice.
    def piece(line)
      return if @whole[line['from']]

      pieces = (@pieces[line['from']] ||= {})
      pieces[line['piece']] = line['text']
      return if pieces.size < line['pieces']

      @whole[line['from']] = @pieces.delete(line['from']) && true
      share(JSON.parse(pieces.sort.map(&:last).join))
    end

    def share(share)
      # What is not enabled is not merged.
      share['settings']['criteria'].each { |criterion| SimpleCov.enable_coverage(criterion.to_sym) }
      coverage = share['coverage'].transform_keys { |path| outside(path) }
      @coverage = @coverage ? SimpleCov::Combine.combine(SimpleCov::Combine::ResultsCombiner, @coverage, coverage) : coverage
      @commands |= [share['command']]
      share['groups'].each { |name, files| files.each { |file| (@groups[name] ||= {})[outside(file)] = true } }
      @settings ||= share['settings']
      share['settings']['limits'].each { |name, limits| @limits[name] = strictest(name, @limits[name], named(limits || {})) }
    end

    # Of two helpers with limits of their own, the stricter one counts.
    def strictest(name, one, other)
      return other unless one

      one.merge(other) do |_, first, second|
        next strictest(name, first, second) if first.is_a?(Hash)

        [first, second].public_send(name == 'maximum_coverage_drop' ? :min : :max)
      end
    end

    # Criteria are symbols to SimpleCov, names of groups are not.
    def named(limits)
      limits.map { |key, value| [CRITERIA.include?(key) ? key.to_sym : key, value.is_a?(Hash) ? named(value) : value] }.to_h
    end

    def set(settings)
      SimpleCov.root(outside(settings['root']))
      SimpleCov.coverage_dir(settings['directory'])
      SimpleCov.primary_coverage(settings['primary'].to_sym) if settings['primary']
      SimpleCov.nocov_token(settings['nocov'])
      SimpleCov.project_name(settings['project']) if settings['project']
      SimpleCov.print_error_status = settings['says_status'] unless settings['says_status'].nil?
      @limits.each { |name, limits| SimpleCov.public_send(name, limits) unless limits.empty? }
      formatters(settings['formatters'])
      at_exit = settings['at_exit'] or return
      warn "coverage: the block of SimpleCov.at_exit in #{at_exit} does not run: it has to stand in .simplecov"
    end

    def formatters(told)
      found = told.map { |name, feature, file| formatter(name, feature) || unknown(name, file) }.compact
      SimpleCov.formatters = found unless found.empty?
    end

    def formatter(name, feature)
      return unless name

      require feature if feature && !Object.const_defined?(name)
      Object.const_get(name) if Object.const_defined?(name)
    rescue LoadError
      nil
    end

    def unknown(name, file)
      warn "coverage: the formatter #{name || 'without a name'} (#{file || 'defined nowhere'}) writes nothing: it has to be " \
           'defined in .simplecov or in a gem'
    end

    def outside(path)
      File.expand_path(path, @root)
    end

    # SimpleCov reads a file. This one has no name, so that nothing is left of it.
    def in_a_file
      result = { @commands.sort.join(', ') => { 'coverage' => @coverage, 'timestamp' => Time.now.to_i } }
      path = File.join(ENV['TMPDIR'] || '/tmp', "gorgon-coverage-#{Process.pid}-#{Random.rand(1 << 64)}")
      File.open(path, File::RDWR | File::CREAT | File::EXCL, 0o600) do |file|
        File.unlink(path)
        file.write(JSON.generate(result))
        file.flush
        yield "/proc/self/fd/#{file.fileno}"
      end
    end
  end
end

collated = Gorgon::Collated.new(shares_path)
# What is missing may be what would fail the run.
missing = collated.whole? || tests == 'failed' ? 0 : 1
exit!(missing) unless collated.any?
collated.configure
begin
  collated.report(tests == 'failed')
rescue SystemExit => e
  STDOUT.flush
  exit!(e.status)
end
exit!(missing)
