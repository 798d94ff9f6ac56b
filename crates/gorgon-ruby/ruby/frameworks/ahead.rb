# frozen_string_literal: true

module Gorgon
  module Frameworks
    # The files of a framework that test files load themselves. They are only compiled ahead: in a plain run, too, they
    # are not loaded before a test file asks for them.
    class Ahead
      # `gems`: libraries that may come from a gem; `ruby`: libraries that come with Ruby.
      def initialize(gems:, ruby:)
        @gems = gems
        @ruby = ruby
      end

      # Compiles the files ahead, without loading one.
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

      # The directory of the newest version, which RubyGems would activate. This reads the index of RubyGems, once for
      # all children.
      def of_gem(name)
        return if defined?(::Bundler) || !defined?(::Gem::Specification)

        found = ::Gem::Specification.find_by_path(name)&.name
        specification = Frameworks.read_specification(found) if found
        Array(specification&.full_require_paths).find { |directory| File.file?("#{directory}/#{name}.rb") }
      rescue ::StandardError
        nil
      end
    end
  end
end
