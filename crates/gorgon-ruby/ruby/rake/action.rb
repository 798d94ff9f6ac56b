# frozen_string_literal: true

module Gorgon
  # The code of a task's action: which other tasks it invokes, and whether it may start tests by commands of its own.
  # Read from its compiled form; nothing of it is run.
  class Action
    STARTERS = %i[sh ruby system exec spawn ` popen popen2 popen2e popen3 capture2 capture2e capture3 load require
                  require_relative].freeze
    INVOKERS = %i[invoke execute].freeze
    TESTS = /test|(?<!gem)spec(?!if)|rake|\A-e\z/i.freeze
    # RSpec's files run by RSpec's own pattern, whatever the Rakefile says.
    OTHERS = /\A(?:bundle exec |bin\/|-S )*(?:rspec|cucumber)\b/.freeze
    # What changes nothing that tests could see. What sets a variable of the environment to a literal is done here, too.
    HARMLESS = %i[invoke execute puts print p pp warn [] []= reenable name require].freeze
    # The task of RSpec: its files run here.
    OF_RSPEC = %r{/rspec/core/rake_task\.rb\z}.freeze
    LOCALS = %i[getlocal getlocal_WC_0 getlocal_WC_1 getblockparam].freeze
    CODE = 'YARVInstructionSequence/SimpleDataFormat'

    def initialize(action, project)
      @action = action
      @project = "#{project}/"
      @calls = []
      @texts = []
      @symbols = []
      @followed = []
      @inside = inside?(action)
      follow(action) if @inside
    end

    # Names of tasks that it may invoke.
    def invoked
      (@calls & INVOKERS).empty? ? [] : @texts + @symbols.map(&:to_s)
    end

    # Whether it may run tests that belong to no test task. Actions that libraries define do not count: they build and
    # document.
    def starts_tests?
      return false unless @inside
      return true if @unread
      return false if (@calls & STARTERS).empty?

      told = @texts.reject { |text| OTHERS.match?(text) }
      @computed || told.any? { |text| TESTS.match?(text) }
    end

    # Whether it does something else than to invoke tasks.
    def acts?
      return !OF_RSPEC.match?(@action.source_location.first) unless @inside
      return true if @unread

      told = @texts.any? { |text| OTHERS.match?(text) }
      !told && (!(@calls - HARMLESS).empty? || (@calls.include?(:[]=) && @locals))
    end

    private

    def inside?(code)
      file, = code.source_location
      file = file && File.expand_path(file)
      !file.nil? && file.start_with?(@project) && !file.include?('/gems/')
    end

    def follow(code)
      sequence = RubyVM::InstructionSequence.of(code) or return
      read(sequence.to_a)
    rescue NameError, TypeError
      @unread = true # Another Ruby than CRuby does not tell.
    end

    # A sequence as an array: its instructions are the last element.
    def read(sequence)
      instructions = sequence.last.grep(Array)
      instructions.each_with_index do |instruction, at|
        look(instruction)
        @locals ||= LOCALS.include?(instruction.first)
        call = instruction.grep(Hash).find { |it| it[:mid] } or next
        next unless STARTERS.include?(call[:mid])

        arguments = instructions[[at - call[:orig_argc] - Array(call[:kw_arg]).size, 0].max...at]
        @computed ||= arguments.none? { |it| it.first == :concatstrings || it.any?(String) }
      end
    end

    def look(value)
      case value
      when String then @texts << value
      when Symbol then @symbols << value
      when Hash then called(value)
      when Array then value.first == CODE ? read(value) : value.each { |inner| look(inner) }
      end
    end

    def called(call)
      name = call[:mid] or return
      @calls << name
      # A method of the Rakefile itself.
      return if @followed.include?(name) || !Object.private_method_defined?(name)

      @followed << name
      method = Object.instance_method(name)
      follow(method) if inside?(method)
    end
  end
end
