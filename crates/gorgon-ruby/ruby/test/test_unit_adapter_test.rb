# frozen_string_literal: true

require_relative 'adapter_case'

# What Gorgon::Frameworks::TestUnit reports of small files.
class TestUnitAdapterTest < AdapterCase
  def framework
    'test_unit'
  end

  # A suite that runs tests by itself finds them in the faults of these.
  def test_no_frame_of_ours_stands_between_those_of_the_framework
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      INNER = Class.new(Test::Unit::TestCase) do
        def test_fails = flunk
      end
      class ATest < Test::Unit::TestCase
        def test_location
          result = Test::Unit::TestResult.new
          INNER.new(:test_fails).run(result) {}
          places = result.faults.first.location
          assert_equal([], places.reject { |place| place.include?('a_test.rb') })
        end
      end
      Test::Unit::TestCase::DESCENDANTS.delete(INNER)
    RUBY
    assert_equal({ 'ATest#test_location' => 'passed' }, run_files('a_test.rb').outcomes)
  end

  def test_each_outcome_is_told_with_its_place_and_text
    write('test/a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_passes; assert true; end
        def test_fails; assert_equal [1, 2], [1, 3]; end
        def test_errs; raise ArgumentError, 'boom'; end
        def test_omits; omit 'not now'; end
        def test_pends; pend 'later'; end
        def test_notifies; notify 'look'; assert true; end
      end
    RUBY
    ran = run_files('test/a_test.rb')
    assert_equal({ 'ATest#test_errs' => 'errored', 'ATest#test_fails' => 'failed', 'ATest#test_notifies' => 'passed',
                   'ATest#test_omits' => 'skipped', 'ATest#test_passes' => 'passed', 'ATest#test_pends' => 'skipped' }, ran.outcomes)
    failed = ran.test('ATest#test_fails')
    assert_equal ['test/a_test.rb', 4, 'ATest', 'Test::Unit::AssertionFailedError'], failed.values_at(:file, :line, :classname, :exception)
    assert_equal "<[1, 2]> expected but was\n<[1, 3]>.\n\ndiff:\n- [1, 2]\n?     ^\n+ [1, 3]\n?     ^", failed[:message]
    assert_match(/\Atest\/a_test\.rb:4/, failed[:backtrace].first)
    assert_equal ['ArgumentError', 'ArgumentError: boom'], ran.test('ATest#test_errs').values_at(:exception, :message)
    assert_equal 'not now', ran.test('ATest#test_omits')[:message]
    assert_empty ran.output
    assert_equal 0, ran.status.exitstatus
  end

  def test_all_faults_of_one_test_are_kept
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_both; flunk 'first'; end
        def teardown; raise 'second'; end
      end
    RUBY
    test = run_files('a_test.rb').test('ATest#test_both')
    assert_equal 'failed', test[:outcome]
    assert_match(/Failure:\nfirst\.\n.*a_test\.rb:3.*Error:\nRuntimeError: second/m, test[:message])
  end

  def test_hooks_of_the_run_and_of_classes_each_run_as_often_as_they_should
    write('helper.rb', <<~RUBY)
      require 'test/unit'
      Test::Unit.at_start { puts 'at_start' }
      Test::Unit.at_exit { puts 'at_exit' }
      class Base < Test::Unit::TestCase
        def self.startup; puts "startup \#{name}"; end
        def self.shutdown; puts "shutdown \#{name}"; end
      end
    RUBY
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Base\n  def test_a; puts 'a'; end\nend\n")
    write('b_test.rb', "require_relative 'helper'\nclass BTest < Base\n  def test_b; puts 'b'; end\nend\n")
    expected = ['at_start', 'startup Base', 'startup ATest', 'a', 'shutdown ATest', 'shutdown Base',
                'startup Base', 'startup BTest', 'b', 'shutdown BTest', 'shutdown Base', 'at_exit']
    assert_equal expected, run_files('a_test.rb', 'b_test.rb').output.lines.map(&:chomp)
  end

  def test_errors_of_hooks_are_told
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      Test::Unit.at_exit { raise 'no end' }
      class ATest < Test::Unit::TestCase
        def self.startup; raise 'no start'; end
        def test_a; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal ['startup of ATest', 'RuntimeError: no start'], ran.of(:file_error).first.values_at(:what, :message)
    assert_equal ['Test::Unit.at_exit', 'no end'], ran.of(:suite_hook_failed).first.values_at(:what, :message)
    assert ran.finished?
  end

  def test_at_start_that_raises_is_a_fault_of_each_file
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      Test::Unit.at_start { raise 'no start' }
      class ATest < Test::Unit::TestCase
        def test_a; end
      end
    RUBY
    write('b_test.rb', "class BTest < Test::Unit::TestCase\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_empty ran.tests
    assert_equal [['Test::Unit.at_start', 'no start', true]] * 2, ran.of(:file_error).map { |fault| fault.values_at(:what, :message, :spent) }
  end

  def test_data_labels_and_sub_cases_are_part_of_the_name
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        data('one' => 1, 'two # 2' => 2)
        def test_data(number) assert_equal 1, number; end
        test('says so') { assert true }
        sub_test_case 'inner part' do
          def test_in; end
        end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test: says so' => 'passed', 'ATest#test_data[one]' => 'passed', 'ATest#test_data[two # 2]' => 'failed',
                   'ATest::inner part#test_in' => 'passed' }, ran.outcomes.sort.to_h)
    assert_equal ['ATest#test_data[two # 2]'], run_files('a_test.rb@ATest#test_data[two # 2]').outcomes.keys
    assert_equal ['ATest::inner part#test_in'], run_files('a_test.rb@7').outcomes.keys
    assert_equal ['ATest::inner part#test_in'], run_files('a_test.rb@6').outcomes.keys
    assert_equal ['ATest#test_data[one]', 'ATest#test_data[two # 2]'], run_files('a_test.rb@4').outcomes.keys
  end

  def test_a_class_reopened_by_a_later_file_runs_only_what_that_brought
    write('a_test.rb', "require 'test/unit'\nclass ATest < Test::Unit::TestCase\n  def test_one; end\nend\n")
    write('b_test.rb', "class ATest\n  def test_two; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[ATest#test_one], ran.outcomes('a_test.rb').keys
    assert_equal %w[ATest#test_two], ran.outcomes('b_test.rb').keys
  end

  def test_the_default_test_of_a_helper_runs_once
    write('helper.rb', "require 'test/unit'\nclass Base < Test::Unit::TestCase\n  def default_test; end\nend\n")
    write('a_test.rb', "require_relative 'helper'\nclass ATest < Base\n  def test_a; end\nend\n")
    write('b_test.rb', "require_relative 'helper'\nclass BTest < Base\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[ATest#test_a Base#default_test], ran.outcomes('a_test.rb').keys.sort
    assert_equal %w[BTest#test_b], ran.outcomes('b_test.rb').keys
  end

  def test_a_later_part_of_a_file_runs_without_loading_it_again
    write('a_test.rb', "require 'test/unit'\nputs 'loaded'\nclass ATest < Test::Unit::TestCase\n  def test_one; end\n  def test_two; end\nend\n")
    ran = run_files('a_test.rb@ATest#test_one', 'a_test.rb@ATest#test_two', 'a_test.rb@ATest#test_one')
    assert_equal 3, ran.tests.size
    assert_equal "loaded\n", ran.output
  end

  def test_names_are_chosen_by_options
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_one; end
        def test_two; end
      end
    RUBY
    ran = run_files('a_test.rb', options: '-n /one/ -v')
    assert_equal [%w[ATest#test_one], [{ tests: 1, by: '-n /one/ -v' }]], [ran.outcomes.keys, ran.of(:left_out)]
    assert_equal %w[ATest#test_two], run_files('a_test.rb', options: '--exclude=/one/ --seed 3').outcomes.keys
    assert_equal %w[ATest#test_two], run_files('a_test.rb', env: { 'TESTOPTS' => '--name=test_two' }).outcomes.keys
    assert_equal %w[ATest#test_one ATest#test_two], run_files('a_test.rb', options: '--testcase ATest').outcomes.keys
    assert_match(/invalid option: --tag/, run_files('a_test.rb', options: '--tag x').of(:refused).first[:message])
  end

  def test_exit_in_a_test_is_passed_up_and_nothing_runs_at_exit
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_a; Process.wait(fork { exit 3 }); assert_equal 3, $?.exitstatus; end
        def test_b; exit 0; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test_a' => 'passed' }, ran.outcomes)
    assert_equal 'ATest#test_b', ran.of(:test_started).last[:id]
    assert_empty ran.output
    refute ran.finished?
  end

  def test_a_file_that_can_not_be_loaded_is_a_fault_and_harms_no_other
    write('a_test.rb', "require 'test/unit'\nclass ATest < Test::Unit::TestCase\n  def test_half; end\nend\nrequire 'no/such/thing'\n")
    write('b_test.rb', "class BTest < Test::Unit::TestCase\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb')
    assert_equal %w[BTest#test_b], ran.outcomes.keys
    assert_equal %w[load LoadError], ran.of(:file_error).first.values_at(:what, :exception)
  end

  def test_an_order_that_is_random_follows_the_seed
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        self.test_order = :random
        30.times { |n| define_method("test_\#{n}") {} }
      end
    RUBY
    order = run_files('a_test.rb', seed: 5).outcomes.keys
    assert_equal order, run_files('a_test.rb', seed: 5).outcomes.keys
    refute_equal order, run_files('a_test.rb', seed: 6).outcomes.keys
  end

  def test_a_part_runs_its_own_tests_and_tells_of_all
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        %w[a b c].each { |name| define_method("test_\#{name}") {} }
      end
    RUBY
    ran = run_files('a_test.rb@+ATest#test_a,ATest#test_gone', 'a_test.rb@-ATest#test_a')
    assert_equal %w[ATest#test_a ATest#test_b ATest#test_c], ran.tests.map { |test| test[:id] }.sort
    assert_equal [%w[ATest#test_a ATest#test_b ATest#test_c]] * 2, ran.of(:defined).map { |fields| fields[:ids] }
    assert_equal 2, ran.of(:divisible).size
    assert_empty ran.of(:warning)
  end

  def test_classes_that_are_not_to_be_cut_name_the_outermost_of_them
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class Free < Test::Unit::TestCase
        def test_x; end
      end
      class Held < Test::Unit::TestCase
        def self.shutdown; end
        def test_x; end
      end
      class Below < Held
        def self.startup; end
        def test_x; end
      end
      class InOrder < Test::Unit::TestCase
        self.test_order = :defined
        def test_x; end
      end
    RUBY
    groups = run_files('a_test.rb').tests.to_h { |test| [test[:classname], test[:group]] }
    assert_equal({ 'Free' => nil, 'Held' => 'Held', 'Below' => 'Held', 'InOrder' => 'InOrder' }, groups)
  end

  PAPERS = <<~RUBY
    require 'test/unit'
    class PapersTest < Test::Unit::TestCase
      def self.suite
        inner = Test::Unit::TestSuite.new('inner')
        inner << new('check', 'will')
        Test::Unit::TestSuite.new(name, self).tap { |papers| papers << new('check', 'deed') << new('check', 'lease') << inner }
      end
      def initialize(method_name, paper)
        super(method_name)
        @paper = paper
      end
      def name
        "check \#{@paper}(\#{self.class})"
      end
      def check
        assert_not_equal 'lease', @paper
      end
    end
  RUBY

  def test_a_suite_of_the_project_s_own_runs_as_it_is_with_names_of_its_own
    write('papers_test.rb', PAPERS)
    write('pool_test.rb', <<~RUBY)
      class PoolTest < Test::Unit::TestCase
        class Once < Test::Unit::TestSuite
          def run(worker_context)
            $pool = [:first]
            super
          ensure
            $pool = nil
          end
        end
        def self.suite
          $made = $made.to_i + 1
          Once.new(name, self).tap { |once| super.tests.each { |test| once << test } }
        end
        def test_in_the_pool
          assert_equal [[:first], 1], [$pool, $made]
        end
      end
    RUBY
    ran = run_files('papers_test.rb', 'pool_test.rb', 'papers_test.rb@PapersTest#check will')
    assert_equal({ 'PapersTest#check deed' => 'passed', 'PapersTest#check lease' => 'failed', 'PapersTest#check will' => 'passed',
                   'PoolTest#test_in_the_pool' => 'passed' }, ran.outcomes)
    assert_equal 5, ran.tests.size
    assert_equal [nil], ran.tests.map { |test| test[:group] }.uniq - %w[PapersTest PoolTest] + [nil]
    assert_empty ran.of(:file_error)
  end

  def test_a_suite_that_runs_fewer_tests_than_it_has_does_not_pass
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class Lazy < Test::Unit::TestSuite
        def run(worker_context)
          @tests.pop
          super
        end
      end
      class ATest < Test::Unit::TestCase
        def self.suite
          Lazy.new(name, self).tap { |lazy| super.tests.each { |test| lazy << test } }
        end
        def test_a; end
        def test_b; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal %w[ATest#test_a], ran.outcomes.keys
    assert_equal ['1 of 2 tests did not run (ATest#test_b): Test::Unit was stopped, or a `run` of the suite or of the test leaves them out'],
                 ran.of(:file_error).map { |error| error[:message] }
  end

  # A runner of the project, what its result says, and a listener beside ours.
  def test_the_runner_and_the_listeners_that_the_project_chose_run_and_judge
    write('helper.rb', <<~RUBY)
      require 'test/unit'
      require 'test/unit/ui/console/testrunner'
      class Strict < Test::Unit::UI::Console::TestRunner
        def start
          super.tap { |result| result.define_singleton_method(:passed?) { super() && !$loud } }
        end
      end
      class Listener
        def attach_to_mediator(mediator)
          mediator.add_listener(Test::Unit::TestCase::FINISHED) { |name| warn("heard \#{name}") }
        end
      end
      Test::Unit::AutoRunner.register_runner(:strict) { Strict }
      Test::Unit::AutoRunner.default_runner = :strict
      Test::Unit::AutoRunner.prepare { |auto| auto.listeners << Listener.new }
      Test::Unit::AutoRunner.setup_option { |auto, options| options.on('--loud') { $loud = true } }
    RUBY
    write('a_test.rb', "$was = ARGV.dup\nrequire './helper'\nclass ATest < Test::Unit::TestCase\n  def test_a\n    assert_equal [['--loud', '-v'], []], [$was, ARGV]\n  end\nend\n")
    write('b_test.rb', "class BTest < Test::Unit::TestCase\n  def test_b; $loud = false; end\nend\n")
    ran = run_files('a_test.rb', 'b_test.rb', options: '--loud -v')
    assert_equal({ 'ATest#test_a' => 'passed', 'BTest#test_b' => 'passed' }, ran.outcomes)
    assert_equal ['the runner of Test::Unit says that the run did not pass, though each of its tests did'],
                 ran.of(:file_error).map { |error| error[:message] }
    assert_equal "heard test_a(ATest)\nheard test_b(BTest)\n", ran.output
  end

  def test_what_is_loaded_is_what_a_plain_run_has_loaded
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_a
          File.write(ENV['SEEN'], $LOADED_FEATURES.grep(%r{/test/unit|optparse|yaml|stringio|shellwords|console}).join("\n"))
        end
      end
    RUBY
    seen = %w[plain ours].to_h { |name| [name, File.join(@dir, name)] }
    Open3.capture2e({ 'SEEN' => seen['plain'] }, 'ruby', 'a_test.rb', chdir: @dir)
    run_files('a_test.rb', env: { 'SEEN' => seen['ours'], 'TESTOPTS' => "-n '/test/'" })
    plain, ours = seen.values.map { |path| File.readlines(path, chomp: true).sort }
    assert_includes plain.join, 'ui/console/testrunner'
    assert_equal plain, ours
  end

  def test_what_would_stop_a_plain_run_is_told_and_ignored
    write('a_test.rb', "require 'test/unit'\nclass ATest < Test::Unit::TestCase\n  def test_a; flunk; end\n  def test_b; end\nend\n")
    ran = run_files('a_test.rb', options: '--stop-on-failure')
    assert_equal %w[ATest#test_a ATest#test_b], ran.outcomes.keys
    assert_equal ['--stop-on-failure of Test::Unit is ignored: use --fail-fast of gorgon-originator'], ran.of(:warning).map { |fields| fields[:text] }
  end

  def test_a_suite_that_a_test_runs_by_itself_has_its_hooks
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      Test::Unit.at_start { $started = $started.to_i + 1 }
      class ATest < Test::Unit::TestCase
        def test_a
          inner = Class.new(Test::Unit::TestCase) { def test_inner; end }
          result = Test::Unit::UI::TestRunnerMediator.new(inner.suite).run
          assert_equal [1, 2], [result.run_count, $started]
        end
      end
    RUBY
    assert_equal({ 'ATest#test_a' => 'passed' }, run_files('a_test.rb').outcomes)
  end

  def test_a_failure_shows_what_caused_it
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_a
          Integer('x')
        rescue ArgumentError
          raise 'no number'
        end
      end
    RUBY
    assert_match(/\ARuntimeError: no number\n\nCaused by:\nArgumentError: invalid value/, run_files('a_test.rb').test('ATest#test_a')[:message])
  end

  def test_a_test_that_a_test_defines_in_a_class_without_any_does_not_run
    write('a_test.rb', <<~RUBY)
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        class Named < Test::Unit::TestCase
        end
        def test_a
          Named.class_eval { def test_failed; flunk; end }
        end
      end
    RUBY
    write('b_test.rb', "class BTest < Test::Unit::TestCase\n  def test_b; end\nend\n")
    assert_equal({ 'ATest#test_a' => 'passed', 'BTest#test_b' => 'passed' }, run_files('a_test.rb', 'b_test.rb').outcomes)
  end

  def test_a_handler_of_at_exit_finds_whether_tests_have_failed_and_a_suite_may_have_an_exit_of_its_own
    { 'assert true' => 0, 'flunk' => 1 }.each do |body, status|
      write('a_test.rb', "at_exit { p [$!.class, $!.status] }\nrequire 'test/unit'\ndef exit(status) = status\nclass ATest < Test::Unit::TestCase\n  def test_a; #{body}; end\nend\n")
      ran = run_files('a_test.rb')
      assert_equal ["[SystemExit, #{status}]\n", 0], [ran.output, ran.status.exitstatus]
    end
  end

  def test_handlers_of_at_exit_come_before_the_tests_of_each_file
    %w[a b].each do |name|
      write("#{name}_test.rb", <<~RUBY)
        require 'test/unit'
        at_exit { puts 'before #{name}' }
        class #{name.upcase}Test < Test::Unit::TestCase
          def test_it; puts 'test #{name}'; end
        end
      RUBY
    end
    assert_equal "before a\ntest a\nbefore b\ntest b\n", run_files('a_test.rb', 'b_test.rb').output
  end
end
