# frozen_string_literal: true

module Gorgon
  # What `rake test` runs, once the Rakefile is loaded: the test tasks that are reached, and what cannot be told.
  class ToldByRake
    # The task `test`; without one, the default task of `rake`.
    ROOTS = %w[test default].freeze

    def initialize(project)
      @project = project
    end

    def to_h
      ROOTS.each do |name|
        look_at(name)
        next if @tasks.empty? && @others.empty?

        told = { root: name, tasks: @tasks.map { |it| test_task(it) }, others: @others, more: @more }
        return told.merge(more_tests: name == 'default' ? [] : more_tests(name))
      end
      { root: '', tasks: [], others: [], more: [], more_tests: [] }
    end

    private

    # Names of test tasks that the default task reaches besides, if it reaches this one.
    def more_tests(name)
      known = @tasks
      look_at('default')
      @reached[name] ? (@tasks - known).map { |it| it.name.to_s } : []
    end

    def look_at(name)
      @tasks = []
      @others = []
      @more = []
      @needs = {}
      @reached = {}
      task = Rake.application.lookup(name)
      reach(task) if task
    end

    def reach(task)
      return if @reached[task.name]

      @reached[task.name] = true
      task.prerequisites.each { |name| find(name, task) }
      task.actions.each do |action|
        own = SeenTasks.of(action)
        if own
          @tasks |= [own]
          @needs[own] = task.prerequisites.sort
        elsif task.is_a?(Rake::FileTask)
          # What makes a file, by a compiler perhaps, is no test.
          @more |= [task.name] if task.needed?
        else
          other(task, action)
        end
      end
    end

    def find(name, task)
      found = Rake.application.lookup(name, task.scope)
      reach(found) if found
    end

    def other(task, action)
      code = Action.new(action, @project)
      found = code.invoked.map { |name| Rake.application.lookup(name, task.scope) }.compact
      found.each { |it| reach(it) }
      if code.starts_tests? || (found.empty? && !code.invoked.empty?)
        @others << place(task, action)
      elsif code.acts?
        @more |= [task.name]
      end
    end

    def place(task, action)
      file, line = action.source_location
      "#{task.name} (#{file.delete_prefix("#{@project}/")}:#{line})"
    end

    def test_task(task)
      told = { name: task.name.to_s, directories: task.libs.flatten.map(&:to_s), needs: @needs[task],
               warning: task.warning ? true : false }
      if task.respond_to?(:file_list)
        told.merge(files: task.file_list.map(&:to_s), ruby_opts: task.ruby_opts.flatten.map(&:to_s),
                   options: task.option_list.to_s, direct: task.loader == :direct)
      else
        told.merge(files: Dir[*task.test_globs].map(&:to_s).uniq, ruby_opts: [], prelude: task.test_prelude,
                   direct: true, framework: task.framework, options: task.extra_args.join(' '))
      end
    end
  end
end
