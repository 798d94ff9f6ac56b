//! What a test sees of its process is what the framework's own command shows it.

use std::process::{Command, Stdio};

use integration::{home::Home, project::Project, run};

/// Writes what can be seen from a test.
const LOOK: &str = r##"
traps = %w[INT TERM HUP QUIT USR1 USR2 ALRM CHLD].map do |name|
  handler = trap(name, 'DEFAULT')
  trap(name, handler)
  [name, handler.is_a?(Proc) ? 'a block' : handler].inspect
end
words = [Kernel, Object].flat_map { |mod| mod.private_instance_methods(false) + mod.instance_methods(false) }
streams = [STDIN, STDOUT, STDERR].map { |io| [io.class, io.inspect, io.fileno, io.tty?, io.external_encoding.to_s, io.close_on_exec?] }
seen = {
  libraries: $LOADED_FEATURES, constants: Object.constants, globals: global_variables, words: words, places: $LOAD_PATH,
  environment: ENV.keys, arguments: ARGV, program: [File.basename($0), File.basename($PROGRAM_NAME)], traps: traps,
  streams: streams, same: [$stdout.equal?(STDOUT), $stderr.equal?(STDERR), $stdin.equal?(STDIN), $>.equal?(STDOUT)],
  settings: [$VERBOSE, $DEBUG, $;, $,, $/, $\, GC.stress, Encoding.default_external, Encoding.default_internal,
             Thread.abort_on_exception, Thread.report_on_exception, File.umask, Warning[:deprecated], $!],
  names: %w[Gorgon Open4 Socket StringIO Shellwords JSON Set Timeout OptionParser Tempfile Time.parse].map { |name| [name, eval("defined?(#{name})")] },
  children: [File.read("/proc/self/task/#{$$}/children")]
}
File.write(ENV.fetch('SEEN'), Marshal.dump(seen.transform_values { |all| all.map { |it| it.is_a?(String) ? it : it.inspect } }))
"##;

/// Prints what differs, but for what is explained here.
const COMPARE: &str = r##"
plain, ours, framework = ARGV[0, 2].map { |path| Marshal.load(File.binread(path)) } << ARGV[2]
explained = {
  # Our own files, which define nothing that a constant names; and what RSpec's reporter loads as it starts.
  'libraries' => ->(it) { it.include?('/gorgon') || it.end_with?('/rspec/core/profiler.rb') },
  # The contract.
  'environment' => ->(it) { it.start_with?('GORGON_') || %w[TEST_ENV_NUMBER PARALLEL_WORKERS].include?(it) },
  # A test that swallows an interrupt is the last one.
  'traps' => ->(it) { it.include?('INT') }
}
plain.each do |what, all|
  more = (ours[what] - all).reject { |it| explained.fetch(what.to_s, ->(_) { false })[it] }
  # What the framework's own reporters load is not needed where they do not print.
  less = what == :libraries ? [] : (all - ours[what]).reject { |it| explained.fetch(what.to_s, ->(_) { false })[it] }
  puts "#{framework}, #{what}: ours has #{more}, plain has #{less}" unless more.empty? && less.empty?
end
"##;

#[test]
fn a_test_sees_the_process_that_the_frameworks_own_command_shows_it() {
    let home = Home::new();
    for (framework, program, file, text) in [
        (
            "rspec",
            "rspec",
            "spec/a_spec.rb",
            "RSpec.describe('a') { it('looks') { load './look.rb' } }\n",
        ),
        // While the second file is loaded, plainly no formatter is there yet.
        (
            "rspec, the file",
            "rspec",
            "spec/z_spec.rb",
            "load './look.rb'\nRSpec.describe('z') { it('has a library of the formatter') { StringIO.new } }\n",
        ),
        (
            "minitest",
            "ruby",
            "test/m_test.rb",
            "require 'minitest/autorun'\nclass M < Minitest::Test\n  def test_looks = load('./look.rb')\nend\n",
        ),
        (
            "test_unit",
            "ruby",
            "test/u_test.rb",
            "require 'test/unit'\nclass U < Test::Unit::TestCase\n  def test_looks = load('./look.rb')\nend\n",
        ),
    ] {
        let project = Project::of(
            &home,
            &[(file, text), ("look.rb", LOOK), ("compare.rb", COMPARE)],
        );
        if framework.contains("file") {
            project.write(
                "spec/a_spec.rb",
                "RSpec.describe('a') { it('passes') {} }\n",
            );
        }
        let ruby = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .env_clear()
                .envs(home.environment())
                .env("SEEN", project.path().join("plain"))
                .current_dir(project.path())
                .stdin(Stdio::null());
            gorgon_process::command::run(command, run::RUN_LIMIT, b"").expect("a plain run")
        };
        let arguments: &[&str] = if program == "ruby" {
            // As `rake test` has it, which is what a project without a configuration gets.
            &["-Itest", file]
        } else {
            &[]
        };
        ruby(program, arguments);
        let started = run::start_with(&home, &project, &["--local=1"], |command| {
            command.env("SEEN", project.path().join("ours"));
        });
        started.finished(run::RUN_LIMIT).exited(0);
        let compared = ruby("ruby", &["compare.rb", "plain", "ours", framework]);
        assert_eq!(compared.stdout, "", "{}", compared.stderr);
    }
    home.assert_nothing_left();
}

/// What a callbacks file asks for is there while it runs, and no longer; a project's own `Gorgon` is the project's.
#[test]
fn the_name_is_the_projects_and_stand_ins_are_for_callbacks_alone() {
    let home = Home::new();
    let config = r#"{ "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;
    let callbacks = "require 'gorgon'
      class C < Gorgon::DefaultCallbacks
        def before_creating_workers = File.write('log', \"#{defined?(Gorgon.callbacks)} \", mode: 'a')
        def before_start = File.write('log', \"#{Gorgon.callbacks.class} \", mode: 'a')
        def after_complete = File.write('log', \"#{Gorgon.callbacks.class} \", mode: 'a')
      end
      Gorgon.callbacks = C.new\n";
    let spec = "RSpec.describe('callbacks') do
        it('are not seen') { expect(Object.const_defined?(:Gorgon)).to be false }
        it('leave nothing') { expect { require 'gorgon' }.to raise_error(LoadError) }
      end\n";
    let project = Project::of(
        &home,
        &[
            ("gorgon.json", config),
            ("callbacks.rb", callbacks),
            ("log", ""),
            ("spec/a_spec.rb", spec),
        ],
    );
    run::run(&home, &project, &["--local=1"]).exited(0);
    assert_eq!(project.read("log"), "method C C ");
    let own = "class Gorgon < Struct.new(:head)\n  def turn = \"#{head} to stone\"\nend\n";
    let minitest =
        "require 'minitest/autorun'\nrequire './lib/gorgon'\nclass GorgonTest < Minitest::Test
      def test_turns = assert_equal('Medusa to stone', Gorgon.new('Medusa').turn)\nend\n";
    let unit = "require 'test/unit'\n$LOAD_PATH.unshift('lib')\nrequire 'gorgon'\nclass GorgonUnitTest < Test::Unit::TestCase
      def test_open4_is_not_there = assert_raise(NameError) { Open4 }\n
      def test_turns = assert_equal('Stheno to stone', Gorgon.new('Stheno').turn)\nend\n";
    let spec = "require './lib/gorgon'\nRSpec.describe(Gorgon) { it('turns') { expect(described_class.new('Euryale').turn).to end_with 'stone' } }\n";
    let project = Project::of(
        &home,
        &[
            ("gorgon.json", config),
            ("callbacks.rb", callbacks),
            ("log", ""),
            ("lib/gorgon.rb", own),
            ("spec/gorgon_spec.rb", spec),
            ("test/gorgon_m_test.rb", minitest),
            ("test/gorgon_u_test.rb", unit),
        ],
    );
    run::run(&home, &project, &["--local=1"]).exited(0);
    project.write("gorgon.json", "{}");
    run::run(&home, &project, &["--local=2"]).exited(0);
    home.assert_nothing_left();
}
