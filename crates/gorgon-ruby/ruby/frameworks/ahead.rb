# frozen_string_literal: true

module Gorgon
  module Frameworks
    # The files of a framework that the test files bring themselves: they are compiled ahead, and loaded when a test file
    # asks for them, as a plain run has none of them before.
    class Ahead
      # `gems` are libraries that may be a gem's, `ruby` those that come with Ruby.
      def initialize(gems:, ruby:)
        @gems = gems
        @ruby = ruby
      end

      # Has the files at hand, without loading one.
      def keep(compiled)
        paths = files
        compiled.ahead(paths)
        @compiled = compiled unless paths.empty?
      end

      # Runs the block, which may load the framework.
      def used(&block)
        @compiled ? @compiled.with_ahead(&block) : yield
      end

      private

      def files
        found = @gems.flat_map { |name| of(name, on_load_path(name) || of_gem(name)) }
        found.concat(@ruby.flat_map { |name| of(name, on_load_path(name)) })
        inside = "#{Dir.pwd}/"
        (found.uniq - $LOADED_FEATURES).reject { |path| path.start_with?(inside) }
      end

      # A library, and what lies in the directory of its name.
      def of(name, directory)
        directory ? ["#{directory}/#{name}.rb", *Dir.glob("#{directory}/#{name}/**/*.rb")] : []
      end

      def on_load_path(name)
        $LOAD_PATH.map(&:to_s).find { |directory| File.file?("#{directory}/#{name}.rb") }
      end

      # Of the newest one, which RubyGems would activate. Its index, which that takes, is read here once for all children.
      def of_gem(name)
        return if defined?(::Bundler) || !defined?(::Gem::Specification)

        specification = ::Gem::Specification.find_by_path(name)&.to_spec
        Array(specification&.full_require_paths).find { |directory| File.file?("#{directory}/#{name}.rb") }
      rescue ::StandardError
        nil
      end
    end
  end
end
