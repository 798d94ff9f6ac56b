# frozen_string_literal: true

module Gorgon
  # How the project's own commands start Ruby for files of Minitest and Test::Unit: directories on the load path
  # (`ruby -I`), and what is loaded before them (`ruby -r`). The tasks of a Rakefile may differ in that.
  class RubyOptions
    # As RubyGems has it, which finds what is a gem's; tests stub it.
    REQUIRE = ::Kernel.instance_method(:require).bind(::Kernel)

    def initialize(ways)
      @ways = Array(ways)
      @mine = []
    end

    # What is true of files as a rule, before a framework is loaded: a project may be the framework itself.
    def begin
      take(@ways.find { |way| way['globs'].empty? } || @ways.first)
      # Here, once for all children.
      of_files if @ways.size > 1
    end

    # Goes the way of a file that is to be loaded. What cannot be loaded before it is an error of the file.
    def follow(path)
      way = of_files[path] if @ways.size > 1
      take(way || @usual)
      @now['requires'].each { |name| REQUIRE.call(name) } if @now
    end

    private

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

    # The first task that names a file.
    def of_files
      @of_files ||= @ways.reverse.each_with_object({}) do |way, found|
        files = Dir.glob(way['globs'], base: root) - Dir.glob(way['excludes'], base: root)
        files.each { |file| found[File.expand_path(file, root)] = way }
      end
    end
  end
end
