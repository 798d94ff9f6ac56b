# frozen_string_literal: true

require_relative 'frameworks'

module Gorgon
  # The user's callbacks in either layout: a class, or a Ruby file for each, loaded when it is due.
  class Callbacks
    CLASS_FILE = 'callbacks_class_file'
    NAMES = %i[before_originate after_sync before_creating_workers before_start after_creating_workers after_complete
               after_job_finishes].freeze
    LIBRARY = File.join(__dir__, 'lib').freeze
    OPEN4 = "#{LIBRARY}/open4.rb"

    def initialize(files)
      @class_file = files[CLASS_FILE]
      @files = files
      @interface = Callbacks.interface if any?
    end

    # The module that a callbacks file knows as `Gorgon`. It is not our own, so a project may add to it.
    def self.interface
      base = Class.new { NAMES.each { |name| define_method(name) { nil } } }
      Module.new do
        const_set(:DefaultCallbacks, base)
        singleton_class.attr_writer :callbacks
        define_singleton_method(:callbacks) { @callbacks ||= base.new }
      end
    end

    def any?
      @files.values.any?
    end

    # Runs one; returns nil, or what went wrong. The block gets what the callback returned.
    def run(name)
      return nil unless @class_file || @files[name]

      what = nil
      offered do
        Frameworks.disarmed do
          load_class
          what = name
          returned = @files[name] ? ::Kernel.load(File.absolute_path(@files[name])) : call(name)
          yield returned if block_given?
        end
      end
      nil
    rescue SignalException, NoMemoryError
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      failure(what, e)
    end

    private

    def call(name)
      callbacks = @interface.callbacks
      callbacks.public_send(name) if callbacks.respond_to?(name)
    end

    def load_class
      return if @loaded || @class_file.nil?

      ::Kernel.load(File.absolute_path(@class_file))
      @loaded = true
    end

    def failure(name, error)
      message = error.is_a?(SystemExit) ? "called exit, status #{error.status}" : Raised.message(error)
      { callback: name, exception: Raised.class_text(error), message: message,
        backtrace: Raised.backtrace(error).reject { |line| line.start_with?(__dir__) }.first(50) }
    end

    # While callbacks run `require 'gorgon'` finds ours first, and Open4 is there without being required, as in the
    # original. Tests see nothing of that.
    def offered(&block)
      $LOAD_PATH.unshift(LIBRARY)
      ::Object.autoload(:Open4, OPEN4) unless ::Object.const_defined?(:Open4)
      Hidden.meaning(@interface, &block)
    ensure
      $LOAD_PATH.delete(LIBRARY)
      ::Object.send(:remove_const, :Open4) if ::Object.autoload?(:Open4) == OPEN4
      # The project has opened it.
      Hidden.put(@interface) if @interface.constants(false).size > 1
    end
  end
end
