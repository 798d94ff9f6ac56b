# frozen_string_literal: true

require 'minitest/autorun'
require 'frameworks'
require 'frameworks/places'
require 'frameworks/memory'

# What it costs to find the turns of a file must depend neither on how many classes earlier files brought, nor on the
# square of how many it brings itself.
class MemoryCostTest < Minitest::Test
  # Counts how often it is asked for its methods.
  module Counted
    attr_accessor :asked

    def public_instance_methods(*)
      self.asked = asked.to_i + 1
      super
    end
  end

  class OldTest
    extend Counted
    def test_old; end
  end

  class NewTest
    def test_new; end
  end

  MANY = Array.new(40) do |number|
    const_set("Many#{number}", Class.new { def test_some; end })
  end

  def setup
    @memory = Gorgon::Frameworks::Memory.new(Gorgon::Places.new(__dir__), []) do |klass|
      klass.instance_methods(false).map(&:to_s).grep(/\Atest_/)
    end
  end

  def test_classes_of_earlier_files_are_asked_only_by_a_file_that_names_them
    load_file('old_test.rb', [OldTest], 'class OldTest')
    OldTest.asked = 0
    assert_equal [[NewTest, ['test_new']]], load_file('new_test.rb', [OldTest, NewTest], "class NewTest\n YAML.load('1').it.test # Test\n", [NewTest])
    assert_equal 0, OldTest.asked
    assert_empty load_file('other_test.rb', [OldTest, NewTest], 'OldTest.some', [])
    assert_operator OldTest.asked, :>, 0
  end

  def test_the_text_is_read_twice_at_most
    load_file('many_test.rb', MANY, 'class Many0')
    text = MANY.map { |klass| "class #{klass.name[/\w+\z/]} < Object\nend\n" }.join
    read = 0
    %i[b scan].each do |reader|
      text.define_singleton_method(reader) do |*given|
        read += 1
        super(*given)
      end
    end
    load_file('again_test.rb', MANY, text)
    assert_operator read, :<=, 2
    assert_equal MANY.size, @memory.lost.size
  end

  private

  def load_file(name, classes, text, opened = classes)
    turns = @memory.fresh(classes, File.join(__dir__, name), opened.to_h { |klass| [klass, true] }.compare_by_identity, text)
    @memory.pass_over(classes, turns.map(&:first))
    turns
  end
end
