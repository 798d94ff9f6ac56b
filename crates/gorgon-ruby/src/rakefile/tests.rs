use super::*;

/// Checks what `rake test` runs by a Rakefile: globs, then excludes behind `-`, then the load path.
#[track_caller]
fn check(text: &str, expected: &str) {
    let shown = match of_text(text).test {
        None => "nothing".to_owned(),
        Some(read) => {
            let excludes: String = read.excludes.iter().map(|it| format!(" -{it}")).collect();
            let unread: String = read
                .unread
                .iter()
                .map(|it| format!(" unread:{it}"))
                .collect();
            let scripts: String = read
                .scripts
                .iter()
                .map(|it| format!(" {}", it.path))
                .collect();
            let mut ways = read.ways.iter().map(|it| {
                let requires: String = it.requires.iter().map(|it| format!(" -r{it}")).collect();
                format!("{}{requires}", it.directories.join(":"))
            });
            let first = ways.next().unwrap_or_default();
            let others: String = ways
                .filter(|it| *it != first)
                .map(|it| format!(" or {it}"))
                .collect();
            format!(
                "{}{scripts}{excludes} | {first}{others}{unread}",
                read.globs.join(" "),
            )
        }
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn a_test_task_says_files_and_load_path() {
    check("Rake::TestTask.new", "test/test*.rb | lib");
    check(
        "Rake::TestTask.new(:test) do |t|\nend\n",
        "test/test*.rb | lib",
    );
    check(
        "Rake::TestTask.new do |t|\n  t.libs << 'test'\n  t.test_files = FileList['test/**/*test.rb']\n  t.verbose = true\nend\n",
        "test/**/*test.rb | lib:test",
    );
    check(
        "Rake::TestTask.new(:test) do |test|\n  test.libs << 'lib' << \"test\"\n  test.pattern = \"test/**/test_*.rb\" # all\nend\n",
        "test/**/test_*.rb | lib:test",
    );
    check(
        "Rake::TestTask.new do |t|\n  t.libs       = %w(test/ lib/)\n  t.test_files = FileList[\"test/**/test_*.rb\"]\nend\n",
        "test/**/test_*.rb | test:lib",
    );
    check(
        "Rake::TestTask.new do |task|\n  task.libs << 'test'\n  task.pattern = 'test/**/*_test.rb'\nend\n",
        "test/**/*_test.rb | lib:test",
    );
    check(
        "Rake::TestTask.new { |t| t.pattern = 'tests/**/*_test.rb' }",
        "tests/**/*_test.rb | lib",
    );
    check(
        "Rake::TestTask.new(test: :prepare) do |t|\n  t.libs.unshift \"test\"\n  t.libs.push('ext')\n  t.test_files = Dir.glob('test/test_*.rb').sort\nend\n",
        "test/test_*.rb | test:lib:ext",
    );
    check(
        "Rake::TestTask.new do |t|\n  t.libs << File.join(File.dirname(__FILE__), 'test')\n  t.test_files = Dir.glob(File.join(File.dirname(__FILE__), 'test/**/*.rb'))\nend\n",
        "test/**/*.rb | lib:test",
    );
    check(
        "Minitest::TestTask.create",
        "test/**/{test,spec}_*.rb test/**/*_{test,spec}.rb | lib:test:. -rminitest/autorun",
    );
    check(
        "Minitest::TestTask.create(:test) do |t|\n  t.libs << \"t\"\n  t.warning = false\n  t.test_globs = [\"t/**/*_test.rb\",\n                  \"t/**/*_spec.rb\"]\nend\n",
        "t/**/*_test.rb t/**/*_spec.rb | lib:test:.:t -rminitest/autorun",
    );
    check(
        "require 'hoe'\nHoe.spec 'a' do\n  developer 'A', 'a@b'\nend\n",
        "test/**/{test,spec}_*.rb test/**/*_{test,spec}.rb | lib:test:. -rminitest/autorun",
    );
}

#[test]
fn the_tasks_that_rake_test_starts_are_meant() {
    // Another task beside it is not.
    check(
        "Rake::TestTask.new do |t|\n  t.pattern = \"test/{unit,integration}/**/*_test.rb\"\nend\nRake::TestTask.new(\"test:gallery\") do |t|\n  t.pattern = \"test/gallery/**/*_test.rb\"\nend\n",
        "test/{unit,integration}/**/*_test.rb | lib",
    );
    check(
        "namespace :test do\n  Rake::TestTask.new(:units) do |t|\n    t.pattern = \"spec/*_spec.rb\"\n  end\n  Rake::TestTask.new(:acceptance) do |t|\n    t.pattern = \"spec/acceptance/**/*_spec.rb\"\n  end\n  Rake::TestTask.new(:slow) do |t|\n    t.pattern = \"slow/*\"\n  end\nend\ntask :test => %w[test:units test:acceptance]\ntask default: [:lint, :test]\n",
        "spec/*_spec.rb spec/acceptance/**/*_spec.rb | lib",
    );
    check(
        "task 'test' do\n  Rake::Task['test:units'].invoke\nend\nnamespace 'test' do\n  units = FileList['test/unit/**/*_test.rb']\n  Rake::TestTask.new('units') do |t|\n    t.libs << 'test'\n    t.test_files = units\n  end\n  Rake::TestTask.new('performance') do |t|\n    t.test_files = FileList['test/performance/*']\n  end\nend\n",
        "test/unit/**/*_test.rb | lib:test",
    );
    check(
        "Rake::TestTask.new(:functional) do |t|\n  t.test_files = FileList['test/functional/*_test.rb']\nend\nRake::TestTask.new(:unit) do |t|\n  t.test_files = FileList['test/unit/*_test.rb']\nend\ntask default: [:unit, :functional]\n",
        "test/functional/*_test.rb test/unit/*_test.rb | lib",
    );
    check(
        "class Quiet < Rake::TestTask\n  def desc(*) end\nend\nQuiet.new do |t|\n  t.pattern = 'no_test_task_by_its_name'\nend\nQuietTestTask.new do |t|\n  t.name = 'do_test_pure'\n  t.libs << 'lib' << 'tests'\n  t.test_files = FileList['tests/*_test.rb']\nend\n",
        "tests/*_test.rb | lib:tests",
    );
}

#[test]
fn options_of_ruby_are_read_for_each_task() {
    check(
        "Rake::TestTask.new do |t|\n  t.libs << 'tests'\n  t.ruby_opts << \"-rhelper\"\n  t.ruby_opts << '-r ./a -I ext:b' << '-w'\nend\n",
        "test/test*.rb | lib:tests:ext:b -rhelper -r./a",
    );
    check(
        "Rake::TestTask.new do |t|\n  t.ruby_opts = ['-Itest']\n  t.ruby_opts << '-rrubygems' if defined? Gem\nend\n",
        "test/test*.rb | lib:test -rrubygems",
    );
    check(
        "Minitest::TestTask.create do |t|\n  t.test_prelude = 'gem \"minitest\"; require \"test_helper\"'\nend\n",
        "test/**/{test,spec}_*.rb test/**/*_{test,spec}.rb | lib:test:. -rtest_helper -rminitest/autorun",
    );
    check(
        "Minitest::TestTask.create do |t|\n  t.framework = %(require \"test/unit\")\nend\n",
        "test/**/{test,spec}_*.rb test/**/*_{test,spec}.rb | lib:test:. -rtest/unit",
    );
    let of_two = of_text(
        "task test: %w[core plugins]\nRake::TestTask.new(:core) do |t|\n  t.libs << 'test/core'\nend\nRake::TestTask.new(:plugins) do |t|\n  t.libs = %w[test/plugins]\n  t.pattern = 'test/plugins/test_*.rb'\nend\n",
    );
    let ways = of_two.test.unwrap().ways;
    assert_eq!(ways[0].directories, ["lib", "test/core"]);
    assert_eq!(ways[1].directories, ["test/plugins"]);
    assert_eq!(ways[1].globs, ["test/plugins/test_*.rb"]);
}

#[test]
fn a_task_needs_another_in_each_form_that_ruby_has() {
    let tasks = "Rake::TestTask.new(:unit) { |t| t.pattern = 'test/*_test.rb' }\n\
                 Rake::TestTask.new(:slow) { |t| t.pattern = 'test/slow/*.rb' }\n";
    for needs in [
        "task test: :unit\n",
        "task 'test': :unit\n",
        "task :test => :unit\n",
        "task test: [:unit]\n",
        "task test: :unit\ntask :test => :slow if ENV['SLOW']\n",
        "task :test do\n  Rake::Task[:unit].invoke\n  Rake::Task[:slow].invoke if ENV['SLOW']\nend\n",
    ] {
        check(&format!("{tasks}{needs}"), "test/*_test.rb | lib");
    }
}

#[test]
fn options_that_have_no_effect_are_noted() {
    let text = "Rake::TestTask.new do |t|\n  t.ruby_opts = %w[-w -Ix --enable=frozen-string-literal -W:no-deprecated]\n  t.options = \"--name=/x/ -v\"\nend\n";
    let read = of_text(text).test.unwrap();
    assert_eq!(
        read.ruby_opts,
        ["--enable=frozen-string-literal", "-W:no-deprecated"]
    );
    assert_eq!(read.options, ["--name=/x/ -v"]);
    let text =
        "Rake::TestTask.new do |t|\n  t.ruby_opts << '-W2'\n  t.options = '-v --pride'\nend\n";
    let read = of_text(text).test.unwrap();
    assert!(read.ruby_opts.is_empty() && read.options.is_empty());
}

#[test]
fn files_are_added_and_taken_off() {
    check(
        "Rake::TestTask.new do |t|\n  t.libs = [\"lib\", \"test\"]\n  t.libs << \"test/integration\" if ENV['INTEGRATION']\n  test_files = FileList['test/**/test_*.rb']\n  test_files -= FileList['test/integration/**/test_*.rb'] unless ENV['INTEGRATION']\n  test_files.exclude(scope('test/manual/*'))\n  t.test_files = test_files\nend\n",
        "test/**/test_*.rb -test/integration/**/test_*.rb -test/manual/* | lib:test",
    );
    check(
        "Rake::TestTask.new do |t|\n  t.test_files = FileList['test/**/*_test.rb'].exclude('test/a/**/*', \"test/b\") + FileList['spec/*.rb']\nend\n",
        "test/**/*_test.rb spec/*.rb -test/a/**/* -test/b | lib",
    );
    check(
        "Rake::TestTask.new do |t|\n  t.test_files =\n    FileList[\n      'test/a_test.rb',\n      'test/b_test.rb'\n    ]\nend\n",
        "test/a_test.rb test/b_test.rb | lib",
    );
}

#[test]
fn what_cannot_be_read_is_said_and_what_looks_like_it_is_no_task() {
    check(
        "Rake::TestTask.new do |t|\n  t.libs << rubymine_home\n  t.pattern = \"#{dir}/**/*_test.rb\"\nend\n",
        " | lib unread:test",
    );
    check(
        "Rake::TestTask.new do |t|\n  t.test_files = Dir['test/**/*_test.rb'].reject { |f| f =~ /slow/ }\nend\n",
        "test/**/*_test.rb | lib unread:test",
    );
    check(
        "# Rake::TestTask.new\ntext = <<~EOT\n  Rake::TestTask.new do |t|\n  end\nEOT\nputs 'Rake::TestTask.new'\n=begin\nRake::TestTask.new\n=end\nx = a / b\ny = s =~ /'\"/\n",
        "nothing",
    );
    for text in [
        "",
        "Rake::TestTask.new(",
        "Rake::TestTask.new do |t|\n  t.pattern = %w(",
        "'",
        "<<",
        "%",
        ":",
        "::",
        "|",
        "a ? b : c",
        "task",
        "task :a =>",
        "é::É%w",
    ] {
        let _ = of_text(text);
    }
}

#[test]
fn files_that_the_tasks_run_by_ruby_are_meant() {
    check(
        "namespace :test do\n  task :units do\n    ruby './test/unit/suite.rb'\n  end\n  task :exe do\n    if RUBY_VERSION >= '3'\n      ruby \"-Ilib\", 'test/exe.rb', 'more'\n    end\n  end\n  task :sh do\n    sh 'ruby -w -I ext:test test/deep/all.rb'\n  end\n  task(:slow) do\n    ruby 'test/slow.rb'\n  end\nend\ntask :test => %w(test:units test:exe test:sh)\n",
        " test/unit/suite.rb test/exe.rb test/deep/all.rb | ",
    );
    // What is compiled or generated first is no test.
    check(
        "task :test => :compile\ntask :compile do\n  ruby 'ext/extconf.rb'\n  sh 'make', verbose: false\nend\n",
        "nothing",
    );
    check(
        "task(:test) { sh 'ruby -Itest test/suite.rb' }",
        " test/suite.rb | ",
    );
}

#[test]
fn commands_that_may_run_tests_cannot_be_told() {
    for said in [
        "ruby \"test/#{name}.rb\"",
        "ruby '-e', 'puts 1', 'test/a.rb'",
        "sh 'make test.rb'",
        "sh command",
        "system('ruby', '-Itest', '-e', 'Dir[\"./test/c_*.rb\"].each { |f| require f }') or exit 1",
        "Dir['test/*.rb'].each { |file| require file }",
        "Kernel.system 'ruby all_tests.rb'",
        "puts `ruby test/a.rb`",
        "suite",
    ] {
        let text = format!("def suite; end\ntask test: :units\ntask :units do\n  {said}\nend\n");
        check(&text, " |  unread:units");
        let text =
            format!("def suite; end\ntask(:test) {{ {said} }}\ntask(:doc) {{ rake 'spec' }}\n");
        check(&text, " |  unread:test");
    }
    for said in [
        "sh 'bundle exec rspec'",
        "sh 'gem build a.gemspec'",
        "test.load('test')",
    ] {
        check(&format!("task(:test) {{ {said} }}"), "nothing");
    }
}

#[test]
fn tasks_that_are_changed_or_computed_cannot_be_told() {
    let two = "Rake::TestTask.new { |t| t.pattern = 'test/t_*.rb' }\nRake::TestTask.new(:extra) { |t| t.pattern = 'extra/*.rb' }\n";
    for (said, expected) in [
        (
            "Rake::Task[:test].enhance([:extra])",
            "test/t_*.rb extra/*.rb | lib",
        ),
        (
            "Rake::Task['test'].enhance do\n  Rake::Task['extra'].invoke\nend",
            "test/t_*.rb extra/*.rb | lib",
        ),
        (
            "Rake::Task[:test].enhance(more)",
            "test/t_*.rb | lib unread:test",
        ),
        ("Rake::Task[:test].clear", "test/t_*.rb | lib unread:test"),
        ("Rake::Task[:doc].clear", "test/t_*.rb | lib"),
        (
            "task test: all.map(&:to_s)",
            "test/t_*.rb | lib unread:test",
        ),
        ("task(:test) { sh 'make' }", "test/t_*.rb | lib"),
        (
            "if slow?\n  task test: :extra\nend",
            "test/t_*.rb extra/*.rb | lib unread:test",
        ),
        ("if lint?\n  task test: :lint\nend", "test/t_*.rb | lib"),
        ("task test: :gen\ntask gen: FILES", "test/t_*.rb | lib"),
    ] {
        check(&format!("{two}{said}\n"), expected);
    }
    let tasks = "%w[a b].each { |n| Rake::TestTask.new(\"test:#{n}\") { |t| t.pattern = \"test/#{n}/*.rb\" } }\n";
    check(
        &format!("{tasks}task test: ['test:a', 'test:b']\n"),
        " |  unread:test:a unread:test:b",
    );
    check(
        &format!("{tasks}Rake::TestTask.new\n"),
        "test/test*.rb | lib",
    );
    check(
        "names.each do |name|\n  Rake::TestTask.new(name) do |t|\n    t.pattern = 'x'\n  end\nend\ntask default: :units\n",
        " |  unread:test",
    );
}

#[test]
fn what_holds_only_sometimes_cannot_be_told() {
    check(
        "Rake::TestTask.new { |t| t.pattern = ENV.fetch('TESTS', 'test/**/t_*.rb') }",
        " | lib unread:test",
    );
    check(
        "Rake::TestTask.new do |t|\n  if slow?\n    t.pattern = 'a'\n  else\n    t.pattern = 'b'\n  end\n  t.libs << 'test'\nend\n",
        "b | lib:test unread:test",
    );
    check(
        "if slow?\n  Rake::TestTask.new { |t| t.pattern = 'a' }\nend\n",
        "a | lib unread:test",
    );
    check(
        "Rake::TestTask.new do |t|\n  t.pattern = 'a'\n  t.pattern = 'b' if ENV['GORGON_NO_SUCH_VARIABLE']\n  t.test_files = ['c'] unless slow?\nend\n",
        "c a | lib unread:test",
    );
}

#[test]
fn a_block_of_one_line_is_read_whole_and_what_is_added_keeps_what_was() {
    check(
        "Minitest::TestTask.create { |t| t.test_globs << 'checks/*.rb'; t.libs << 'checks' }\ntask(:x) {}\n",
        "test/**/{test,spec}_*.rb test/**/*_{test,spec}.rb checks/*.rb | lib:test:.:checks -rminitest/autorun",
    );
    check(
        "Rake::TestTask.new(:test) { |t| t.pattern = 'a/*.rb'; t.test_files = ['b.rb'] }; task x: :y\n",
        "b.rb a/*.rb | lib",
    );
    let vague = |text: &str| of_text(text).test.unwrap().vague;
    assert!(vague("Rake::TestTask.new { |t| t.libs << here }"));
    assert!(vague(
        "Rake::TestTask.new { |t| t.ruby_opts << \"-I#{here}\" }"
    ));
    assert!(!vague("Rake::TestTask.new { |t| t.libs.push(*%w[a b]) }"));
}

#[test]
fn a_file_that_runs_others_is_no_test() {
    let project = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(project.path().join(name), text).unwrap();
    std::fs::create_dir(project.path().join("test")).unwrap();
    write("Rakefile", "task :test do\n  ruby('test/run.rb')\nend\n");
    write(
        "test/run.rb",
        "exit Test::Unit::AutoRunner.run(true, 'test')\n",
    );
    let read = rake_test(project.path()).unwrap();
    assert!(read.globs.is_empty());
    assert_eq!(read.ways.len(), 1);
    assert_eq!(read.ways[0].directories, ["lib", "test"]);
    assert_eq!(read.unread, ["test"]);
    write("test/run.rb", "require_relative 'a'\n");
    assert_eq!(rake_test(project.path()).unwrap().globs, ["test/run.rb"]);
    // It loads what lies beside it, which can run apart; what it requires besides is loaded first.
    write("test/test_a.rb", "");
    write(
        "test/run.rb",
        "require 'test-unit'\nrequire \"helper\"\nrequire 'test_a'\nif windows\n  require 'win'\nend\nDir.glob('test/t*') do |file|\n  require file\nend\n",
    );
    let read = rake_test(project.path()).unwrap();
    assert_eq!(read.unread, ["test"]);
    assert_eq!(read.ways[0].requires, ["test-unit", "helper"]);
}

#[test]
fn files_that_are_named_and_missing_are_noted() {
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir(project.path().join("test")).unwrap();
    std::fs::write(project.path().join("test/a.rb"), "").unwrap();
    for (class, said, missing) in [
        (
            "Rake",
            "test_files = %w[test/a.rb test/b.rb]",
            &["test/b.rb"][..],
        ),
        (
            "Rake",
            "test_files = FileList['test/b.rb', 'test/*.rb']",
            &["test/b.rb"],
        ),
        (
            "Rake",
            "test_files = FileList['test/b.rb'].exclude('test/b.rb')",
            &[],
        ),
        ("Rake", "pattern = './test/b.rb'", &["test/b.rb"]),
        ("Rake", "test_files = Dir['test/b.rb']", &[]),
        (
            "Rake",
            "test_files = Dir.glob('test/b.rb') + ['test/a.rb']",
            &[],
        ),
        ("Minitest", "test_globs = ['test/b.rb']", &[]),
    ] {
        let method = if class == "Rake" { "new" } else { "create" };
        let text = format!("{class}::TestTask.{method} {{ |t| t.{said} }}\n");
        std::fs::write(project.path().join("Rakefile"), text).unwrap();
        assert_eq!(
            rake_test(project.path()).unwrap().missing,
            missing,
            "{said}"
        );
    }
}
