# Debian has no coveralls; a suite that sends its coverage there sends nothing.
module Coveralls
  def self.wear!(*); end
  def self.wear_merged!(*); end

  module SimpleCov
    class Formatter
      def format(*); end
    end
  end
end
