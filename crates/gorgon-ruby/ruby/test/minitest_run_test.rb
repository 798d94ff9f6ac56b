# frozen_string_literal: true

require_relative 'minitest_case'

# What runs is Minitest's own run: its executor, its order, and the ways of the classes. Most inputs run plainly as well,
# and the results are compared.
class MinitestRunTest < MinitestCase
  def test_a_base_class_that_is_parallel_runs_its_tests
    write('test/a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Minitest::Test
        parallelize_me!
      end
      class ATest < Minitest::Test
        def test_a; end
        def test_b; flunk; end
      end
      describe('spec') { it('is') { _(1).must_equal 1 } }
    RUBY
    assert_as_plain('test/a_test.rb', status: 1, parallel: true)
  end

  def test_hell_runs_what_it_makes_parallel
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      require 'minitest/hell'
      class ATest < Minitest::Test
        i_suck_and_my_tests_are_order_dependent!
        def test_a; end
        def test_b; flunk; end
      end
      class BTest < Minitest::Test
        def test_c; end
      end
    RUBY
    assert_as_plain('a_test.rb', status: 1, parallel: true)
  end

  EXECUTOR = <<~RUBY
    require 'minitest/autorun'
    class Own
      def start; @started = true; end
      def <<(job); raise 'not started' unless @started; (@jobs ||= []) << job; end
      def shutdown
        @jobs.each { |klass, name, reporter| run(klass, name, reporter) } if @jobs
        @jobs = @started = nil
      end
      def run(klass, name, reporter)
        reporter.prerecord(klass, name)
        reporter.record(klass.new(name).run)
      end
    end
    Minitest.parallel_executor = Own.new
    class Minitest::Test; parallelize_me!; end
  RUBY

  def test_the_executor_that_the_suite_chose_is_started_and_shut_down_around_each_file
    write('helper.rb', EXECUTOR)
    %w[a b].each do |name|
      write("#{name}_test.rb", <<~RUBY)
        require_relative 'helper'
        class #{name.upcase}Test < Minitest::Test
          def test_one; end
          def test_two; skip; end
        end
      RUBY
      assert_as_plain("#{name}_test.rb")
    end
    assert_equal 4, run_files('a_test.rb', 'b_test.rb').tests.size
  end

  def test_an_executor_that_drops_work_fails_the_file
    write('a_test.rb', <<~RUBY)
      #{EXECUTOR}
      Own.prepend(Module.new { def shutdown; @jobs = @jobs.first(1); super; end })
      class ATest < Minitest::Test
        def test_one; end
        def test_two; end
        def test_three; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal 1, ran.tests.size
    error = ran.of(:file_error).first
    assert_equal 'quit', error[:what]
    assert_match(/\A2 tests of this file \(ATest#test_\w+, ATest#test_\w+\) did not run/, error[:message])
  end

  def test_results_that_come_from_another_process_are_taken
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Forked
        def start; end
        def <<(job)
          klass, name, @reporter = job
          read, write = IO.pipe
          pid = fork { write.write(Marshal.dump(klass.new(name).run)); exit! }
          write.close
          (@results ||= []) << read
          Process.wait(pid)
        end
        def shutdown; @results.each { |io| @reporter.record(Marshal.load(io.read)) }; end
      end
      Minitest.parallel_executor = Forked.new
      class ATest < Minitest::Test
        parallelize_me!
        def test_one; end
        def test_two; flunk 'so'; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test_one' => 'passed', 'ATest#test_two' => 'failed' }, ran.outcomes.sort.to_h)
    assert_empty ran.of(:file_error)
  end

  def test_a_class_that_runs_its_tests_by_a_method_of_its_own_is_asked_to
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        class << self
          attr_accessor :pool
          def run(*)
            self.pool = [1]
            super
          ensure
            self.pool = nil
          end
        end
        def test_pool; assert_equal [1], self.class.pool; end
      end
      class Twice < Minitest::Test
        def self.run_one_method(*) 2.times { super }; end
        def test_it; assert_equal 4, 2 + 2; end
      end
      class Named < Minitest::Test
        def self.runnable_methods; %w[check_a check_b]; end
        def check_a; end
        def check_b; skip 'later'; end
        def test_never; flunk; end
      end
    RUBY
    ran = assert_as_plain('a_test.rb')
    assert_equal %w[Twice#test_it Twice#test_it@2], ran.tests.map { |test| test[:id] }.grep(/Twice/)
  end

  def test_a_suite_that_is_written_for_minitest_5_and_6_runs
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      module Around
        def __run(*) = super
        def run_all_suites(*) = super
      end
      Minitest.singleton_class.prepend(Around)
      class ATest < Minitest::Test
        def self.run_order = :alpha
        def self.test_order = :alpha
        def test_b; end
        def test_a; flunk; end
      end
    RUBY
    assert_as_plain('a_test.rb', status: 1)
    in_order('a_test.rb')
  end

  def test_a_class_may_run_what_it_does_not_list
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Listless < Minitest::Test
        def self.run(reporter, *)
          %w[check_a check_b].each { |name| run_one_method(self, name, reporter) }
        end
        def self.run_suite(reporter, *) = run(reporter)
        def self.run_one_method(klass, name, reporter)
          reporter.prerecord(klass, name)
          reporter.record(klass.new(name).run)
        end
        def check_a; end
        def check_b; flunk; end
      end
    RUBY
    write('b_test.rb', "require_relative 'a_test'\nclass BTest < Minitest::Test\n  def test_b; end\nend\n")
    assert_as_plain('a_test.rb', status: 1)
    assert_equal %w[Listless#check_a Listless#check_b BTest#test_b], run_files('a_test.rb', 'b_test.rb').outcomes.keys
  end

  def test_a_class_that_drops_tests_which_it_was_asked_to_run_fails_the_file
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def self.run_one_method(klass, name, reporter) = name == 'test_dropped' ? nil : super
        def test_dropped; end
        def test_kept; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal %w[ATest#test_kept], ran.outcomes.keys
    assert_match(/1 test of this file \(ATest#test_dropped\) did not run/, ran.of(:file_error).first[:message])
  end

  def test_a_class_that_chooses_not_to_run_is_told
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Base < Minitest::Test
        def self.run(*) = self == Base ? nil : super
        def test_shared; end
      end
      class ATest < Base; end
    RUBY
    ran = assert_as_plain('a_test.rb')
    assert_equal ['1 test of this file (Base#test_shared) did not run: their class has a `run` of its own'],
                 ran.of(:warning).map { |warning| warning[:text] }
  end

  ABSTRACT = <<~RUBY
    class Base < Minitest::Test
      def self.abstract! klass = self
        extend(Module.new { define_method(:run) { |*args| super(*args) unless self == klass } })
      end
      abstract!
      def test_shared; end
    end
    class ATest < Base; end
  RUBY

  def test_an_abstract_class_chooses_not_to_run_also_where_its_tests_run_side_by_side
    ['', "require 'minitest/hell'"].each do |library|
      write('a_test.rb', "require 'minitest/autorun'\n#{library}\n#{ABSTRACT}")
      ran = assert_as_plain('a_test.rb', parallel: true)
      assert_equal ['1 test of this file (Base#test_shared) did not run: their class has a `run` of its own'],
                   ran.of(:warning).map { |warning| warning[:text] }.grep(/did not run/)
    end
  end

  def test_an_executor_that_drops_the_work_of_a_class_with_a_run_of_its_own_fails_the_file
    write('a_test.rb', <<~RUBY)
      #{EXECUTOR}
      Own.prepend(Module.new { def shutdown; @jobs = nil; super; end })
      class ATest < Minitest::Test
        def self.run(*) = super
        def test_one; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_empty ran.tests
    assert_match(/\A1 test of this file \(ATest#test_one\) did not run/, ran.of(:file_error).first[:message])
  end

  def test_a_hook_around_the_tests_of_a_class_that_is_skipped_explains_them
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def self.with_info_handler(reporter)
          result = Minitest::Result.from(new('before_all').tap { |test| test.time = 0; test.failures << Minitest::Skip.new('no server') })
          reporter.record(result)
        end
        def test_one; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_empty ran.of(:file_error)
    assert_equal ['ATest#before_all was skipped: no server'], ran.of(:warning).map { |warning| warning[:text] }
  end

  def test_what_a_class_raises_ends_the_run_as_plainly_and_the_rest_is_told
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def self.run_one_method(*) = raise(IOError, 'no disk')
        def test_one; end
      end
    RUBY
    ran = run_files('a_test.rb')
    raised, quit = ran.of(:file_error)
    assert_equal ['IOError', 'no disk'], raised.values_at(:exception, :message)
    assert_match(/ATest#test_one/, quit[:message])
  end

  def test_two_workers_draw_different_numbers_in_one_order
    write('slot.rb', "srand(ENV['SLOT'].to_i)\n")
    %w[A B C].each { |name| write("#{name}_test.rb", <<~RUBY) }
      require 'minitest/autorun'
      #{name}_LOAD = rand(1 << 40)
      class #{name}Test < Minitest::Test
        5.times { |n| define_method("test_\#{n}") { puts rand(1 << 40), #{name}_LOAD } }
      end
    RUBY
    one, again, other = [1, 1, 2].map do |slot|
      run_files('A_test.rb', 'B_test.rb', 'C_test.rb', ruby: ['-r', './slot'], env: { 'SLOT' => slot.to_s })
    end
    assert_equal one.output, again.output
    assert_equal one.outcomes.keys, other.outcomes.keys
    assert_empty one.output.lines.uniq & other.output.lines.uniq
    # One for each file as it is loaded; in each class, as plainly, the same ones.
    assert_equal 3 + 5, one.output.lines.uniq.size
  end

  def test_an_exception_that_cannot_be_marshalled_keeps_its_name_and_cause
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class Odd < StandardError
        def initialize(one, two) = super("\#{one} and \#{two}")
      end
      class ATest < Minitest::Test
        def test_odd
          raise KeyError, 'inner'
        rescue KeyError
          error = Odd.new('salt', 'pepper')
          error.instance_variable_set(:@proc, -> {})
          raise error
        end
      end
    RUBY
    test = run_files('a_test.rb').tests.first
    assert_equal 'Odd', test[:exception]
    assert_match(/\AOdd: salt and pepper\n\nCaused by:\nKeyError: inner/, test[:message])
  end

  def test_the_order_of_a_file_alone_is_that_of_plain_minitest_also_when_it_is_not_the_first
    write('helper.rb', "require 'minitest/autorun'\nclass Base < Minitest::Test; end\nclass Other < Base; end\n")
    %w[a b].each do |name|
      tests = ('a'..'e').map { |test| "def test_#{test}; end" }.join("\n")
      classes = (1..4).map { |n| "class #{name.upcase}#{n} < #{n.odd? ? 'Base' : 'Minitest::Test'}\n#{tests}\nend\n" }
      write("#{name}_test.rb", "require_relative 'helper'\nclass #{name.upcase}Empty < Minitest::Test; end\n#{classes.join}")
    end
    [3, 7, 4711].each do |seed|
      in_order('a_test.rb', seed: seed)
      ran = run_files('a_test.rb', 'b_test.rb', seed: seed)
      assert_equal plain('b_test.rb', '--seed', seed.to_s).first.map(&:first), ran.outcomes('b_test.rb').keys
    end
  end

  def test_the_number_of_threads_that_a_helper_sets_holds
    write('a_test.rb', <<~RUBY)
      ENV['MT_CPU'] = '1'
      require 'minitest/autorun'
      class ATest < Minitest::Test
        parallelize_me!
        5.times { |n| define_method("test_\#{n}") { assert_equal 1, Minitest.parallel_executor.size } }
      end
    RUBY
    assert_as_plain('a_test.rb')
    # Also where Minitest was there before the helper.
    write('callbacks.rb', "require 'minitest'\n")
    assert_as_plain('a_test.rb', env: { 'N' => '3' })
  end

  def test_a_file_sees_the_classes_that_a_plain_run_has
    write('helper.rb', "require 'minitest/autorun'\nclass Base < Minitest::Test; end\n")
    %w[a b].each do |name|
      write("#{name}_test.rb", <<~RUBY)
        require_relative 'helper'
        class #{name.upcase}Test < Base
          def test_seen; assert_equal %w[#{name.upcase}2 #{name.upcase}Test Base], Minitest::Runnable.runnables.map(&:name).grep_v(/Minitest|MiniTest/).reverse; end
        end
        class #{name.upcase}2 < Base
          def test_more; end
        end
      RUBY
      assert_as_plain("#{name}_test.rb")
    end
    assert_equal %w[passed] * 4, run_files('a_test.rb', 'b_test.rb').outcomes.values
  end

  def test_nothing_is_loaded_that_minitest_does_not_load
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_seen; File.write(ENV.fetch('SEEN'), $LOADED_FEATURES.reject { |path| path.start_with?(Dir.pwd) }.join("\\n")); end
      end
    RUBY
    seen = %w[plain ours].map do |name|
      env = { 'SEEN' => File.join(@dir, name) }
      name == 'plain' ? plain('a_test.rb', env: env) : run_files('a_test.rb', env: env)
      File.readlines(env['SEEN'], chomp: true)
    end
    ours = %r{\A#{Regexp.escape(File.expand_path('..', __dir__))}/}
    assert_empty((seen.last - seen.first).grep_v(ours))
  end

  def test_what_a_task_of_minitest_loads_before_the_first_file_is_there
    write('lib/page.rb', "PAGE = StringIO.new\n")
    write('a_test.rb', "require './lib/page'\nclass ATest < Minitest::Test\n  def test_a; assert PAGE; end\nend\n")
    assert_equal ['NameError'], run_files('a_test.rb').of(:file_error).map { |fault| fault[:exception] }
    autorun = { 'REQUIRES' => 'minitest/autorun' }
    assert_equal({ 'ATest#test_a' => 'passed' }, run_files('a_test.rb', env: autorun).outcomes)
    write('other.rb', "require 'minitest/autorun'\nclass OtherTest < Minitest::Test\n  def test_other; end\nend\n")
    other = { 'REQUIRES' => './other' }
    assert_equal %w[ATest#test_a OtherTest#test_other], run_files('a_test.rb', env: other).outcomes.keys.sort
  end

  def test_a_class_of_minitest_six_may_choose_among_its_tests
    skip 'Minitest 5 does not ask it' if Minitest::VERSION.to_i < 6
    write('a_test.rb', <<~RUBY)
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def self.filter_runnable_methods(options = {}) = super.grep_v(/slow/)
        def test_one; end
        def test_slow; flunk; end
      end
      class BTest < Minitest::Test
        def self.filter_runnable_methods(options = {}) = runnable_methods.grep_v(/slow/)
        def test_two; end
        def test_slow; flunk; end
      end
    RUBY
    ran = run_files('a_test.rb')
    assert_equal({ 'ATest#test_one' => 'passed', 'BTest#test_two' => 'passed' }, ran.outcomes)
    assert_equal [[], 2], [ran.of(:file_error), ran.of(:warning).size]
  end
end
