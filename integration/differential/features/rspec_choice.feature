Feature: which examples RSpec runs

  Background:
    Given a file named "spec/birds_spec.rb" with:
      """ruby
      RSpec.describe 'Birds' do
        it('fly', :slow) { expect(1).to eq(1) }
        it('sing', kind: 'loud') {}
        it('sleep') {}
      end
      """
    And a file named "spec/fish_spec.rb" with:
      """ruby
      RSpec.describe 'Fish' do
        it('swim', :slow) {}
        it('sleep') {}
      end
      """
    And a file named "spec/stones_spec.rb" with:
      """ruby
      RSpec.describe('Stones') { it('lie') {} }
      """

  Scenario: a tag on the command line
    When I run `rspec --tag slow`

  Scenario: a tag with a value
    When I run `rspec --tag kind:loud`

  Scenario: a tag that is left out
    When I run `rspec --tag ~slow`

  Scenario: a tag in the options file
    Given a file named ".rspec" with:
      """
      --tag slow
      """
    When I run `rspec`

  Scenario: a part of the name
    When I run `rspec -e sleep`

  Scenario: a whole name
    When I run `rspec -e 'Fish sleep'`

  Scenario: a line
    When I run `rspec spec/birds_spec.rb:3`

  Scenario: an example's number
    When I run `rspec spec/birds_spec.rb[1:2]`

  Scenario: a tag that nothing has
    When I run `rspec --tag nowhere`

  Scenario: a tag that nothing has, where then all run
    Given a file named ".rspec" with:
      """
      --require spec_helper
      """
    And a file named "spec/spec_helper.rb" with:
      """ruby
      RSpec.configure do |config|
        config.filter_run_including :focus
        config.run_all_when_everything_filtered = true
      end
      """
    When I run `rspec`

  Scenario: a focus in one file silences all others
    Given a file named ".rspec" with:
      """
      --require spec_helper
      """
    And a file named "spec/spec_helper.rb" with:
      """ruby
      RSpec.configure { |config| config.filter_run_when_matching :focus }
      """
    And a file named "spec/trees_spec.rb" with:
      """ruby
      RSpec.describe('Trees') { fit('grow') {}; it('fall') {} }
      """
    When I run `rspec`

  Scenario: two directories
    Given a file named "engines/wing/wing_spec.rb" with:
      """ruby
      RSpec.describe('Wing') { it('lifts') {} }
      """
    When I run `rspec engines spec`

  Scenario: a pattern of another project
    Given a file named ".rspec" with:
      """
      --pattern checks/**/*_check.rb
      """
    And a file named "checks/one_check.rb" with:
      """ruby
      RSpec.describe('Check') { it('is found') {} }
      """
    When I run `rspec`
