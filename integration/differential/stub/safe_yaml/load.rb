# What Jekyll asks of a gem that Debian has no longer.
require 'date'
require 'yaml'

module SafeYAML
  OPTIONS = {}

  def self.load(text, *)
    YAML.safe_load(text, permitted_classes: [Date, Time, Symbol], aliases: true)
  end

  def self.load_file(path)
    load(File.read(path))
  end
end
