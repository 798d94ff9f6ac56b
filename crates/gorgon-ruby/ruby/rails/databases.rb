# frozen_string_literal: true

module Gorgon
  # The databases of one worker of a Rails application: each worker has some of its own, made as Rails' own `parallelize`
  # makes them, and kept while the schema is unchanged. Where config/database.yml names TEST_ENV_NUMBER, they are those
  # that it names; the missing ones are made.
  module RailsDatabases
    CONFIGURATION = 'config/database.yml'
    NUMBER = 'TEST_ENV_NUMBER'
    # The host of a server that only this machine reaches: none, a name or address of this machine, or the path of a
    # socket.
    LOCAL = /\A(?:|localhost|127\.[\d.]+|::1|\[::1\]|\/.*)\z/.freeze
    # PostgreSQL cuts longer names silently, which could make two of them one; MySQL takes one character more.
    MOST_BYTES = 63
    # What Rails' support of tests defines once the application is loaded, and before it looks at the schema.
    SUPPORT = %w[ActiveSupport::TestCase RSpec::Rails].freeze
    NAME_OF = Module.instance_method(:name)
    IS_FILE = File.method(:file?)
    READ = File.method(:binread)

    class << self
      # `number`: that of the worker.
      def offer(number)
        @number = number
        prepare
      end

      # Runs the block, which loads a test file: the first one may load the application.
      def watch
        return yield if @number.nil? || @prepared

        trace = TracePoint.new(:class) { |point| prepare if SUPPORT.include?(NAME_OF.bind(point.self).call) }
        trace.enable { yield }
      end

      private

      # Once in a process, as soon as the application is loaded.
      def prepare
        return if @prepared || !application?

        @prepared = true
        all = configurations(hidden: true)
        return if all.empty? || all.any? { |config| in_memory?(config.database) } || none_has_schema?

        quietly { numbered? ? renumber(all) : rename(all) }
      rescue ::ActiveRecord::ConnectionNotEstablished => e
        raise if ::ActiveRecord::NoDatabaseError === e

        # If the database server does not answer, only tests that need it fail.
        nil
      end

      def application?
        defined?(::Rails.application) && ::Rails.application && ::Rails.application.initialized? &&
          defined?(::ActiveRecord::Base) && defined?(::ActiveRecord::Tasks::DatabaseTasks) ? true : false
      end

      def in_memory?(name)
        name.nil? || name.to_s.include?(':memory:') || name.to_s.include?('mode=memory')
      end

      # An application without a schema file prepares its databases itself.
      def none_has_schema?
        configurations.none? { |config| schema?(config) }
      end

      def schema?(config)
        tasks = ::ActiveRecord::Tasks::DatabaseTasks
        method = %i[schema_dump_path dump_filename].find { |name| tasks.respond_to?(name) }
        path = method == :schema_dump_path ? tasks.schema_dump_path(config, format) : tasks.dump_filename(config.name, format)
        !path.nil? && IS_FILE.call(path)
      end

      def format
        ::ActiveRecord.respond_to?(:schema_format) ? ::ActiveRecord.schema_format : ::ActiveRecord::Base.schema_format
      end

      def numbered?
        IS_FILE.call(CONFIGURATION) && READ.call(CONFIGURATION).include?(NUMBER)
      end

      # The configurations that Rails would make, or all of them, replicas included.
      def configurations(hidden: false, from: ::ActiveRecord::Base.configurations)
        words = from.method(:configs_for).parameters.map(&:last)
        all = %i[include_hidden include_replicas].find { |word| words.include?(word) }
        from.configs_for(env_name: ::Rails.env.to_s, **(hidden && all ? { all => true } : {}))
      end

      # The file has been read before the number was known.
      def renumber(all)
        read = ::ActiveRecord::DatabaseConfigurations.new(::Rails.application.config.database_configuration)
        now = configurations(hidden: true, from: read)
        all.each do |config|
          found = now.find { |one| one.name == config.name }
          config._database = found.database if found
        end
        connect_anew
        configurations.each { |config| make(config) if schema?(config) && !there?(config) }
        connect_anew
      end

      def rename(all)
        all.each { |config| config._database = own_name(config) }
        configurations.each { |config| make(config) if schema?(config) }
        connect_anew
      end

      def own_name(config)
        host = config.configuration_hash[:host].to_s
        number = LOCAL.match?(host) ? @number : "#{this_host}-#{@number}"
        cut("#{config.database}-gorgon-#{number}", config.adapter)
      end

      # The part for this host in names on a database server that other hosts can reach.
      def this_host
        READ.call('/proc/sys/kernel/hostname').strip
      end

      def cut(name, adapter)
        return name if name.bytesize <= MOST_BYTES || adapter.to_s.include?('sqlite')

        sum = name.sum(32).to_s(36)
        last = name[/-gorgon-.*\z/].byteslice(-30..) || name[/-gorgon-.*\z/]
        "#{name.byteslice(0, MOST_BYTES - sum.size - last.bytesize - 1).scrub('')}-#{sum}#{last}"
      end

      # Makes it, or empties it where its schema is unchanged.
      def make(config)
        ::ActiveRecord::Tasks::DatabaseTasks.reconstruct_from_schema(config, format, nil)
      end

      def there?(config)
        ::ActiveRecord::Base.establish_connection(config)
        ::ActiveRecord::Base.connection.tables.any?
      rescue ::ActiveRecord::NoDatabaseError
        false
      end

      def connect_anew
        ::ActiveRecord::Base.establish_connection
      end

      # Rails' tasks say what they do.
      def quietly
        verbose = ENV['VERBOSE']
        ENV['VERBOSE'] = 'false'
        yield
      ensure
        ENV['VERBOSE'] = verbose
      end
    end
  end
end
