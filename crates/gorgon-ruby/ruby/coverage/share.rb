# frozen_string_literal: true

module Gorgon
  # The share of a Ruby child in the coverage of a job. When SimpleCov would write its report, the child sends its result
  # and the settings of SimpleCov instead. It writes no file, as other children write the same one, and judges nothing.
  # Filters and groups are applied here: they may be blocks. `collate.rb` makes the report of all shares.
  class CoverageShare
    # Size of a piece, in characters: small beside what a broker takes in one message.
    PIECE = 1 << 20
    LIMITS = %i[minimum_coverage minimum_coverage_by_file minimum_coverage_by_group maximum_coverage_drop].freeze

    class << self
      # Called when a child begins to live. If SimpleCov measures since before the fork, it measures for this child too.
      def begin
        ::SimpleCov.pid = $$ if ready? && ::SimpleCov.running && ::SimpleCov.pid
      end

      # From now on SimpleCov's end is ours. Called when the child has run its last test.
      def take(channel, root)
        return unless !@taken && ready? && ::SimpleCov.pid == $$

        @taken = true
        pid = $$
        share = new(channel, root)
        ::SimpleCov.singleton_class.prepend(Module.new do
          define_method(:run_exit_tasks!) { $$ == pid ? share.deliver : super() }
        end)
      end

      private

      # Older versions than 0.18 cannot collate; another library may have the name.
      def ready?
        defined?(::SimpleCov) && %i[collate running pid run_exit_tasks!].all? { |name| ::SimpleCov.respond_to?(name) }
      end
    end

    def initialize(channel, root)
      @channel = channel
      @roots = [root, File.realpath(root)].uniq.map { |path| "#{path}/" }
    end

    def deliver
      ::SimpleCov.use_merging(false)
      result = ::SimpleCov.result or return
      text = ::JSON.generate(share(result))
      pieces = (0...text.size).step(PIECE).map { |start| text[start, PIECE] }
      share = (System.now * 1_000_000).to_i
      pieces.each_with_index do |piece, number|
        @channel.send(event: 'coverage', share: share, piece: number, pieces: pieces.size, text: piece)
      end
    end

    private

    def share(result)
      name, data = result.to_hash.first
      { command: name, coverage: data.fetch('coverage').transform_keys { |path| inside(path) },
        groups: result.groups.map { |group, files| [group, files.map { |file| inside(file.filename) }] },
        settings: settings }
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

    # Where the suite's own block of SimpleCov.at_exit stands, if a file has one that the collating process does not load.
    def at_exit
      place = ::SimpleCov.instance_variable_get(:@at_exit)&.source_location or return
      place.join(':') unless place[0].end_with?('/simplecov/configuration.rb', '/.simplecov')
    end

    # A path in the project, without the project's own: that is another one on each host.
    def inside(path)
      return '.' if @roots.include?("#{path}/")

      root = @roots.find { |candidate| path.start_with?(candidate) }
      root ? path.delete_prefix(root) : path
    end
  end
end
