Feature: what helpers and suite hooks change of the process holds for all files

  Scenario: a helper of RSpec
    Given a file named "data/price.txt" with:
      """
      42
      """
    And a file named "spec/spec_helper.rb" with:
      """ruby
      require 'stringio'
      SIGNALS = []
      SAID = StringIO.new
      $stdout = SAID
      $stderr = SAID
      $stdin = StringIO.new("typed\n" * 20)
      File.umask(0o027)
      trap('USR1') { SIGNALS << :usr1 }
      trap('TERM', 'IGNORE')
      trap('USR2', nil)
      Dir.chdir(File.join(__dir__, '../data'))
      RSpec.shared_examples 'the process' do
        it('prints where the helper says') { expect { puts 'x'; warn 'y' }.to change(SAID, :size).by(4) }
        it('reads what the helper says') { expect($stdin.gets).to eq("typed\n") }
        it('makes files with the umask') { expect(File.umask).to eq(0o027) }
        it('stands in the directory') { expect(File.read('price.txt')).to include('42') }
        it 'is deaf for TERM, and for USR2' do
          Process.kill(:TERM, $$)
          Process.kill(:USR2, $$)
        end
        it 'hears USR1' do
          before = SIGNALS.size
          Process.kill(:USR1, $$)
          sleep 0.001 until SIGNALS.size > before
        end
      end
      """
    And a file named "spec/a_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('A') { include_examples 'the process' }
      """
    And a file named "spec/b_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('B') { include_examples 'the process' }
      """
    And a file named "spec/c_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('C') { include_examples 'the process' }
      """
    And a file named "spec/d_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('D') { include_examples 'the process' }
      """
    When I run `rspec`

  Scenario: hooks of a suite of RSpec
    Given a file named ".rspec" with:
      """
      --require spec_helper
      """
    And a file named "spec/spec_helper.rb" with:
      """ruby
      RSpec.configure do |config|
        config.before(:suite) do
          require 'stringio'
          SAID = StringIO.new
          SIGNALS = []
          $stdout = SAID
          File.umask(0o077)
          trap('USR1') { SIGNALS << :usr1 }
          Dir.chdir('spec')
          STDERR.reopen('../errors.log', 'a').sync = true
        end
        config.after(:suite) do
          File.write('../suite.log', [Dir.pwd == __dir__, File.umask, $stdout.equal?(SAID)].inspect)
          $stdout = STDOUT
        end
      end
      RSpec.shared_examples 'the process' do
        it('prints where the hook says') { expect { puts 'x' }.to change(SAID, :size).by(2) }
        it('makes files with the umask') { expect(File.umask).to eq(0o077) }
        it('stands in the directory') { expect(Dir.pwd).to eq(__dir__) }
        it('has its errors in a file') { expect { system('echo x >&2') }.to change { File.size('../errors.log') } }
        it 'hears USR1' do
          before = SIGNALS.size
          Process.kill(:USR1, $$)
          sleep 0.001 until SIGNALS.size > before
        end
      end
      """
    And a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe('A') { include_examples 'the process' }
      """
    And a file named "spec/b_spec.rb" with:
      """ruby
      RSpec.describe('B') { include_examples 'the process' }
      """
    And a file named "spec/c_spec.rb" with:
      """ruby
      RSpec.describe('C') { include_examples 'the process' }
      """
    And a file named "spec/d_spec.rb" with:
      """ruby
      NAMES = File.readlines('spec/names.txt')
      RSpec.describe('D') do
        include_examples 'the process'
        NAMES.each { |name| it("greets #{name}") { expect(File.read('names.txt')).to include(name) } }
      end
      """
    And a file named "spec/names.txt" with:
      """
      Ada
      Grace
      """
    When I run `rspec`

  Scenario: a helper of Minitest, and a plugin of the suite
    Given a file named "test/minitest/place_plugin.rb" with:
      """ruby
      module Minitest
        def self.plugin_place_init(_options) = Dir.chdir(File.expand_path('..', __dir__))
      end
      """
    And a file named "test/test_helper.rb" with:
      """ruby
      require 'minitest/autorun'
      require 'stringio'
      Minitest.load_plugins unless Minitest.extensions.include?('place')
      SIGNALS = []
      SAID = StringIO.new
      $stderr = SAID
      $stdin = StringIO.new("typed\n" * 20)
      File.umask(0o027)
      trap('USR1') { SIGNALS << :usr1 }
      module Checks
        def test_errors
          warn 'x'
          assert SAID.string.end_with?("x\n")
        end

        def test_input = assert_equal("typed\n", $stdin.gets)
        def test_umask = assert_equal(0o027, File.umask)
        def test_directory = assert_equal(__dir__, Dir.pwd)

        def test_signal
          before = SIGNALS.size
          Process.kill(:USR1, $$)
          sleep 0.001 until SIGNALS.size > before
          assert true
        end
      end
      """
    And a file named "test/a_test.rb" with:
      """ruby
      require 'test_helper'
      class ATest < Minitest::Test
        include Checks
      end
      """
    And a file named "test/b_test.rb" with:
      """ruby
      require 'test_helper'
      class BTest < Minitest::Test
        include Checks
      end
      """
    And a file named "test/c_test.rb" with:
      """ruby
      require 'test_helper'
      class CTest < Minitest::Test
        include Checks
      end
      """
    And a file named "test/d_test.rb" with:
      """ruby
      require 'test_helper'
      class DTest < Minitest::Test
        include Checks
      end
      """
    When I run `ruby -Itest test/a_test.rb test/b_test.rb test/c_test.rb test/d_test.rb`

  Scenario: a helper and hooks of Test::Unit
    Given a file named "test/test_helper.rb" with:
      """ruby
      require 'test/unit'
      require 'stringio'
      SIGNALS = []
      SAID = StringIO.new
      File.umask(0o027)
      trap('USR1') { SIGNALS << :usr1 }
      Test::Unit.at_start do
        $stderr = SAID
        $stdin = StringIO.new("typed\n" * 20)
        trap('USR2') { SIGNALS << :usr2 }
        Dir.chdir('test')
      end
      Test::Unit.at_exit do
        File.write('suite.log', [Dir.pwd == __dir__, File.umask, $stderr.equal?(SAID)].inspect)
      end
      module Checks
        def test_errors
          warn 'x'
          assert SAID.string.end_with?("x\n")
        end

        def test_input = assert_equal("typed\n", $stdin.gets)
        def test_umask = assert_equal(0o027, File.umask)
        def test_directory = assert_equal(__dir__, Dir.pwd)

        def test_signals
          %i[USR1 USR2].each do |signal|
            before = SIGNALS.size
            Process.kill(signal, $$)
            sleep 0.001 until SIGNALS.size > before
          end
          assert_equal(%i[usr1 usr2], SIGNALS.last(2))
        end
      end
      """
    And a file named "test/a_test.rb" with:
      """ruby
      require 'test_helper'
      class ATest < Test::Unit::TestCase
        include Checks
      end
      """
    And a file named "test/b_test.rb" with:
      """ruby
      require 'test_helper'
      class BTest < Test::Unit::TestCase
        include Checks
      end
      """
    And a file named "test/c_test.rb" with:
      """ruby
      require 'test_helper'
      class CTest < Test::Unit::TestCase
        include Checks
      end
      """
    And a file named "test/d_test.rb" with:
      """ruby
      require 'test_helper'
      class DTest < Test::Unit::TestCase
        include Checks
      end
      """
    When I run `ruby -Itest test/a_test.rb test/b_test.rb test/c_test.rb test/d_test.rb`

  Scenario: what ends a suite of RSpec finds what its tests have left
    Given a file named "spec/spec_helper.rb" with:
      """ruby
      require 'stringio'
      HEARD = []
      RSpec.configure do |config|
        config.after(:suite) { File.write(File.join(__dir__, 'suite.log'), [Dir.pwd, File.umask, $stdin.class].inspect) }
        config.after(:suite) { Process.kill('TERM', $$) && sleep(0.001) until HEARD.any? }
        config.after(:suite) { raise 'a test has left the directory' if Dir.pwd == '/' }
      end
      at_exit { File.write(File.join(__dir__, 'exit.log'), [Dir.pwd, File.umask, HEARD.any?].inspect) }
      """
    And a file named "spec/a_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe 'A' do
        it 'leaves much' do
          trap('TERM') { HEARD << :term }
          File.umask(0o007)
          Dir.chdir('/')
          $stdin = StringIO.new
        end
      end
      """
    And a file named "spec/b_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('B') { it('leaves nothing') { expect(HEARD).to be_empty } }
      """
    When I run `rspec`

  Scenario: what ends a suite of RSpec finds that the directory is gone
    Given a file named "spec/a_spec.rb" with:
      """ruby
      require 'tmpdir'
      RSpec.describe 'A' do
        after(:all) { RSpec.configuration.after(:suite) { raise 'never' } }
        it('leaves no directory') { Dir.mktmpdir { |gone| Dir.chdir(gone) } }
      end
      at_exit do
        Dir.pwd
      rescue Errno::ENOENT
        exit 7
      end
      """
    When I run `rspec`

  Scenario: what ends a suite of Minitest finds what its tests have left
    Given a file named "test/a_test.rb" with:
      """ruby
      require 'minitest/autorun'
      HEARD = []
      Minitest.after_run { File.write(File.join(__dir__, 'suite.log'), [Dir.pwd, File.umask].inspect) }
      Minitest.after_run { Process.kill('TERM', $$) && sleep(0.001) until HEARD.any? }
      class ATest < Minitest::Test
        def test_that_leaves_much
          trap('TERM') { HEARD << :term }
          File.umask(0o007)
          Dir.chdir('/')
        end
      end
      """
    When I run `ruby -Itest test/a_test.rb`

  Scenario: what ends a suite of Test::Unit finds what its tests have left
    Given a file named "test/a_test.rb" with:
      """ruby
      require 'test/unit'
      HEARD = []
      Test::Unit.at_exit { File.write(File.join(__dir__, 'suite.log'), [Dir.pwd, File.umask].inspect) }
      Test::Unit.at_exit { Process.kill('TERM', $$) && sleep(0.001) until HEARD.any? }
      at_exit { exit 3 if Dir.pwd == '/' }
      class ATest < Test::Unit::TestCase
        def test_that_leaves_much
          trap('TERM') { HEARD << :term }
          File.umask(0o007)
          Dir.chdir('/')
          assert true
        end
      end
      """
    When I run `ruby -Itest test/a_test.rb`

  Scenario: a helper that takes INT
    Given a file named "spec/spec_helper.rb" with:
      """ruby
      HEARD = []
      trap('INT') { HEARD << :int }
      RSpec.shared_examples 'the process' do
        it 'hears INT' do
          before = HEARD.size
          Process.kill('INT', $$)
          sleep 0.001 until HEARD.size > before
        end
      end
      """
    And a file named "spec/a_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('A') { include_examples 'the process' }
      """
    And a file named "spec/b_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('B') { include_examples 'the process' }
      """
    And a file named "spec/c_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('C') { include_examples 'the process' }
      """
    When I run `rspec`
