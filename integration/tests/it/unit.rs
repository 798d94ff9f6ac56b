//! The systemd unit of the listener: what a greedy test, a stop or a crash does to the service.
//!
//! By systemd's default one test that the kernel kills for its memory ends the whole service:
//! <https://github.com/buildkite/elastic-ci-stack-for-aws/issues/882>,
//! <https://github.com/systemd/systemd/issues/39187>.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use gorgon_listener::host_job::{CLEAN_LIMIT, HAND_BACK_LIMIT};
use gorgon_process::command::{self, CommandError};
use integration::home::Home;

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gorgon-listener.service");
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_greedy_test_a_stop_and_a_crash_leave_the_listener_in_service() {
    let unit = unit();
    let keys: BTreeMap<_, _> = unit
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    assert_eq!(keys["OOMPolicy"], "continue");
    assert_eq!(keys["TasksMax"], "infinity");
    assert!(["mixed", "control-group"].contains(&keys["KillMode"]));
    assert!(["on-failure", "always"].contains(&keys["Restart"]));
    let stop = Duration::from_secs(keys["TimeoutStopSec"].parse().unwrap());
    assert!(stop > HAND_BACK_LIMIT + CLEAN_LIMIT, "{stop:?}");
    // What a suite cannot bear is not there, and the reason is.
    for (key, word) in [
        ("MemoryDenyWriteExecute", "YJIT"),
        ("PrivateNetwork", "network"),
    ] {
        assert!(!keys.contains_key(key), "{key}");
        let reason = |line: &&str| line.starts_with(&format!("# {key}=")) && line.contains(word);
        assert_eq!(unit.lines().filter(reason).count(), 1, "{key}");
    }
    if keys.contains_key("ProtectHome") {
        let lines: Vec<_> = unit.lines().collect();
        let place = lines
            .iter()
            .position(|line| line.starts_with("ProtectHome="));
        assert!(lines[place.unwrap() - 1].starts_with("# "), "no word why");
    }
}

#[test]
fn systemd_takes_every_line_of_the_unit() {
    let home = Home::new();
    // Its program and its user need not be on this machine.
    let text = unit()
        .replace("/usr/local/bin/gorgon-listener", "/bin/true")
        .replace("User=gorgon", "User=root")
        .replace("Group=gorgon", "Group=root");
    let path = home.path().join("gorgon-listener.service");
    fs::write(&path, text).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).arg(&path);
    match command::run(verify, Duration::from_secs(30), b"") {
        Ok(finished) => {
            let said = format!("{}{}", finished.stdout, finished.stderr);
            let of_ours = said.lines().find(|line| line.contains("gorgon-listener"));
            assert_eq!(of_ours, None, "{said}");
        }
        Err(CommandError::Spawn(error)) => {
            panic!("{error}: it is in Debian's package systemd; scripts/setup installs it")
        }
        Err(error) => panic!("{error}"),
    }
}
