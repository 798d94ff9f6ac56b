Feature: what a suite of RSpec sees and leaves

  Scenario: deprecations that raise
    Given a file named "spec/spec_helper.rb" with:
      """ruby
      RSpec.configure(&:raise_errors_for_deprecations!)
      """
    And a file named "spec/old_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe 'Old' do
        it('is warned about') { RSpec.deprecate('the old way', replacement: 'the new way') }
        it('is fine') {}
      end
      """
    When I run `rspec`

  Scenario: deprecations that go to a file
    Given a file named "spec/old_spec.rb" with:
      """ruby
      RSpec.configure { |config| config.deprecation_stream = 'deprecations.log' }
      RSpec.describe 'Old' do
        it('is warned about') { RSpec.deprecate('the old way', replacement: 'the new way') }
      end
      """
    When I run `rspec`

  Scenario: a formatter of the suite's own that writes a file
    Given a file named ".rspec" with:
      """
      --require ./spec/support/list
      --format List
      --out list.txt
      """
    And a file named "spec/support/list.rb" with:
      """ruby
      class List
        RSpec::Core::Formatters.register self, :example_passed, :example_failed

        def initialize(output)
          @output = output
        end

        def example_passed(notification)
          @output.puts "+ #{notification.example.full_description}"
        end

        def example_failed(notification)
          @output.puts "- #{notification.example.full_description}"
        end
      end
      """
    And a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe('A') { it('passes') {}; it('fails') { raise 'no' } }
      """
    When I run `rspec`

  Scenario: statuses of examples are kept
    Given a file named "spec/spec_helper.rb" with:
      """ruby
      RSpec.configure { |config| config.example_status_persistence_file_path = 'statuses.txt' }
      """
    And a file named "spec/a_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('A') { it('passes') {}; it('fails') { raise 'no' } }
      """
    When I run `rspec`
    And I run `rspec --only-failures`

  Scenario: the process as a test sees it
    Given a file named "spec/process_spec.rb" with:
      """ruby
      RSpec.describe 'The process' do
        it('is named after the command') { expect(File.basename($0)).to eq('rspec') }
        it('has no arguments left') { expect(ARGV).to be_a(Array) }
        it('cannot read its output') { expect { STDOUT.read }.to raise_error(IOError) }
        it('has nothing of a runner loaded') { expect(defined?(::Gorgon)).to be_nil }
        it('has frames of its own alone') { expect(caller.grep(/gorgon/i)).to eq([]) }
        it('knows its configuration') { expect(RSpec.configuration.reporter).to respond_to(:example_passed) }
        it('knows the formatters') { expect(RSpec.configuration.formatters).not_to be_empty }
      end
      """
    When I run `rspec`

  Scenario: backtraces and callers down to RSpec's command
    Given a file named "spec/whole_spec.rb" with:
      """ruby
      RSpec.describe 'The whole' do
        before(:context) { @places = caller }
        it('fails') { raise 'no' }
        it('is called') { raise caller.take_while { |place| !place.include?('<main>') }.join("\n") }
        it('has hooks that are called') { raise @places.take_while { |place| !place.include?('<main>') }.join("\n") }
      end
      """
    When I run `rspec --backtrace`

  Scenario: libraries that nobody asked for are not there
    Given a file named "spec/loaded_spec.rb" with:
      """ruby
      RSpec.describe 'Loaded' do
        %w[Socket Shellwords OpenStruct Tempfile JSON Open3 Logger YAML].each do |name|
          it("has #{name} or not") { raise "#{name} is #{Object.const_defined?(name)}" }
        end
      end
      """
    When I run `rspec`

  Scenario: files of one suite that meet
    Given a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe('Same name') { it('says so') {} }
      SEEN = [:a]
      """
    And a file named "spec/b_spec.rb" with:
      """ruby
      RSpec.describe('Same name') { it('says so') {} }
      RSpec.describe('Same name') { it('says so') { raise 'only here' } }
      """
    When I run `rspec`

  Scenario: what RSpec prints goes to a file
    Given a file named "spec/file_spec.rb" with:
      """ruby
      RSpec.configure { |config| config.output_stream = File.open('printed.txt', 'w') }
      RSpec.describe('A') { it('passes') {} }
      """
    When I run `rspec`

  Scenario: an order drawn from a seed
    Given a file named ".rspec" with:
      """
      --order rand:42
      """
    And a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe 'A' do
        seen = []
        8.times { |number| it("is #{number}") { seen << number } }
        after(:context) { File.write('order.txt', seen.join(' ')) }
      end
      """
    When I run `rspec`

  Scenario: classes of RSpec's formatters are there for examples
    Given a file named "spec/a_spec.rb" with:
      """ruby
      HERE = RSpec::Core::Formatters.constants(false).include?(:BaseFormatter)
      RSpec.describe 'a formatter of the project' do
        it 'is made from that of RSpec' do
          expect(HERE).to be(false)
          made = Class.new(RSpec::Core::Formatters::BaseTextFormatter)
          expect(made.new($stdout)).to be_a(RSpec::Core::Formatters::BaseFormatter)
        end
      end
      """
    When I run `rspec`

  Scenario: each open file can be asked for its path, each module for its name
    Given a file named "spec/a_spec.rb" with:
      """ruby
      RSpec.describe 'the process' do
        it 'has files with paths' do
          paths = ObjectSpace.each_object(File).reject(&:closed?).map(&:path)
          expect(paths).to all(be_a(String))
        end

        it 'has modules with names' do
          names = ObjectSpace.each_object(Module).map(&:name)
          expect(names).to include('RSpec::Core')
        end
      end
      """
    When I run `rspec`
