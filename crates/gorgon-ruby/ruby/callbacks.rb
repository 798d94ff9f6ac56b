# frozen_string_literal: true

require_relative 'frameworks'

module Gorgon
  # What users derive their callbacks from: each does nothing.
  class DefaultCallbacks
    def before_originate; end

    def after_sync; end

    def before_creating_workers; end

    def before_start; end

    def after_creating_workers; end

    def after_complete; end

    def after_job_finishes; end
  end

  class << self
    attr_writer :callbacks

    def callbacks
      @callbacks ||= DefaultCallbacks.new
    end
  end

  # The user's callbacks in either layout: a class, or a Ruby file for each, loaded when it is due.
  class Callbacks
    CLASS_FILE = 'callbacks_class_file'

    def initialize(files)
      @class_file = files[CLASS_FILE]
      @files = files
      offer_library
    end

    def any?
      @files.values.any?
    end

    # Runs one; returns nil, or what went wrong. The block gets what the callback returned.
    def run(name)
      return nil unless @class_file || @files[name]

      what = nil
      Frameworks.disarmed do
        load_class
        what = name
        returned = @files[name] ? ::Kernel.load(File.absolute_path(@files[name])) : call(name)
        yield returned if block_given?
      end
      nil
    rescue SignalException, NoMemoryError
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      failure(what, e)
    end

    private

    def call(name)
      callbacks = Gorgon.callbacks
      callbacks.public_send(name) if callbacks.respond_to?(name)
    end

    def load_class
      return if @loaded || @class_file.nil?

      ::Kernel.load(File.absolute_path(@class_file))
      @loaded = true
    end

    def failure(name, error)
      message = error.is_a?(SystemExit) ? "called exit, status #{error.status}" : Raised.message(error)
      { callback: name, exception: Raised.name(error), message: message,
        backtrace: Raised.backtrace(error).reject { |line| line.start_with?(__dir__) }.first(50) }
    end

    # `require 'gorgon'` finds ours first. Open4 was there in the original without being required.
    def offer_library
      library = File.join(__dir__, 'lib')
      $LOAD_PATH.unshift(library) unless $LOAD_PATH.include?(library)
      ::Object.autoload(:Open4, File.join(library, 'open4.rb')) unless ::Object.const_defined?(:Open4)
    end
  end
end
