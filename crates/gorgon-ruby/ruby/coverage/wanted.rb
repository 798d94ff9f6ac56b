# frozen_string_literal: true

module Gorgon
  # What becomes of the coverage of the Ruby children, as the settings of the job say: `off`, `by_default` or `asked`.
  module CoverageWanted
    class << self
      # Whether the results of all Ruby children become one report.
      def merged?(settings)
        settings['coverage'] == 'by_default' || asked?(settings)
      end

      # Whether the user asked for that. Then what cannot be merged or judged fails the run; else it is a warning.
      def asked?(settings)
        settings['coverage'] == 'asked'
      end
    end
  end
end
