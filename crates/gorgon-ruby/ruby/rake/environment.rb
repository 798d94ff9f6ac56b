# frozen_string_literal: true

module Gorgon
  # What loading a Rakefile sets in the environment.
  class EnvironmentOfRake
    def initialize(project)
      @project = project
      @before = ENV.to_h
    end

    # A path in the project is another one on another host: a NUL, which no value has, stands for its directory.
    def changes
      now = ENV.to_h
      names = (now.keys | @before.keys).reject { |name| now[name] == @before[name] }
      names.map { |name| { name: name, value: now[name]&.scrub&.gsub(%r{#{Regexp.escape(@project)}(?=/|\z)}, "\0") } }
    end
  end
end
