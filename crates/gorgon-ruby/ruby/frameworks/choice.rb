# frozen_string_literal: true

module Gorgon
  module Frameworks
    # Which framework one file is for, seen from what its loading defines in a child of a framework.
    #
    # Where it is another framework's, the child says so before any test has run, and the file is loaded
    # in a child of that one. Each framework is asked once; who is asked for the second time runs the file.
    class Choice
      # Words at the top of a file, and constants, that only RSpec defines: children of other frameworks do not know
      # them.
      WORD = /\Aundefined (?:local variable or )?method [`'](?:x|f)?(?:describe|context|feature|it|shared_\w+)'|\Auninitialized constant RSpec\b/.freeze
      CONSTANTS = { 'minitest' => /uninitialized constant Mini[Tt]est\b/, 'test_unit' => /uninitialized constant Test\b/ }.freeze
      # What asks RSpec to run at exit.
      AUTORUN = '/rspec/autorun.rb'
      # Methods that are tests, whatever else a class of a framework has.
      TEST = /\A(?:test|bench)/.freeze
      FRAMEWORKS = %w[minitest test_unit rspec].freeze
      # What is thrown where the file is another framework's. Nobody else has it: a test that throws a tag of its own, which
      # nobody catches, fails.
      ELSEWHERE = ::Object.new.freeze

      @seen = 0
      @rspec_asked = false
      @ran_groups = 0

      class << self
        # Number of RSpec's outermost groups that ran in this process, as its adapter counts them.
        attr_accessor :ran_groups
        # Whether a file that could not be loaded, or has no tests, has asked Minitest to run at exit: nobody has seen whose
        # file it was.
        attr_accessor :armed_in_vain
      end

      # Whether the library that runs RSpec at exit is loaded. A library is looked at once, as there may be
      # thousands; its name may be in any encoding.
      def self.rspec_asked?
        @seen = 0 if @seen > $LOADED_FEATURES.size
        while @seen < $LOADED_FEATURES.size
          @rspec_asked ||= $LOADED_FEATURES[@seen].b.end_with?(AUTORUN)
          @seen += 1
        end
        @rspec_asked
      end

      # `asked`: frameworks whose children have said that the file is not theirs. With this one among them, it runs here.
      def initialize(path, framework, asked, scan)
        @path = path
        @framework = framework.to_s
        @asked = asked
        @sure = asked.include?(@framework)
        @scan = scan
        @before = sizes
        @armed = armed('minitest') && !Choice.armed_in_vain
      end

      # Leaves the file to another framework's child, if it could not be loaded because this is the wrong framework.
      def not_loaded(message)
        note_arms
        return if @sure

        leave('minitest') if meant_for_minitest? && !@asked.include?('minitest')
        leave(instead(Json.utf8(message)))
      end

      # Before the first test runs.
      def begin_tests
        leave('minitest') if !@sure && meant_for_minitest?
      end

      # No test ran here. Leaves the file to the framework that got tests while it was loaded.
      def without_tests
        note_arms
        return [] if brought_tests?

        others = grown.reject { |name| name == @framework }
        leave(others.first) unless @sure || others.empty?
        others
      end

      # Tests ran here. If the file also has tests that another framework would run at exit of a plain run, they run
      # next, in a child of that framework.
      def besides
        (FRAMEWORKS - [@framework]).select { |name| armed(name) && grown?(name) }
      end

      # Whether the file defined tests of this framework, as far as its loading came.
      def brought_tests?
        grown.include?(@framework)
      end

      # Whether each class of tests that the file opened is one of its own, and none has tests: then nothing that ran
      # before took some of its tests away. A file that opened none, or one of another file, may have been kept from
      # defining some.
      def without_tests_of_its_own?
        fresh = minitest.drop(@before['minitest']) + test_unit.drop(@before['test_unit'])
        known = minitest + test_unit - fresh
        fresh.any? && fresh.none? { |klass| tests?(klass) } && known.none? { |klass| Frameworks.opened.key?(klass) }
      end

      # The file is this framework's.
      def settled
        @scan.learn(@path, @framework) unless @asked.empty?
      end

      private

      def note_arms
        Choice.armed_in_vain ||= !@armed && armed('minitest')
      end

      # RSpec's `describe` may have taken what was meant for Minitest's.
      def meant_for_minitest?
        return false if @framework != 'rspec' || @armed || !armed('minitest')

        !(@scan.spec?(@path) && @scan.rspec_project? && @scan.words(@path) != 'minitest')
      end

      def leave(name)
        ::Kernel.throw(ELSEWHERE, name) if name && name != @framework
      end

      # A framework that has not been asked yet; else the one that a plain command would load the file with.
      def instead(message)
        open = (by_message(message) + @scan.plausible(@path)).uniq - @asked - [@framework]
        return open.first unless open.empty?

        plain = by_message(message).first || @scan.plain(@path)
        plain if @asked.include?(plain)
      end

      def by_message(message)
        CONSTANTS.select { |_, pattern| pattern.match?(message) }.keys + (WORD.match?(message) ? ['rspec'] : [])
      end

      def sizes
        { 'minitest' => minitest.size, 'test_unit' => test_unit.size, 'rspec' => groups }
      end

      def minitest
        defined?(::Minitest::Runnable) ? ::Minitest::Runnable.runnables : []
      end

      def test_unit
        defined?(::Test::Unit::TestCase::DESCENDANTS) ? ::Test::Unit::TestCase::DESCENDANTS : []
      end

      # RSpec sets a constant for each group, which stays. RSpec's own children count groups as they run instead: asking
      # for all constants after each file would take longer with each file.
      def groups
        return Choice.ran_groups if @framework == 'rspec'

        defined?(::RSpec::ExampleGroups) ? ::RSpec::ExampleGroups.constants.size : 0
      end

      # The frameworks that got tests since.
      def grown
        FRAMEWORKS.select { |name| grown?(name) }
      end

      def grown?(name)
        return groups > @before['rspec'] if name == 'rspec'

        (name == 'minitest' ? minitest : test_unit).drop(@before[name]).any? { |klass| tests?(klass) }
      end

      def tests?(klass)
        klass.public_instance_methods(true).any? { |name| TEST.match?(name) }
      end

      def armed(name)
        case name
        when 'test_unit' then Frameworks.test_unit_asked?
        when 'minitest' then Frameworks.minitest_asked?
        else Choice.rspec_asked?
        end
      end
    end
  end
end
