# Writes what RSpec's own run reports to $DIFFERENTIAL_OUT. Loaded by `ruby -r` before rspec's command.
# A line is a kind and its fields in hexadecimal, so that no library has to be loaded.
require 'rspec/core'

module DifferentialRecorder
  PID = Process.pid
  out = ENV.delete('DIFFERENTIAL_OUT')
  WRITE = File.open(out, 'ab').tap { |file| file.close_on_exec = true }.method(:syswrite)
  QUIET = ENV.delete('DIFFERENTIAL_QUIET')

  def self.write(kind, *fields)
    return unless Process.pid == PID

    WRITE.call("#{kind} #{fields.map { |field| "x#{field.to_s.b.unpack1('H*')}" }.join(' ')}\n")
  end

  # Hears what every formatter hears.
  class Listener
    def example_passed(notification)
      result(notification.example, 'passed', '')
    end

    def example_pending(notification)
      example = notification.example
      result(example, 'skipped', example.execution_result.pending_message)
    end

    def example_failed(notification)
      result(notification.example, 'failed', (notification.message_lines + notification.formatted_backtrace).join("\n"))
    end

    def stop(_)
      DifferentialRecorder.write('end')
    end

    private

    def result(example, outcome, text)
      file = example.metadata[:rerun_file_path].to_s.delete_prefix('./')
      id = example.id[/\[(.*)\]\z/, 1]
      DifferentialRecorder.write('test', file, id, example.full_description, outcome, text)
    end
  end

  # The first reporter that starts is the run's own; a suite about RSpec starts others.
  module Reporter
    def start(*)
      unless DifferentialRecorder.instance_variable_get(:@started)
        DifferentialRecorder.instance_variable_set(:@started, true)
        register_listener(Listener.new, :example_passed, :example_failed, :example_pending, :stop)
      end
      super
    end

    def notify_non_example_exception(exception, context)
      DifferentialRecorder.write('outside', "#{context}\n#{exception.class}: #{exception.message}")
      super
    end
  end
  RSpec::Core::Reporter.prepend(Reporter)
end

# Prints nothing: what is left on the terminal is what the suite itself printed.
class DifferentialSilence
  RSpec::Core::Formatters.register self, :message

  def initialize(output); end

  # Without anybody who takes them, RSpec prints them itself.
  def message(notification); end
end
