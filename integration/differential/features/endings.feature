Feature: tests and files that end in an unusual way

  Scenario: RSpec: a tag is thrown that nobody catches
    Given a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe 'a' do
        it('passes') {}
        it('throws') { throw :elsewhere }
        it('throws a value') { throw :elsewhere, 'minitest' }
        it('fails') { expect(1).to eq 2 }
      end
      """
    And a file named "spec/b_spec.rb" with:
      """ruby
      RSpec.describe 'b' do
        after(:context) { throw :elsewhere }
        it('passes') {}
      end
      """
    And a file named "spec/c_spec.rb" with:
      """ruby
      RSpec.describe('good') { it('passes') {} }
      """
    When I run `rspec`

  Scenario: RSpec: a tag is thrown while a file is loaded
    Given a file named "spec/a_spec.rb" with:
      """ruby
      throw :elsewhere
      RSpec.describe('a') { it('is not defined') {} }
      """
    When I run `rspec`

  Scenario: Minitest: a tag is thrown that nobody catches
    Given a file named "test/a_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_a; end
        def test_b = throw(:elsewhere)
        def test_c = assert(false)
      end
      class BTest < Minitest::Test
        def teardown = throw(:elsewhere, 'rspec')
        def test_d; end
      end
      """
    When I run `ruby -Itest test/a_test.rb`

  Scenario: Test::Unit: a tag is thrown that nobody catches
    Given a file named "test/a_test.rb" with:
      """ruby
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_a; end
        def test_b = throw(:elsewhere)
        def test_c = assert(false)
      end
      class BTest < Test::Unit::TestCase
        def teardown = throw(:elsewhere, 'rspec')
        def test_d; end
      end
      """
    When I run `ruby -Itest test/a_test.rb`

  Scenario: RSpec: a fork comes back from its example
    Given a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe 'a fork' do
        it 'passes in the fork' do
          pid = fork
          next unless pid
          Process.wait(pid)
          expect($?.exitstatus).to eq 0
        end
      end
      """
    And a file named "spec/b_spec.rb" with:
      """ruby
      RSpec.describe 'a fork' do
        it 'fails in the fork' do
          if (pid = fork)
            Process.wait(pid)
            expect($?.exitstatus).to eq 1
          else
            expect(1).to eq 2
          end
        end
      end
      """
    When I run `rspec`

  Scenario: Minitest: a fork comes back from its test
    Given a file named "test/a_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_a
          if (pid = fork)
            Process.wait(pid)
            assert_equal(0, $?.exitstatus)
          else
            assert_equal(3, 1 + 1)
          end
        end
      end
      """
    When I run `ruby -Itest test/a_test.rb`

  Scenario: Test::Unit: a fork comes back from its test
    Given a file named "test/a_test.rb" with:
      """ruby
      require 'test/unit'
      class ATest < Test::Unit::TestCase
        def test_a
          if (pid = fork)
            Process.wait(pid)
            assert_equal(1, $?.exitstatus)
          else
            assert_equal(3, 1 + 1)
          end
        end
      end
      """
    When I run `ruby -Itest test/a_test.rb`

  Scenario: Minitest: a later file ends the run by END, exit 0
    Given a file named "test/a_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class ATest < Minitest::Test
        def test_a; end
      end
      """
    And a file named "test/b_test.rb" with:
      """ruby
      require 'minitest/autorun'
      class BTest < Minitest::Test
        def test_b; end
      end
      END { exit 0 }
      """
    When I run `ruby -Itest test/a_test.rb test/b_test.rb`

  Scenario: RSpec: a thread stays in a block of Dir.chdir
    Given a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe('a') { it('leaves a thread') { Thread.new { Dir.chdir('/tmp') { sleep 0.3 } }; sleep 0.05 } }
      """
    And a file named "spec/b_spec.rb" with:
      """ruby
      RSpec.describe('b') { it('passes') {} }
      """
    And a file named "spec/c_spec.rb" with:
      """ruby
      RSpec.describe('good') { it('passes') {} }
      """
    When I run `rspec`

  Scenario: RSpec: tests that break String
    Given a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe 'a' do
        it 'replaces methods' do
          String.class_eval { def <<(_other) = self }
          String.class_eval { def gsub(*) = raise('no gsub') }
        end
      end
      """
    When I run `rspec`
