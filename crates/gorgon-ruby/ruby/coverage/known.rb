# frozen_string_literal: true

require 'digest'

module Gorgon
  # What the children of one branch have sent of their coverage, in a file that they share. Most of it is the same in all
  # of them, as they load the same files. What one has sent, others send as a number. Else a suite with a process for each
  # file would send an amount that grows with the square of the number of files.
  class CoverageKnown
    def initialize(path)
      @path = path
    end

    # Returns the name of the list, the number of each text, and those texts that were not known, by number.
    def numbers(texts)
      ::File.open(@path, ::File::RDWR | ::File::CREAT, 0o600) do |file|
        file.flock(::File::LOCK_EX)
        name, *known = file.read.split("\n")
        added = name ? +'' : "#{name = "#{$$}-#{::Random.new_seed.to_s(36)}"}\n"
        known = known.each_with_index.to_h
        news = {}
        numbers = texts.map do |text|
          digest = ::Digest::SHA1.hexdigest(text)
          known[digest] ||= known.size.tap do |number|
            news[number] = text
            added << digest << "\n"
          end
        end
        file.syswrite(added) unless added.empty?
        [name, numbers, news]
      end
    end
  end
end
