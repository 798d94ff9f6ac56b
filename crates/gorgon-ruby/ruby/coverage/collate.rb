# frozen_string_literal: true

# Started by gorgon-ruby in the project's directory: merges the shares of all Ruby children, has SimpleCov write its report
# and judge it. Arguments: the file of the shares, a piece a line; `passed` or `failed` for the tests; whether coverage is
# `asked` for or merged `by_default`; the exit status that fails the run. Any other status than that and 0 says that there
# is no judgement. Its helper is not loaded, as that would load the application: `share.rb` sends what
# it has set. `.simplecov` is loaded by SimpleCov itself.
[STDOUT, STDERR].each { |stream| stream.sync = true }
shares_path, tests, wanted, refused = ARGV.reject { |argument| argument.strip.empty? }
ARGV.clear

require_relative 'at_exit'
require_relative 'unseen'
asked = wanted == 'asked'
require 'simplecov' # It brings JSON.
# It runs its tasks when it collates, not once more at the end.
SimpleCov.external_at_exit = true

module Gorgon
  # What came from all children.
  class Collated
    CRITERIA = %w[line branch method oneshot_line eval].freeze
    # Maximum number of files that a warning names.
    MOST_NAMES = 5

    def initialize(path)
      @root = Dir.pwd
      @values = Hash.new { |all, known| all[known] = {} }
      @shares = []
      @pieces = {}
      @whole = {}
      @groups = {}
      @limits = {}
      @at_exit = []
      File.foreach(path, encoding: 'UTF-8') { |line| piece(JSON.parse(line)) }
      @whole_shares, others = @shares.partition { |share| share['numbers'].all? { |number| @values[share['known']].key?(number) } }
      @lost = @pieces.size + others.size
      processes = @lost == 1 ? '1 Ruby process' : "#{@lost} Ruby processes"
      warn "coverage: the results of #{processes} did not arrive whole and are left out" if @lost.positive?
      distinct { |share| share['numbers'][0] }.each { |settings| take_settings(settings) }
      distinct { |share| share['numbers'][1] }.each { |groups| take_groups(groups) }
      @coverage = merged
      unseen = @whole_shares.flat_map { |share| share['unseen'] || [] }.map { |path| outside(path) }.uniq - @coverage.keys
      @unseen = Unseen.new(unseen.select { |path| File.file?(path) })
      tell_absent
    end

    def any?
      @whole_shares.any?
    end

    def whole?
      @lost.zero?
    end

    # Whether SimpleCov's refusal counts. If nobody asked for it, it counts only if a plain run would end so, too.
    def sure?
      return true unless @unseen.any?

      @unseen.tell(@root)
      return true if @asked

      refused = @unseen.refused_at_best? do |files|
        @coverage.merge!(files)
        report(false)
      end
      warn 'coverage: as a plain run may pass with that, this fails no run' unless refused
      refused
    end

    def configure(asked:)
      @asked = asked
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
      share.delete('values').each { |number, value| @values[share['known']][number.to_i] = value }
      @shares << share
    end

    # The values behind one number of each share, each once.
    def distinct
      @whole_shares.map { |share| [share['known'], yield(share)] }.uniq.map { |known, number| @values[known][number] }.uniq
    end

    # What is not enabled is not merged.
    def take_settings(settings)
      settings['criteria'].each { |criterion| SimpleCov.enable_coverage(criterion.to_sym) }
      @settings ||= settings
      @at_exit << settings['at_exit'] if settings['at_exit']
      settings['limits'].each { |name, limits| @limits[name] = strictest(name, @limits[name], named(limits || {})) }
    end

    def take_groups(groups)
      groups.each { |name, files| files.each { |file| (@groups[name] ||= {})[outside(file)] = true } }
    end

    # Most processes have the same of a file, by the same number: it is merged once, as often as it was counted.
    def merged
      found = Hash.new { |all, path| all[path] = Hash.new(0).compare_by_identity }
      @whole_shares.each do |share|
        known, (_, _, paths, *numbers) = share.values_at('known', 'numbers')
        @values[known][paths].zip(numbers) { |path, number| found[path][@values[known][number]] += 1 }
      end
      found.map do |path, counts|
        [outside(path), counts.map { |value, times| times(value, times) }.reduce { |one, other| combined(one, other) }]
      end.to_h
    end

    def times(value, times)
      case value
      when Hash then value.transform_values { |inner| times(inner, times) }
      when Array then value.map { |inner| times(inner, times) }
      else value && value * times
      end
    end

    def combined(one, other)
      SimpleCov::Combine.combine(SimpleCov::Combine::ResultsCombiner, { 'file' => one }, { 'file' => other })['file']
    end

    # SimpleCov reads the files that it reports.
    def tell_absent
      absent = @coverage.keys.reject { |path| File.file?(path) }.map { |path| path.delete_prefix("#{@root}/") }.sort
      return if absent.empty?

      names = absent.first(MOST_NAMES).join(', ')
      names += " and #{absent.size - MOST_NAMES} more" if absent.size > MOST_NAMES
      warn "coverage: files that were measured are not in this directory, so the report is without them: #{names}"
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
      AtExit.set(@at_exit.uniq, @root, asked: @asked) if @at_exit.any?
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
      commands = @whole_shares.map { |share| share['command'] }.uniq
      result = { commands.sort.join(', ') => { 'coverage' => @coverage, 'timestamp' => Time.now.to_i } }
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
status = 0
begin
  if collated.any?
    collated.configure(asked: asked)
    collated.report(tests == 'failed')
  end
rescue SystemExit => e
  status = e.status
end
exit!(0) if tests == 'failed'
# What is missing may be what would fail the run, or what would have it pass.
unless collated.whole?
  unless asked
    warn 'coverage: nothing is judged, as results are missing'
    exit!(0)
  end
  if status.zero?
    warn 'coverage: the run fails, as results are missing'
    exit!(refused.to_i)
  end
end
exit!(0) if status.zero? || !collated.sure?
warn "coverage: the run fails, as SimpleCov ended with exit status #{status}"
exit!(refused.to_i)
