# frozen_string_literal: true

require_relative '../system'
require_relative 'code'

module Gorgon
  module Frameworks
    # Reads a test file, and the helpers that it loads, for signs of its framework; runs nothing.
    #
    # What a file says itself outweighs what its helpers say; among signs of one weight the least
    # indented one counts, as the others may stand in strings. It is a guess that saves time: what the
    # loading of the file defines decides (Choice).
    class Scan
      # How deep helpers are followed, how many of them, and how much of each is read.
      DEPTH = 4
      FILES = 60
      BYTES = 256 * 1024
      # Of most files that is all: a buffer for more costs more than to read a small one.
      FIRST_BYTES = 16 * 1024

      # A class and what stands above it.
      BELOW = /^([ \t]*)class\s[^<\n]+<\s*(?:::)?/.freeze
      # What only tests of a framework say; where the last word is missing, there is no need to look.
      CERTAIN = [
        ['rspec', /^([ \t]*)(?:::)?RSpec\.(?:x|f)?(?:describe|context|feature|configure|shared_\w+)\b/, 'RSpec.'],
        ['test_unit', /#{BELOW}Test::Unit::TestCase\b/, 'Test::Unit::TestCase'],
        ['minitest', /#{BELOW}Mini[Tt]est::(?:Test|Spec|Benchmark|BenchSpec|Unit::TestCase)\b/, 'est::'],
        ['minitest', /#{BELOW}(?:Active(?:Support|Job|Record)|Action(?:View|Mailer|Controller|Mailbox|Cable))::TestCase\b/, '::TestCase'],
        ['minitest', /#{BELOW}(?:ActionDispatch::(?:IntegrationTest|SystemTestCase)|Rails::Generators::TestCase)\b/, 'Test']
      ].freeze
      # How a library is asked for.
      ASKED = /^([ \t]*)(?:require|gem)[ (]+['"]/.freeze
      # Libraries of a framework.
      LIBRARY = [
        ['rspec', /#{ASKED}rspec(?:[-\/](?:core|rails|autorun|puppet)[^'"]*)?['"]/, 'rspec'],
        ['test_unit', /#{ASKED}(?:test\/unit|test-unit)(?:\/testcase)?['"]/, 'unit'],
        ['minitest', /#{ASKED}(?:minitest(?![\/-](?:assertions|mock|expectations|stub))|maxitest)[^'"]*['"]/, 'itest'],
        ['minitest', /#{ASKED}(?:rails\/test_help|active_support\/(?:testing\/autorun|test_case))['"]/, 'test']
      ].freeze
      # A library that suites of other frameworks ask for, too.
      SHARED = /#{ASKED}minitest['"]/.freeze
      SIGNS = (CERTAIN + LIBRARY).freeze
      # Words that one of them has and the others lack.
      WORDS = {
        'rspec' => /\bexpect[ ({].*\.(?:not_)?to\b|\bis_expected\.|\.should(?:_not)?\b|\blet!/,
        'minitest' => /\b(?:must|wont)_(?:be|equal|include|match|raise|respond|throw|output)|\brefute_|\brefute\b/,
        'test_unit' => /\bsub_test_case\b|\bassert_raise\b|\bassert_not_|\bomit\b|\bpend\b|\bassert_nothing_raised\b/
      }.freeze

      LOADS = /^[ \t]*(?:require|require_relative|load)\b[ (].*?((?:'[^'\n]*'|"[^"\n]*"))[^'"\n]*$/.freeze
      SUPERCLASS = /^[ \t]*class\s+[\w:]+\s*<\s*(?:::)?([A-Z][\w:]*)/.freeze

      def initialize(root)
        @root = root
        @told = {} # helper => its framework, or nil
      end

      # The framework's name, or nil where nothing tells.
      def framework(path)
        file = File.expand_path(path, @root)
        @latest = nil
        text = code(path, read(file) { |all| @latest = [file, all] if all.bytesize < BYTES })
        return 'rspec' if spec?(path) && named(text).include?('rspec')

        certain(text) || by_superclass(text) || own_library(path, text) || by_helpers(file, text) || by_words(path, text)
      end

      # All frameworks that a file or its helpers name anywhere, or that it is named for.
      def plausible(path)
        file = File.expand_path(path, @root)
        text = read(file)
        names = [text, *deep_helpers(file, text).map { |helper| read(helper) }].flat_map { |one| named(one) }
        names << 'rspec' if spec?(path)
        names.uniq
      end

      # The framework that a plain command would run the file with: `rspec`, or Ruby and what the file asks for.
      def plain(path)
        spec?(path) ? 'rspec' : framework(path)
      end

      # The framework that the file turned out to have. Helpers that suggested another one are not asked again.
      def learn(path, name)
        return if framework(path) == name

        file = File.expand_path(path, @root)
        deep_helpers(file, read(file)).each { |helper| @told[helper] = name if @told[helper] }
      end

      # The whole text of a file for which `framework` was just called; nil where that did not read all of it.
      def text(file)
        latest, text = @latest
        text if latest == file
      end

      def spec?(path)
        path.end_with?('_spec.rb')
      end

      # Whether the project is one that the command `rspec` runs.
      def rspec_project?
        return @rspec_project unless @rspec_project.nil?

        helpers = Dir.glob(File.join(@root, 'spec/*_helper.rb')).map { |path| read(path) }
        @rspec_project = File.file?(File.join(@root, '.rspec')) || helpers.any? { |text| text.match?(/\bRSpec\./) }
      end

      # What the words of a file say, if they say anything.
      def words(path)
        text = read(File.expand_path(path, @root))
        WORDS.keys.find { |name| text.match?(WORDS[name]) }
      end

      private

      # If signs contradict each other, or may stand in strings, only code counts, as Ruby parses it.
      def code(path, text)
        signs = named(text)
        signs |= ['rspec'] if spec?(path)
        return text if signs.size < 2 && !text.include?('<<') && (signs != ['rspec'] || spec?(path))

        parsed = named(text).empty? ? nil : Code.read(text)
        return text unless parsed

        kept = text.lines.reject { |line| named(line).any? }
        (parsed.lines + kept).join("\n")
      end

      # Each is asked for the same text several times.
      def named(text)
        return @named if text.equal?(@named_in)

        @named_in = text
        @named = SIGNS.select { |_, pattern, word| text.include?(word) && text.match?(pattern) }.map(&:first).uniq
      end

      # Helpers, and theirs.
      def deep_helpers(file, text, depth = 1, found = [])
        helpers(file, text).each do |helper|
          next if found.include?(helper) || found.size >= FILES

          found << helper
          deep_helpers(helper, read(helper), depth + 1, found) if depth < DEPTH
        end
        found
      end

      # `rspec` loads a spec of a project that it runs, whatever that asks for; and each kind of suite
      # may use parts of Minitest.
      def own_library(path, text)
        found = library(text)
        return found if found.nil? || found == 'rspec' || !spec?(path)
        return 'rspec' if rspec_project? && words(path) != found

        found == 'minitest' && library(text.gsub(SHARED, '')).nil? && words(path) == 'rspec' ? 'rspec' : found
      end

      # Without comments and what follows __END__; the block gets all that was read.
      def read(file)
        text = File.binread(file, FIRST_BYTES).to_s
        text = File.binread(file, BYTES) if text.bytesize == FIRST_BYTES
        yield text if block_given?
        text = text.sub(/^__END__$.*/m, '') if text.include?("\n__END__\n")
        text = text.gsub(/^[ \t]*#.*$/, '') if text.include?('#')
        text.include?('=begin') ? text.gsub(/^=begin\b.*?^=end\b.*?$/m, '') : text
      rescue SystemCallError
        ''
      end

      def certain(text)
        first(CERTAIN, text)
      end

      def library(text)
        first(LIBRARY, text)
      end

      # Places need be compared only where there are several signs.
      def first(signs, text)
        there = signs.select { |_, pattern, word| text.include?(word) && text.match?(pattern) }
        return there.dig(0, 0) if there.size < 2

        found = []
        there.each do |name, pattern, _|
          text.scan(pattern) { found << [Regexp.last_match(1).size, Regexp.last_match.begin(0), name] }
        end
        found.min&.last
      end

      # What the classes above are, where an earlier file or callbacks have loaded them.
      def by_superclass(text)
        text.scan(SUPERCLASS).flatten.uniq.each do |name|
          klass = Object.const_get(name) if loaded?(name)
          next unless klass.is_a?(Class)
          return 'test_unit' if defined?(::Test::Unit::TestCase) && klass <= ::Test::Unit::TestCase
          return 'minitest' if defined?(::Minitest::Runnable) && klass <= ::Minitest::Runnable
        end
        nil
      end

      # Without loading what is only announced (autoload).
      def loaded?(name)
        name.split('::').inject(Object) do |inside, part|
          return false unless inside.is_a?(Module) && inside.const_defined?(part, inside == Object)
          return false if inside.autoload?(part)

          inside.const_get(part)
        end
        true
      rescue NameError
        false
      end

      # The first helper that tells, in the order in which they are loaded; those of lib/ last, as
      # they are what is tested.
      def by_helpers(file, text, depth = 1)
        return nil if depth > DEPTH || @told.size > FILES * DEPTH

        tests, libraries = helpers(file, text).partition { |helper| !helper.start_with?(File.join(@root, 'lib/')) }
        (tests + libraries).first(FILES).each do |helper|
          found = told(helper, depth)
          return found if found
        end
        nil
      end

      def told(helper, depth)
        @told.fetch(helper) do
          @told[helper] = nil # Helpers may load each other.
          text = read(helper)
          @told[helper] = certain(text) || library(text) || by_helpers(helper, text, depth + 1)
        end
      end

      # The files of the project that a file loads.
      def helpers(file, text)
        text.scan(LOADS).flatten.map { |quoted| resolve(quoted[1..-2], file) }.compact.uniq
      end

      def resolve(name, file)
        name = name.dup.force_encoding(Encoding::UTF_8).sub(/\A#\{[^}]*\}/, '')
        name = name.delete_prefix('/') unless name.start_with?("#{@root}/") # "#{__dir__}/…"
        places = [File.dirname(file), *load_path].map { |dir| File.expand_path(name, dir) }
        places.unshift(File.expand_path(name, file)) if name.start_with?('..')
        places.flat_map { |place| [place, "#{place}.rb"] }
              .find { |place| place.end_with?('.rb') && place.start_with?("#{@root}/") && File.file?(place) }
      rescue ArgumentError
        nil
      end

      def load_path
        local = $LOAD_PATH.map(&:to_s).select { |dir| File.expand_path(dir, @root).start_with?("#{@root}/") }
        (local + %w[test spec lib]).map { |dir| File.expand_path(dir, @root) }.uniq
      end

      # Words, then names, then what the project says of itself.
      def by_words(path, text)
        WORDS.each { |name, pattern| return name if text.match?(pattern) && plausible?(name) && (name != 'rspec' || runs_by_rspec?(path)) }
        return 'rspec' if spec?(path)

        'test_unit' if lock.match?(/^ +test-unit \(/) && !lock.match?(/^ +minitest \(/)
      end

      # Whether `rspec` runs the file: words of RSpec are also those of other frameworks, which Ruby alone runs.
      def runs_by_rspec?(path)
        spec?(path) || rspec_project?
      end

      # A project that locks its gems uses none but these.
      def plausible?(name)
        gem = { 'rspec' => 'rspec-core', 'minitest' => 'minitest', 'test_unit' => 'test-unit' }[name]
        lock.empty? || lock.match?(/^ +#{gem} \(/)
      end

      # What Bundler has locked. It names its file, wherever that lies.
      def lock
        gemfile = ENV['BUNDLE_GEMFILE'].to_s
        gemfile = File.file?(File.join(@root, 'gems.rb')) ? 'gems.rb' : 'Gemfile' if gemfile.empty?
        read(File.expand_path(gemfile.end_with?('gems.rb') ? gemfile.sub(/\.rb\z/, '.locked') : "#{gemfile}.lock", @root))
      end
    end
  end
end
