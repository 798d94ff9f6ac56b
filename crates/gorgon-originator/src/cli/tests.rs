use super::*;

fn start(line: &str) -> StartArgs {
    let words = std::iter::once("gorgon-originator").chain(line.split_whitespace());
    let cli = Cli::read_from(words).unwrap();
    match cli.command {
        None => cli.start,
        Some(Command::Start(start)) => *start,
        Some(other) => panic!("{other:?}"),
    }
}

fn workers(number: u32) -> Slots {
    Slots::Number(NonZero::new(number).unwrap())
}

#[test]
fn options_may_stand_before_the_command() {
    for line in [
        "list --local=2 --seed 3 spec",
        "--local=2 list --seed 3 spec",
        "--local=2 --seed 3 list spec",
        "--local=2 --seed 3 list spec -- start",
    ] {
        let words = std::iter::once("gorgon-originator").chain(line.split_whitespace());
        match Cli::read_from(words).unwrap().command {
            Some(Command::List(args)) => {
                assert_eq!(args.local, Some(workers(2)), "{line}");
                assert_eq!(args.seed, Some(3), "{line}");
                assert_eq!(args.selection.what, ["spec"], "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    let args = start("--junit list --local spec list -- ping");
    assert_eq!(args.junit, Some(PathBuf::from("list")));
    assert_eq!(args.selection.what, ["spec", "list"]);
    assert_eq!(args.framework_options, ["ping"]);
}

#[test]
fn start_is_the_default() {
    for line in ["--local=3 spec/a_spec.rb", "start --local=3 spec/a_spec.rb"] {
        let args = start(line);
        assert_eq!(args.local, Some(workers(3)));
        assert_eq!(args.selection.what, ["spec/a_spec.rb"]);
    }
}

#[test]
fn optional_values_need_an_equals_sign() {
    let args = start("--local --fail-fast spec -- --tag smoke");
    assert_eq!((args.local, args.fail_fast), (Some(Slots::Cores), Some(1)));
    assert_eq!(args.selection.what, ["spec"]);
    assert_eq!(args.framework_options, ["--tag", "smoke"]);
    assert_eq!(start("--fail-fast=3").fail_fast, Some(3));
    assert_eq!(start("--retries 0").retries, Some(0));
    assert_eq!(start("--wait 0.5").wait, Duration::from_millis(500));
}

#[test]
fn what_cannot_be_is_a_usage_error() {
    for line in [
        "--sync",
        "--warm",
        "--junit - --json -",
        "--seed x",
        "--wait -1",
        "--fail-fast=0",
        "--retries -1",
        "--flaky-result maybe",
        "--order-dependent maybe",
        "-q -v",
        "--nonsense",
        "--color blue",
        "--local=0",
        "--local=-1",
        "--local=10001",
        "--local=",
        "--slots 0",
        "--file-timeout 0",
        "--file-timeout nan",
        "--wait 1e19",
        "--wait inf",
        "--local ping",
    ] {
        let words = std::iter::once("gorgon-originator").chain(line.split_whitespace());
        assert!(Cli::read_from(words).is_err(), "{line}");
    }
}

#[test]
fn an_unknown_option_may_be_a_file_or_one_of_the_framework() {
    for (words, tip) in [
        (&["-v_spec.rb"][..], "named './-v_spec.rb'"),
        (&["--local", "--odd_spec.rb"], "named './--odd_spec.rb'"),
        (&["--tag", "smoke"], "follow two dashes: '-- --tag'"),
        (&["-fd"], "follow two dashes: '-- -fd'"),
        (&["--seed", "-5"], "'--seed' takes no negative number"),
        (&["--local", "-2.5"], "'--local' takes no negative number"),
        (&["-5"], "follow two dashes: '-- -5'"),
        (&["--lokal"], "'--local'"),
    ] {
        let words = std::iter::once("gorgon-originator").chain(words.iter().copied());
        let said = Cli::read_from(words).unwrap_err().to_string();
        assert!(said.contains(tip), "{said}");
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}
