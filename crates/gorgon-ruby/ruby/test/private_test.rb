# frozen_string_literal: true

require 'minitest/autorun'

# Whatever our Ruby side touches of a framework's private side stands in frameworks/private.tsv, with
# the versions that it was checked with.
class PrivateTest < Minitest::Test
  ROOT = File.expand_path('..', __dir__)
  LIST = 'frameworks/private.tsv'
  GEMS = { 'rspec' => 'rspec-core', 'minitest' => 'minitest', 'test_unit' => 'test-unit' }.freeze

  # How Ruby reaches what is not public. What follows is the name that is reached for.
  REACHES = /(?:remove_)?(?:instance|class)_variable_(?:get|set|defined\?)\(?[^,)]*|remove_instance_variable\([^,)]*|
             \bsingleton_class\.(?:prepend|include)\(?[^,)]*|\.prepend\(?[^,)]*|\w+\.define_singleton_method\([^,)]*|
             \b(?:send|__send__)\(:[^,)]*|\bremove_method\b|\.(?:instance|class|module)_(?:eval|exec)\b/x.freeze
  # Objects of ours, whose `send` is a method of their own; and of Ruby.
  OURS = /\bISEQ\.|@channel\.send\(|Kernel\.send\(:gem/.freeze
  CONSTANT = /::(?:RSpec|Minitest|Test)(?:::[A-Z]\w*)+/.freeze
  # How the sources of the frameworks mark what is nobody's business.
  MARK = /@private|@api private|:nodoc:/.freeze
  DEFINITION = /\A\s*(?:(?:private\s+)?def\s+(?:self\.)?|attr_(?:reader|writer|accessor)\s+:|define_method\(:)(\w+[?!=]?)/.freeze

  # Methods of that name are everywhere.
  CORE = [Class, Exception, Thread, Array, Hash, String, IO, Method].freeze

  Use = Struct.new(:framework, :what, :where) do
    def to_s
      [framework, what, where].join("\t")
    end
  end

  def rows
    @rows ||= File.readlines(File.join(ROOT, LIST), chomp: true).reject { |line| line.empty? || line.start_with?('#') }
                  .map { |line| line.split("\t", -1) }
  end

  def listed
    rows.reject { |row| row.first == 'checked' }
  end

  # Path => lines without comments.
  def scripts
    @scripts ||= Dir.chdir(ROOT) { Dir['**/*.rb'] }.reject { |path| path.start_with?('test/') }.sort.to_h do |path|
      [path, File.readlines(File.join(ROOT, path), chomp: true).reject { |line| line.match?(/\A\s*#/) }]
    end
  end

  def specification(gem)
    Gem::Specification.find_by_name(gem)
  rescue Gem::MissingSpecError
    nil
  end

  # Names of methods that the installed framework marks as private, and never has as public ones.
  def private_methods_of(framework)
    gem = specification(GEMS.fetch(framework)) or return []
    marked, open = Dir[File.join(gem.full_gem_path, 'lib/**/*.rb')].each_with_object([[], []]) do |path, found|
      sort_methods(File.readlines(path, encoding: 'UTF-8', chomp: true), found)
    end
    (marked - open).uniq.reject { |name| CORE.any? { |klass| klass.method_defined?(name) || klass.respond_to?(name) } }
  end

  # What Ruby itself holds private is reached by `send` alone.
  def sort_methods(lines, (marked, open))
    comment = []
    lines.each do |line|
      if (name = line[DEFINITION, 1])
        (line.match?(MARK) || comment.any?(MARK) ? marked : open) << name
      end
      comment = line.match?(/\A\s*#/) ? comment << line : []
    end
  end

  def framework_of(path, text)
    GEMS.keys.find { |name| path.include?(name) } ||
      { 'RSpec' => 'rspec', 'Minitest' => 'minitest', 'Test' => 'test_unit' }[text[/\b(?:RSpec|Minitest|Test)\b/]] || 'any'
  end

  def uses
    @uses ||= (reaches + private_constants + private_calls).uniq
  end

  def reaches
    scripts.flat_map do |path, lines|
      lines.reject { |line| line.match?(OURS) }.flat_map do |line|
        line.scan(REACHES).map { |text| Use.new(framework_of(path, line), text.strip.delete_prefix('.'), path) }
      end
    end.select { |use| use.where.start_with?('frameworks') }
  end

  # By the comment above their definition.
  def private_constants
    scripts.flat_map do |path, lines|
      lines.flat_map { |line| line.scan(CONSTANT) }.uniq.select { |name| private_constant?(name) }
           .map { |name| Use.new(framework_of(path, name), name, path) }
    end
  end

  def private_constant?(name)
    @private ||= Hash.new do |known, constant|
      framework = framework_of('', constant)
      gem = specification(GEMS.fetch(framework))
      known[constant] = !gem.nil? && marked?(gem, constant[/\w+\z/])
    end
    @private[name]
  end

  def marked?(gem, last)
    @sources ||= {}
    sources = @sources[gem.name] ||= Dir[File.join(gem.full_gem_path, 'lib/**/*.rb')].map { |path| File.read(path, encoding: 'UTF-8') }
    definition = /((?:^\s*#.*\n)*)^\s*(?:(?:class|module)\s+(?:\w+::)*#{last}\b|#{last}\s*=).*$/
    found = sources.flat_map { |text| text.to_enum(:scan, definition).map { Regexp.last_match } }
    !found.empty? && found.all? { |match| match[0].match?(MARK) }
  end

  # Calls of methods in the adapters' own files; which object they go to is not looked at.
  def private_calls
    GEMS.keys.flat_map do |framework|
      names = private_methods_of(framework)
      call = /\.(#{Regexp.union(names.sort_by { |name| -name.size }).source})(?![\w?!])/
      scripts.select { |path, _| path.start_with?("frameworks/#{framework}") }.flat_map do |path, lines|
        lines.flat_map { |line| line.scan(call) }.flatten.uniq.map { |name| Use.new(framework, ".#{name}", path) }
      end
    end
  end

  def test_each_row_is_complete
    listed.each { |row| assert(row.size == 4 && row.none?(&:empty?), "#{LIST}: #{row.inspect}: framework, what, where, why") }
    assert_equal listed.map { |row| row[0, 3] }.uniq.size, listed.size, "#{LIST}: a row stands there twice"
  end

  def test_what_is_touched_of_a_framework_s_private_side_stands_in_the_list
    missing = uses.map(&:to_s) - listed.map { |row| row[0, 3].join("\t") }
    assert missing.empty?, <<~TEXT
      Use what the framework offers to everyone. Where it offers nothing, add to #{LIST}, each with the reason:
      #{missing.join("\n")}
    TEXT
  end

  def test_nothing_stands_in_the_list_that_is_not_touched
    # What another version marks is not known to this one.
    reached = listed.reject { |row| row[1].start_with?('.', '::') }
    over = reached.map { |row| row[0, 3].join("\t") } - uses.map(&:to_s)
    over += listed.select { |row| row[1].start_with?('.', '::') && scripts.fetch(row[2], []).none? { |line| line.include?(row[1]) } }
                  .map { |row| row[0, 3].join("\t") }
    assert over.empty?, "#{LIST}: not touched any more, take it out:\n#{over.join("\n")}"
  end

  def test_the_installed_versions_were_checked
    checked = rows.select { |row| row.first == 'checked' }.to_h { |row| [row[1], row[2].split(', ')] }
    GEMS.each_value do |gem|
      version = specification(gem)&.version or next
      known = checked.fetch(gem)
      assert_includes known, version.segments.first(2).join('.'), <<~TEXT
        #{gem} #{version} is new to us. Look through the rows of its framework in #{LIST}, run `scripts/ruby-tests`
        and `make differential` with this version installed, then add the version to the `checked` row of #{gem}.
      TEXT
    end
  end
end
