# frozen_string_literal: true

require 'fileutils'
require 'tmpdir'

module Gorgon
  # Test files that a plain run measures and no Ruby child did. A file that itself starts SimpleCov, by its helper, is loaded
  # before SimpleCov measures. That is the first file of each child, but of a plain run only the very first.
  class Unseen
    # A formatter that writes nothing.
    class Silent
      def format(_result); end
    end

    def initialize(paths)
      @paths = paths
    end

    def any?
      @paths.any?
    end

    # Whether the block exits with another status than 0 even if all lines of these files count as covered. It gets their
    # coverage, and is called in a fork, as SimpleCov has written its report already.
    def refused_at_best?(&block)
      _, status = Process.wait2(fork { in_silence(&block) })
      !status.success?
    end

    def tell(root)
      names = @paths.map { |path| path.delete_prefix("#{root}/") }
      more = " and #{names.size - 1} more" if names.size > 1
      warn "coverage: test files that a plain run measures were loaded before SimpleCov started: #{names.first}#{more}; put " \
           '`--require spec_helper` into .rspec, or leave test files out by add_filter'
    end

    private

    # With a directory of its own: only what the coverage was before is known there.
    def in_silence
      [STDOUT, STDERR].each { |stream| stream.reopen(File::NULL, 'w') }
      before = File.join(SimpleCov.coverage_path, '.last_run.json')
      Dir.mktmpdir('gorgon-coverage') do |directory|
        FileUtils.cp(before, directory) if File.file?(before)
        SimpleCov.coverage_dir(directory)
        SimpleCov.formatters = [Silent]
        yield @paths.map { |path| [path, covered(path)] }.to_h
      end
      exit!(0)
    rescue SystemExit => e
      exit!(e.status)
    end

    def covered(path)
      simulated = SimpleCov::SimulateCoverage.call(path)
      simulated.merge('lines' => simulated['lines'].map { |count| count && 1 })
    end
  end
end
