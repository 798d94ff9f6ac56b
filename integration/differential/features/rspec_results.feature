Feature: results of RSpec

  Scenario: every outcome that an example can have
    Given a file named "spec/outcomes_spec.rb" with:
      """ruby
      RSpec.describe 'Outcomes' do
        it('passes') { expect(1).to eq(1) }
        it('fails') { expect([1, 2]).to eq([1, 3]) }
        it('raises') { raise ArgumentError, 'not this' }
        it('is not yet written')
        xit('is skipped') { raise }
        it('fails as it should') { pending('later'); expect(1).to eq(2) }
        it('passes though pending') { pending('done by now'); expect(1).to eq(1) }
        it('skips itself') { skip('no network') }
        specify { expect('generated').to be_a(String) }
      end
      """
    When I run `rspec`

  Scenario: causes, own exceptions and messages of many lines
    Given a file named "spec/causes_spec.rb" with:
      """ruby
      class Broken < StandardError
        def message
          "first line\nsecond line"
        end
      end
      RSpec.describe 'Causes' do
        it 'names the cause' do
          begin
            Integer('x')
          rescue ArgumentError
            raise Broken
          end
        end
        it 'names the cause of the cause' do
          begin
            begin
              raise 'deep'
            rescue StandardError
              raise KeyError, 'middle'
            end
          rescue KeyError
            raise IOError, 'outer'
          end
        end
      end
      """
    When I run `rspec`

  Scenario: aggregated failures, and failures of example and hook at once
    Given a file named "spec/several_spec.rb" with:
      """ruby
      RSpec.describe 'Several' do
        it 'collects', :aggregate_failures do
          expect(1).to eq(2)
          expect('a').to include('b')
        end
        context 'with a hook' do
          after { raise 'in the hook' }
          it('fails twice') { expect(true).to be(false) }
          it('fails once') { expect(true).to be(true) }
        end
      end
      """
    When I run `rspec`

  Scenario: context hooks that raise
    Given a file named "spec/context_spec.rb" with:
      """ruby
      RSpec.describe 'Before' do
        before(:context) { raise 'no database' }
        it('one') {}
        it('two') {}
        context('inside') { it('three') {} }
      end
      RSpec.describe 'After' do
        after(:context) { raise 'cannot clean up' }
        it('four') {}
      end
      """
    When I run `rspec`

  Scenario: suite hooks that raise
    Given a file named "spec/spec_helper.rb" with:
      """ruby
      RSpec.configure { |config| config.after(:suite) { raise 'at the end' } }
      """
    And a file named "spec/a_spec.rb" with:
      """ruby
      require 'spec_helper'
      RSpec.describe('A') { it('passes') {} }
      """
    When I run `rspec`

  Scenario: a file without examples beside one with some
    Given a file named "spec/empty_spec.rb" with:
      """ruby
      # Nothing yet.
      """
    And a file named "spec/full_spec.rb" with:
      """ruby
      RSpec.describe('Full') { it('passes') {} }
      """
    When I run `rspec`

  Scenario: shared examples, contexts and names that are put together
    Given a file named "spec/support/shared.rb" with:
      """ruby
      RSpec.shared_examples 'a shape' do |sides|
        it("has #{sides} sides") { expect(subject.sides).to eq(sides) }
        include_examples 'a thing'
      end
      RSpec.shared_examples('a thing') { it('exists') { expect(subject).not_to be_nil } }
      """
    And a file named "spec/shapes_spec.rb" with:
      """ruby
      require 'support/shared'
      Shape = Struct.new(:sides)
      RSpec.describe Shape, '#sides' do
        subject { described_class.new(3) }
        it_behaves_like 'a shape', 3
        it_behaves_like 'a shape', 4
        describe('.new') { context('when called') { it { is_expected.to be_a(Shape) } } }
      end
      """
    When I run `rspec`

  Scenario: an exit status that the suite chooses at its end
    Given a file named "spec/leaves_spec.rb" with:
      """ruby
      RSpec.describe('Leaves') { it('passes') {} }
      at_exit { exit 7 }
      """
    When I run `rspec`

  Scenario: an example that prints and fails
    Given a file named "spec/prints_spec.rb" with:
      """ruby
      RSpec.describe 'Prints' do
        before(:context) { puts 'before all of them' }
        it 'says what it saw' do
          puts 'to stdout'
          warn 'to stderr'
          system 'echo from a shell'
          expect(1).to eq(2)
        end
      end
      """
    When I run `rspec`
