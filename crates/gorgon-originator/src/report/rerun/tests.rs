//! The command lines, for each kind of project.

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::{Outcome, Rerun};

use super::*;

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn file(name: &str, framework: Framework) -> FileResult {
    FileResult {
        runner: Some(framework),
        ..FileResult::new(&WorkItem::whole(ItemId(0), name))
    }
}

fn failed(name: &str, framework: Framework, line: &str, alone_at_line: bool) -> TestResult {
    TestResult {
        id: String::new(),
        name: String::new(),
        key: None,
        group: None,
        classname: String::new(),
        file: name.to_owned(),
        line: 7,
        outcome: Outcome::Failed,
        seconds: 0.0,
        exception: None,
        message: String::new(),
        backtrace: Vec::new(),
        output: String::new(),
        rerun: Some(Rerun {
            framework,
            words: words(line),
            alone_at_line,
        }),
    }
}

fn ruby(line: &str) -> Commands {
    Commands {
        ruby: words(line),
        ..Commands::default()
    }
}

#[test]
fn rails_names_a_test_by_its_line_unless_others_are_there() {
    let rails = |line: &str, ruby_is_configured| Commands {
        bin_rails: true,
        ruby_is_configured,
        ..ruby(line)
    };
    let name = "test/a_test.rb";
    let of = file(name, Framework::Minitest);
    let check = |commands: &Commands, place: &str, alone, expected: &str| {
        let test = failed(place, Framework::Minitest, "-n /^A#x$/", alone);
        assert_eq!(commands.test(&of, &test, 5).as_deref(), Some(expected));
    };
    let usual = rails("bundle exec ruby", false);
    check(
        &usual,
        name,
        true,
        "bin/rails test test/a_test.rb:7 --seed 5",
    );
    let by_name = "bin/rails test test/a_test.rb -n '/^A#x$/' --seed 5";
    check(&usual, name, false, by_name);
    // Its line is another file's.
    check(&usual, "test/shared.rb", true, by_name);
    let configured = rails("/opt/ruby/bin/ruby", true);
    let expected = "/opt/ruby/bin/ruby bin/rails test test/a_test.rb:7 --seed 5";
    check(&configured, name, true, expected);
    let whole = usual.file(&of, 5);
    assert_eq!(
        whole.as_deref(),
        Some("bin/rails test test/a_test.rb --seed 5")
    );
    let spec = file("spec/a_spec.rb", Framework::Rspec);
    let whole = usual.file(&spec, 5);
    assert_eq!(whole.as_deref(), Some("bundle exec rspec spec/a_spec.rb"));
}

#[test]
fn a_file_that_is_named_like_an_option_or_that_nobody_ran_is_none() {
    let commands = ruby("ruby");
    let mut of = file("-x_spec.rb", Framework::Rspec);
    let test = failed("-x_spec.rb", Framework::Rspec, "-x_spec.rb:7", false);
    let line = commands.test(&of, &test, 5);
    assert_eq!(line.as_deref(), Some("rspec ./-x_spec.rb:7"));
    of.runner = None;
    assert_eq!(commands.file(&of, 5), None);
}

#[test]
fn options_that_choose_tests_are_left_out() {
    for (framework, given, left) in [
        (
            Framework::Rspec,
            "-t slow --tag=x -ex --seed 3 -r h -I lib -fd --no-color",
            "-r h -I lib --no-color",
        ),
        (
            Framework::Rspec,
            "--fail-fast=2 -n --only-failures --order rand:3",
            "--order rand:3",
        ),
        (
            Framework::Minitest,
            "-n x --name=y -e z -s 3 --verbose --names",
            "--seed 3 --verbose --names",
        ),
        (
            Framework::TestUnit,
            "-t T --location=a:1 --ignore-name x --runner=xml",
            "--runner=xml",
        ),
    ] {
        let commands = Commands {
            options: words(given),
            ..ruby("ruby")
        };
        let line = commands.file(&file("f.rb", framework), 5).unwrap();
        let start = if framework == Framework::Rspec {
            "rspec"
        } else {
            "ruby"
        };
        assert_eq!(line, format!("{start} f.rb {left}"), "{given}");
    }
}

#[test]
fn variables_are_set_for_the_command_alone() {
    let set = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    let line = |variables: &[_]| with_environment(variables, &words("rspec a_spec.rb"));
    assert_eq!(line(&[]), "rspec a_spec.rb");
    let plain = [set("A", Some("b c")), set("D", Some(""))];
    assert_eq!(line(&plain), "A='b c' D='' rspec a_spec.rb");
    let unset = [set("A", Some("b")), set("D", None)];
    assert_eq!(line(&unset), "env -u D A=b rspec a_spec.rb");
    let odd = [set("a.b", Some("c d"))];
    assert_eq!(line(&odd), "env 'a.b=c d' rspec a_spec.rb");
}
