# frozen_string_literal: true

module Gorgon
  # The test tasks of a Rakefile, noted as they are defined, with the actions that they give to their Rake tasks.
  module SeenTasks
    CLASSES = %w[Rake::TestTask Minitest::TestTask].freeze

    # What a class of test tasks gets before its own `define`.
    module Define
      def define
        task = Rake.application.lookup(SeenTasks.full(name))
        before = task ? task.actions.dup : []
        defined = super
        task = Rake.application.lookup(SeenTasks.full(name))
        SeenTasks.note(self, task.actions - before) if task
        defined
      end
    end

    @of_actions = {}.compare_by_identity

    class << self
      def note(test_task, actions)
        actions.each { |action| @of_actions[action] = test_task }
      end

      # The test task that an action belongs to; nil for others.
      def of(action)
        @of_actions[action]
      end

      # A name with its namespaces.
      def full(name)
        Rake.application.current_scope.path_with_task_name(name.to_s)
      end

      # Watches what the block loads: a class is complete when its body ends.
      def watch(&block)
        trace = TracePoint.new(:end) do |point|
          type = point.self
          type.prepend(Define) if CLASSES.include?(type.to_s) && !type.include?(Define)
        end
        trace.enable(&block)
      end
    end
  end
end
