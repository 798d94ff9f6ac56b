# frozen_string_literal: true

require_relative 'adapter_case'

# Tests that a later file gives to classes of an earlier one: in a plain run, which loads all files first, each runs.
module TestsGivenLater
  FRAMEWORKS = { 'minitest' => ['minitest/autorun', 'Minitest::Test'], 'test_unit' => ['test/unit', 'Test::Unit::TestCase'] }.freeze

  def test_by_a_module_that_is_opened_again
    assert_given %w[ATest#test_late BelowTest#test_late], <<~RUBY
      module Shared
        def test_late = assert(true)
      end
    RUBY
  end

  def test_by_a_module_that_is_opened_again_and_has_a_method_anew
    assert_given %w[ATest#test_shared BelowTest#test_shared], <<~RUBY
      module Shared
        def test_shared = assert(true, 'anew')
      end
    RUBY
  end

  def test_by_a_module_that_a_module_includes
    assert_given %w[ATest#test_late BelowTest#test_late], <<~RUBY
      module Inner
        def test_late = assert(true)
      end
    RUBY
  end

  def test_by_the_base_class_of_the_framework
    # Test::Unit runs no test of a class above.
    names = framework == 'minitest' ? %w[ATest BTest BelowTest Minitest::Spec Minitest::Test Minitest::Unit::TestCase] : []
    [base, 'Object'].each do |above|
      assert_given names.map { |name| "#{name}#test_late" }, <<~RUBY
        class #{above}
          def test_late = assert(true)
        end
      RUBY
    end
  end

  def test_from_outside
    assert_given %w[ATest#test_late BelowTest#test_late], 'Shared.define_method(:test_late) { assert(true) }'
    assert_given %w[ATest#test_own BelowTest#test_own], 'ATest.class_eval { def test_own = assert(true) }'
    assert_given %w[ATest#test_own BelowTest#test_own], 'ATest.send(:define_method, :test_own) { assert(true) }'
    assert_given %w[ATest#test_late BelowTest#test_late], <<~RUBY
      module Late
        def test_late = assert(true)
      end
      ATest.include(Late)
    RUBY
  end

  def test_by_a_wrapper_that_is_prepended
    assert_given %w[ATest#test_shared BelowTest#test_shared], 'ATest.send(:prepend, Module.new { def test_shared = super })'
    assert_given [], 'ATest.prepend(Module.new { def helper = 1 })'
  end

  def test_by_a_module_that_gets_another_one
    # Before Ruby 3.0, classes that include a module have nothing of what that includes later.
    names = RUBY_VERSION < '3' ? [] : %w[ATest#test_late BelowTest#test_late]
    assert_given names, <<~RUBY
      module Late
        def test_late = assert(true)
      end
      Inner.include(Late)
    RUBY
  end

  def test_by_a_module_with_a_name_that_is_not_ascii
    @helper = 'Übung'
    write('helper.rb', "module Übung\n  def test_of_helper = assert(true)\nend\n")
    assert_given %w[ATest#test_late BelowTest#test_late], 'Übung.define_method(:test_late) { assert(true) }'
  end

  def test_by_a_method_of_a_helper_that_is_handed_the_class
    @helper = 'OfHelper'
    write('helper.rb', <<~RUBY)
      module OfHelper
        def test_of_helper = assert(true)
      end
      def more(klass) = klass.class_eval('def test_late = assert(true)')
    RUBY
    assert_given %w[ATest#test_late BelowTest#test_late], 'more ATest'
  end

  def test_from_outside_in_a_file_beside_it
    write('test/support/more.rb', 'ATest.class_eval { def test_own = assert(true) }')
    assert_given %w[ATest#test_own BelowTest#test_own], "require_relative 'support/more'"
  end

  def test_from_outside_where_nothing_in_the_file_shows_it
    write('patch.rb', 'ATest.class_eval { def test_own = assert(true) }')
    ran = run_after("require_relative '../patch'")
    assert_equal %w[BTest#test_own], ran.outcomes('test/b_test.rb').keys
    told = ran.of(:suite_hook_failed)
    assert_equal 1, told.size
    assert_match(/ATest#test_own/, told.first[:message])
  end

  def test_from_outside_where_the_class_has_tests_of_a_helper
    with_helper
    assert_given %w[ATest#test_late BelowTest#test_late], 'ATest.class_eval { def test_late = assert(true) }'
    assert_given %w[ATest#test_late BelowTest#test_late], "class ATest\n  def test_late = assert(true)\nend"
  end

  def test_a_class_of_the_same_name_has_the_tests_of_a_helper_once_more
    with_helper
    ran = run_after("class ATest < #{base}\n  include Helper\nend")
    assert_match(/ATest#test_of_helper/, ran.of(:file_error).first[:message])
  end

  def test_from_outside_where_the_text_is_long
    comment = "# #{'x' * 70}\n"
    assert_given %w[ATest#test_late BelowTest#test_late], "Shared.define_method(:test_late) { assert(true) }\n#{comment * 400}"
    assert_given %w[ATest#test_late BelowTest#test_late], "Shared.define_method(:test_late) { assert(true) }\n#{comment * 4000}"
  end

  def test_a_module_that_is_opened_for_its_name_only_brings_nothing
    assert_given [], <<~RUBY
      module Shared
        NAME = 'value'
        def helper = 1
      end
    RUBY
  end

  def test_what_tests_define_brings_nothing
    write('test/c_test.rb', "#{HEAD % library}class CTest < #{base}\n  def test_own = assert(Shared.define_method(:test_made) { raise })\n  def test_twice = assert(self.class.define_method(:test_own) { raise })\nend\n")
    ran = run_after('', 'test/c_test.rb')
    assert_equal %w[CTest#test_own CTest#test_twice], ran.outcomes('test/c_test.rb').keys.sort
    assert_equal [], ran.outcomes('test/c_test.rb').values - %w[passed]
    assert_empty ran.of(:suite_hook_failed)
  end

  # Nor with a later file that names where it stands.
  def test_what_tests_define_in_a_module_above_their_class_brings_nothing
    write('test/c_test.rb', "class CTest < BelowTest\n  def test_above = assert(ATest.ancestors[1].define_method(:test_made) { raise })\nend\n")
    write('test/d_test.rb', "class DTest < #{base}\n  def test_own = assert(Shared && ATest && YAML.load('true'))\nend\n")
    ran = run_after("require 'yaml'", 'test/c_test.rb', 'test/d_test.rb')
    assert_equal %w[DTest#test_own], ran.outcomes('test/d_test.rb').keys
    assert_equal %w[passed], ran.outcomes.values.uniq
    assert_empty ran.of(:suite_hook_failed)
  end

  private

  HEAD = "require '%s'\n"
  private_constant :HEAD

  def library = FRAMEWORKS[framework].first
  def base = FRAMEWORKS[framework].last

  # From now on the class of the first file has a test of a file that is none of the job's.
  def with_helper
    write('helper.rb', "module Helper\n  def test_of_helper = assert(true)\nend\n")
    @helper = 'Helper'
  end

  # `names`: the tests that run with the second file besides its own.
  def assert_given(names, text)
    ran = run_after(text)
    own = %w[test_own test_shared] + (@helper ? %w[test_of_helper] : [])
    assert_equal as_here(%w[ATest BelowTest].product(own).map { |name| name.join('#') }), ran.outcomes('test/a_test.rb').keys.sort
    assert_equal as_here(['BTest#test_own', *names]), ran.outcomes('test/b_test.rb').keys.sort, text
    assert_equal plain, ran.outcomes.keys.sort, text
    assert_empty ran.of(:suite_hook_failed)
  end

  # Test::Unit does not run inherited tests once more.
  def as_here(names)
    names.reject { |name| framework == 'test_unit' && name.start_with?('Below') }.sort
  end

  # The names of the tests that a plain run has.
  def plain
    output, = Open3.capture2e(AdapterCase::HERE, 'ruby', '-W0', '-r./test/a_test.rb', 'test/b_test.rb', '-v', chdir: @dir)
    return output.scan(/^(\S+#\S+) = /).flatten.sort if framework == 'minitest'

    output.scan(/^(\w+): *$|^ +(test_\w+):/).each_with_object([]) do |(group, name), found|
      group ? @group = group : found << "#{@group}##{name}"
    end.uniq.sort
  end

  def run_after(text, *more)
    write('test/a_test.rb', <<~RUBY)
      require '#{library}'
      #{"require_relative '../helper'" if @helper}
      module Inner
      end
      module Shared
        include Inner
        def test_shared = assert(true)
      end
      class ATest < #{base}
        include Shared#{", #{@helper}" if @helper}
        def test_own = assert(true)
      end
      class BelowTest < ATest
      end
    RUBY
    write('test/b_test.rb', "require '#{library}'\nclass BTest < #{base}\n  def test_own = assert(true)\nend\n#{text}\n")
    run_files('test/a_test.rb', 'test/b_test.rb', *more)
  end
end

class MinitestMemoryTest < AdapterCase
  include TestsGivenLater

  def framework = 'minitest'

  # As `test` of a Rails application does.
  def test_from_outside_by_words_that_make_tests
    names = %w[ATest#test_0001_late BelowTest#test_0001_late]
    assert_given names, "ATest.extend(Minitest::Spec::DSL)\nATest.it('late') { assert(true) }"
  end
end

class TestUnitMemoryTest < AdapterCase
  include TestsGivenLater

  def framework = 'test_unit'
end
