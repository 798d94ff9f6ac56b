# frozen_string_literal: true

require 'fileutils'

# A PostgreSQL of a test's own, on a socket in its directory.
class Postgresql
  LIMIT_S = 60

  def initialize(directory)
    @directory = directory
    programs = Dir.glob('/usr/lib/postgresql/*/bin').max
    data = "#{directory}/postgresql"
    FileUtils.mkdir_p(data)
    FileUtils.chmod(0o755, directory)
    FileUtils.chown('postgres', nil, data)
    as_postgres("#{programs}/initdb", '-D', "#{data}/data", '-A', 'trust', out: '/dev/null')
    @pid = Process.spawn('setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups',
                         "#{programs}/postgres", '-D', "#{data}/data", '-k', data, '-c', 'listen_addresses=', '-c', 'fsync=off',
                         %i[out err] => "#{data}/log")
    @socket = data
    wait
  end

  def environment
    { 'PGHOST' => @socket, 'PGUSER' => 'postgres' }
  end

  def stop
    Process.kill(:INT, @pid)
    Process.wait(@pid)
  end

  private

  def wait
    until_at = Process.clock_gettime(Process::CLOCK_MONOTONIC) + LIMIT_S
    until system(environment, 'psql', '-lqt', %i[out err] => '/dev/null')
      raise "PostgreSQL does not start:\n#{File.read("#{@socket}/log")}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > until_at

      sleep 0.1
    end
  end

  def as_postgres(*command, **options)
    system('setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', *command, **options, exception: true)
  end
end
