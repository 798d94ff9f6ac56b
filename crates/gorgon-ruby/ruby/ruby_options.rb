# frozen_string_literal: true

module Gorgon
  # How the project's own commands start Ruby for files of Minitest and Test::Unit: directories on the load path
  # (`ruby -I`), and what is loaded before them (`ruby -r`). The tasks of a Rakefile may differ in that.
  class RubyOptions
    # As RubyGems has it, which finds what is a gem's; tests stub it.
    REQUIRE = ::Kernel.instance_method(:require).bind(::Kernel)

    # Variables that keep the value of this process: they say how Ruby and gems are found, or tell workers apart.
    KEPT = /\A(?:RUBY|GEM_|BUNDLE|GORGON_)|\A(?:PATH|TEST_ENV_NUMBER|PARALLEL_WORKERS)\z/.freeze

    # `named`: variables of the environment that the configuration names.
    def initialize(ways, named = [])
      @ways = Array(ways)
      @named = named
      @mine = []
      @evaluated = []
    end

    # Sets the load path of most files, before a framework is loaded: the project may be the framework itself.
    def begin
      set_environment(@ways.first['environment']) unless @ways.empty?
      take(@ways.find { |way| way['globs'].empty? } || @ways.first)
      # Finds the files of each task here, once for all children.
      of_files if @ways.size > 1
    end

    # Sets the load path of a file that is to be loaded, evaluates the prelude of its task, and loads what its task loads before it: where that fails, it is
    # an error of the file.
    def follow(path)
      way = of_files[path] if @ways.size > 1
      take(way || @usual)
      warn_as(@now)
      evaluate(@now['prelude']) if @now && @now['prelude']
      @now['requires'].each { |name| REQUIRE.call(name) } if @now
    end

    # What a file sees as `$0` under `rake test`; nil where it is the program itself.
    def program_of(path)
      way = (of_files[File.expand_path(path, root)] if @ways.size > 1) || @usual
      way && way['program']
    end

    private

    # What the Rakefile sets: `rake test` starts Ruby in that.
    def set_environment(variables)
      Array(variables).each do |variable|
        name, value = variable.values_at('name', 'value')
        next if KEPT.match?(name) || @named.include?(name) || (variable['unless_set'] && ENV.key?(name))

        ENV[name] = value&.gsub("\0", root)
      end
    end

    # As Ruby's options `-w` and `-W0` do.
    def warn_as(way)
      return if way.nil? || way.equal?(@warned)

      @warned = way
      case level(way['warnings'])
      when 'verbose'
        $VERBOSE = true
        ::Warning[:deprecated] = true
      when 'usual' then $VERBOSE = false
      when 'silent' then $VERBOSE = nil
      end
    end

    # Since its version 11 a task of Rake has Ruby warn of everything. An older one is here only if Bundler chooses it.
    def level(said)
      return said unless said == 'as_rake'

      rake = defined?(::Gem.loaded_specs) && ::Gem.loaded_specs['rake']
      rake.nil? || rake.version.segments.first >= 11 ? 'verbose' : nil
    end

    # Once in each process: a plain run has one for all files.
    def evaluate(prelude)
      return if @evaluated.include?(prelude)

      eval(prelude, TOPLEVEL_BINDING.dup, '-e', 1)
      @evaluated << prelude
    end

    def take(way)
      @usual ||= way
      return if way.nil? || way.equal?(@now)

      @now = way
      directories = way['directories'].map { |directory| File.expand_path(directory, root) }
      at = @mine.map { |directory| $LOAD_PATH.index(directory) }.compact.min || 0
      @mine.each { |directory| $LOAD_PATH.delete(directory) }
      @mine = directories - $LOAD_PATH
      $LOAD_PATH.insert(at, *@mine)
    end

    def root
      @root ||= Dir.pwd
    end

    # File => how the first task that names it starts Ruby.
    def of_files
      @of_files ||= @ways.reverse.each_with_object({}) do |way, found|
        files = Dir.glob(way['globs'], base: root) - Dir.glob(way['excludes'], base: root)
        files.each { |file| found[File.expand_path(file, root)] = way }
      end
    end
  end
end
