# frozen_string_literal: true

require_relative 'adapter_case'
require_relative '../ruby_options'

# What is on the load path, and loaded, when a file's turn comes.
class RubyOptionsTest < AdapterCase
  # In a Ruby of its own: prints what of the project is on the load path before the first file and for each.
  def followed(ways, *files)
    script = <<~RUBY
      require #{File.expand_path('../ruby_options', __dir__).inspect}
      options = Gorgon::RubyOptions.new(#{ways.inspect})
      show = -> { $LOAD_PATH.select { |path| path.start_with?(Dir.pwd) }.map { |path| path.delete_prefix(Dir.pwd + '/') }.join(':') }
      options.begin
      puts show.call
      #{files.inspect}.each { |file| options.follow(File.expand_path(file)); puts show.call }
    RUBY
    output, = Open3.capture2e('ruby', '-w', '-e', script, chdir: @dir)
    output.lines.map(&:chomp)
  end

  def way(directories, globs: [], requires: [], excludes: [])
    { 'directories' => directories, 'requires' => requires, 'globs' => globs, 'excludes' => excludes }
  end

  def test_one_way_is_that_of_all_files
    assert_equal ['lib:test', 'lib:test'], followed([way(%w[lib test])], 'test/a.rb')
    assert_equal ['', ''], followed([], 'test/a.rb')
  end

  def test_each_file_goes_the_way_of_the_first_task_that_names_it
    write('test/core/a.rb', '')
    write('test/more/b.rb', '')
    write('test/more/c.rb', '')
    ways = [way(%w[lib test/core], globs: ['test/core/*.rb', 'test/more/c.rb']),
            way(%w[lib test/more], globs: ['test/more/*.rb'])]
    said = followed(ways, 'test/more/b.rb', 'test/more/c.rb', 'test/more/b.rb', 'test/core/a.rb', 'other.rb')
    assert_equal %w[lib:test/core lib:test/more lib:test/core lib:test/more lib:test/core lib:test/core], said
  end

  def test_what_a_task_leaves_out_is_another_ones
    write('test/a.rb', '')
    write('test/slow/b.rb', '')
    ways = [way(%w[test], globs: ['test/**/*.rb'], excludes: ['test/slow/*']), way(%w[slow], globs: ['test/slow/*.rb'])]
    assert_equal %w[test slow test], followed(ways, 'test/slow/b.rb', 'test/a.rb')
  end

  def test_what_it_loads_first_is_found_on_its_load_path
    write('test/helper.rb', "puts 'helped'\n")
    assert_equal %w[test helped test test], followed([way(%w[test], requires: %w[helper])], 'test/a.rb', 'test/b.rb')
    assert_match(/cannot load such file -- absent/, followed([way([], requires: %w[absent])], 'test/a.rb').join)
  end

  def test_what_the_rakefile_sets_in_the_environment_is_set_before_all
    script = <<~'RUBY'
      ENV['HAS'] = 'own'
      set = lambda { |name, value, unless_set| { 'name' => name, 'value' => value, 'unless_set' => unless_set } }
      variables = [set['SHIP', 'ketch', false], set['HAS', 'other', true], set['PATH', '/none', false], set['NAMED', 'x', false],
                   set['HOME', nil, false], set['CONF', "\0/test/a.conf", false]]
      Gorgon::RubyOptions.new([{ 'directories' => [], 'globs' => [], 'requires' => [], 'environment' => variables }], %w[NAMED]).begin
      p ENV.values_at('SHIP', 'HAS', 'NAMED', 'HOME'), ENV['PATH'] == '/none', ENV['CONF'] == "#{Dir.pwd}/test/a.conf"
    RUBY
    output, = Open3.capture2e('ruby', '-r', File.expand_path('../ruby_options.rb', __dir__), '-e', script)
    assert_equal %([["ketch", "own", nil, nil], false, true]), output.lines.map(&:chomp).join(', ').then { |it| "[#{it}]" }
  end

  # Nothing of a framework is loaded before.
  def test_what_it_loads_first_may_be_a_gem_s
    script = <<~RUBY
      options = Gorgon::RubyOptions.new([{ 'directories' => [], 'globs' => [], 'excludes' => [], 'requires' => ['test/unit/testcase', 'minitest'] }])
      options.begin
      options.follow('a_test.rb')
      print defined?(Test::Unit::TestCase), ' ', defined?(Minitest::Runnable)
    RUBY
    output, = Open3.capture2e('ruby', '-r', File.expand_path('../ruby_options.rb', __dir__), '-e', script)
    assert_equal 'constant constant', output.gsub('expression', 'constant')
  end

  def test_ruby_warns_as_the_version_of_rake_has_it
    { nil => true, '13.0.6' => true, '11.0.0' => true, '10.5.0' => false }.each do |version, expected|
      script = <<~RUBY
        require #{File.expand_path('../ruby_options', __dir__).inspect}
        Rake = Struct.new(:version)
        Gem.loaded_specs['rake'] = Rake.new(Gem::Version.new('#{version}')) unless '#{version}'.empty?
        options = Gorgon::RubyOptions.new([#{way([]).merge('warnings' => 'as_rake').inspect}])
        options.begin
        options.follow('a.rb')
        p $VERBOSE
      RUBY
      output, = Open3.capture2e('ruby', '-e', script, chdir: @dir)
      assert_equal "#{expected}\n", output, version
    end
  end
end
