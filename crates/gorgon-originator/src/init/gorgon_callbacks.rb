# frozen_string_literal: true

# Callbacks of Gorgon for this Rails application: gorgon.json names this file. The methods in comments show what Gorgon
# does without them. To change it, remove the # signs. If before_creating_workers or before_start is defined, Gorgon
# does neither of the two by itself.
class GorgonCallbacks < Gorgon::DefaultCallbacks
  # On your machine, before anything is published. A String that it returns is the cluster id.
  # def before_originate
  # end

  # Once a host, in the workspace, as soon as the source is there. Gorgon does nothing here.
  # def after_sync
  #   system('bundle check >/dev/null || bundle install --quiet') || raise('bundle install failed')
  # end

  # Once a host: loads the application. All workers are forked from this process.
  # def before_creating_workers
  #   ENV['RAILS_ENV'] = ENV['RACK_ENV'] = 'test'
  #   require File.expand_path('config/environment')
  #   ActiveRecord::Base.connection_handler.clear_all_connections!
  # end

  # In each Ruby process of a worker, before its first file: makes the worker's own databases, and empties them.
  # def before_start
  #   number = ENV['TEST_ENV_NUMBER'].empty? ? 1 : Integer(ENV['TEST_ENV_NUMBER'])
  #   ActiveRecord::Base.configurations.configs_for(env_name: 'test').each do |config|
  #     config._database = "#{config.database}-gorgon-#{number}"
  #     ActiveRecord::Tasks::DatabaseTasks.reconstruct_from_schema(config)
  #   end
  #   ActiveRecord::Base.establish_connection
  # end

  # In each Ruby process of a worker, after its last file, also when the job is cancelled.
  # def after_complete
  # end

  # Once a host, when all its workers have ended.
  # def after_creating_workers
  # end

  # On your machine, at the very end, also after Ctrl-C.
  # def after_job_finishes
  # end
end

Gorgon.callbacks = GorgonCallbacks.new
