# frozen_string_literal: true

require 'fileutils'

# A MariaDB of a test's own, on a socket in its directory.
class Mariadb
  LIMIT_S = 60

  def initialize(directory)
    data = "#{directory}/mariadb"
    FileUtils.mkdir_p(data)
    FileUtils.chmod(0o755, directory)
    FileUtils.chown('mysql', nil, data)
    @socket = "#{data}/socket"
    @log = "#{data}/log"
    system('mariadb-install-db', '--no-defaults', '--user=mysql', "--datadir=#{data}/data", '--auth-root-authentication-method=normal',
           '--skip-test-db', %i[out err] => @log, exception: true)
    @pid = Process.spawn('mariadbd', '--no-defaults', '--user=mysql', "--datadir=#{data}/data", "--socket=#{@socket}",
                         '--skip-networking', %i[out err] => @log)
    wait
  end

  # What config/database.yml says of a database.
  def yaml(database)
    "{adapter: mysql2, username: root, socket: #{@socket}, database: #{database}}"
  end

  def stop
    Process.kill(:KILL, @pid)
    Process.wait(@pid)
  end

  private

  def wait
    until_at = Process.clock_gettime(Process::CLOCK_MONOTONIC) + LIMIT_S
    until system('mariadb-admin', '--no-defaults', "--socket=#{@socket}", '--user=root', 'ping', %i[out err] => '/dev/null')
      raise "MariaDB does not start:\n#{File.read(@log)}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > until_at

      sleep 0.1
    end
  end
end
