# frozen_string_literal: true

require_relative 'counts'
require_relative 'wanted'

module Gorgon
  # The share of a Ruby child in the coverage of a job. When SimpleCov would write its report, the child sends its result
  # and the settings of SimpleCov instead. It writes no report, as other children write the same one, and judges nothing.
  # Filters and groups are applied here: they may be blocks. `collate.rb` makes the report of all shares.
  class CoverageShare
    # Size of a piece, in characters: small beside what a broker takes in one message.
    PIECE = 1 << 18
    LIMITS = %i[minimum_coverage minimum_coverage_by_file minimum_coverage_by_group maximum_coverage_drop].freeze

    # A share that refers to what no child sends, as one whose process was killed.
    LOST = '{"known":"","numbers":[0],"values":{}}'

    class << self
      # Where all children write down what they have sent.
      attr_accessor :known

      # Called when a child begins to live. If SimpleCov measures since before the fork, it measures for this child too.
      def begin
        CoverageCounts.give_back
        ::SimpleCov.pid = $$ if ready? && ::SimpleCov.running && ::SimpleCov.pid
      end

      # Called before a file is loaded, unless a plain run loads it first. If it starts SimpleCov, its lines are not measured.
      def note(path)
        unseen << path unless ready? && ::SimpleCov.running
      end

      def unseen
        @unseen ||= []
      end

      # From now on SimpleCov's end is ours. Called when the child has run its last test.
      def take(channel, root, settings)
        return if @taken || !defined?(::SimpleCov)
        return too_old(channel, CoverageWanted.asked?(settings)) unless ready?
        return unless ::SimpleCov.pid == $$

        @taken = true
        pid = $$
        share = new(channel, root, CoverageWanted.asked?(settings))
        ::SimpleCov.singleton_class.prepend(Module.new do
          define_method(:run_exit_tasks!) { ($$ == pid && share.deliver) || super() }
        end)
      end

      private

      # It goes on as if nobody merged: it writes a report of this process. Its verdict counts if the user asked for one.
      def too_old(channel, asked)
        return unless %i[start running].all? { |name| ::SimpleCov.respond_to?(name) } && ::SimpleCov.running

        @taken = true
        version = ::SimpleCov.const_defined?(:VERSION) ? ::SimpleCov::VERSION : 'of an unknown version'
        channel.send(event: 'warning', message: "coverage: SimpleCov #{version} cannot merge the results of all Ruby processes, " \
                                                "which takes 0.18 or later; #{asked ? 'what it says of each process counts' : 'nobody judges the coverage: take a newer one, or set \"coverage\": false'}")
      end

      # Older versions than 0.18 cannot collate; another library may have the name.
      def ready?
        defined?(::SimpleCov) && %i[collate running pid run_exit_tasks!].all? { |name| ::SimpleCov.respond_to?(name) }
      end
    end

    def initialize(channel, root, asked)
      @channel = channel
      @asked = asked
      @roots = [root, File.realpath(root)].uniq.map { |path| "#{path}/" }
    end

    # Returns whether there was something to send.
    def deliver
      ::SimpleCov.use_merging(false)
      result = ::SimpleCov.result or return false
      send_pieces(text(result))
      true
    rescue StandardError => e
      raise if @asked

      # A plain run may not have asked what we did. Without this result nothing is judged.
      @channel.send(event: 'warning', message: "coverage: the result of a Ruby process cannot be merged: #{e.class}: #{e.message}")
      send_pieces(LOST)
      true
    end

    private

    def send_pieces(text)
      pieces = (0...text.size).step(PIECE).map { |start| text[start, PIECE] }
      share = (System.now * 1_000_000).to_i
      pieces.each_with_index do |piece, number|
        @channel.send(event: 'coverage', share: share, piece: number, pieces: pieces.size, text: piece)
      end
    end

    # Numbers, and the values of those that no child has sent.
    def text(result)
      Hidden.shown { require_relative 'known' } # Only now: a test may ask for what it loads.
      name, data = result.to_hash.first
      coverage = data.fetch('coverage')
      groups = result.groups.map { |group, files| [group, files.map { |file| inside(file.filename) }] }
      values = [settings, groups, coverage.keys.map { |path| inside(path) }, *coverage.values]
      known, numbers, news = CoverageKnown.new(self.class.known).numbers(values.map { |value| ::JSON.generate(value) })
      values = news.map { |number, value| "\"#{number}\":#{value}" }.join(',')
      "#{::JSON.generate(command: name, known: known, numbers: numbers, unseen: unseen).chop},\"values\":{#{values}}}"
    end

    # Of the files that were loaded before SimpleCov started, those that its filters leave in.
    def unseen
      paths = self.class.unseen.map { |path| ::File.expand_path(path, @roots.first) }.select { |path| ::File.file?(path) }
      return [] if paths.empty? || !defined?(::SimpleCov::SimulateCoverage)

      files = paths.map { |path| ::SimpleCov::SourceFile.new(path, ::SimpleCov::SimulateCoverage.call(path)) }
      ::SimpleCov.filtered(files).map { |file| inside(file.filename) }
    end

    def settings
      simplecov = ::SimpleCov
      { root: inside(simplecov.root), directory: inside(simplecov.coverage_dir),
        criteria: simplecov.coverage_criteria.to_a, primary: optional(:primary_coverage), nocov: simplecov.nocov_token,
        project: simplecov.instance_variable_get(:@project_name), says_status: optional(:print_error_status),
        limits: LIMITS.map { |name| [name, optional(name)] }.to_h, formatters: formatters(simplecov.formatter),
        at_exit: at_exit }
    end

    def optional(name)
      ::SimpleCov.send(name) if ::SimpleCov.respond_to?(name)
    end

    # Each by its name and the feature that defines it.
    def formatters(formatter)
      return formatter.new.formatters.flat_map { |each| formatters(each) } if formatter.method_defined?(:formatters)

      file, = formatter.name && ::Object.const_source_location(formatter.name)
      [[formatter.name, file && feature(file), file && inside(file)]]
    end

    def feature(file)
      directory = $LOAD_PATH.map(&:to_s).select { |path| file.start_with?("#{path}/") }.max_by(&:size)
      directory && !file.start_with?(*@roots) ? file[(directory.size + 1)..-1].delete_suffix('.rb') : nil
    end

    # File and line of the suite's own block of SimpleCov.at_exit, if the collating process does not load that file.
    def at_exit
      file, line = ::SimpleCov.instance_variable_get(:@at_exit)&.source_location
      return if !file || file.end_with?('/simplecov/configuration.rb', '/.simplecov')

      [inside(::File.expand_path(file, @roots.first)), line]
    end

    # A path in the project, without the project's own: that is another one on each host.
    def inside(path)
      return '.' if @roots.include?("#{path}/")

      root = @roots.find { |candidate| path.start_with?(candidate) }
      root ? path.delete_prefix(root) : path
    end
  end
end
