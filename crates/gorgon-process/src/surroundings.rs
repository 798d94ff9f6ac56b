//! What a process hands on to those it starts, besides environment and arguments.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// Fields of /proc/self/status that count, and what they are called.
const FIELDS: [(&str, &str); 14] = [
    ("Umask:", "the umask"),
    ("Uid:", "the user"),
    ("Gid:", "the group"),
    ("Groups:", "the groups of the user"),
    ("CapInh:", "the inheritable capabilities"),
    ("CapPrm:", "the permitted capabilities"),
    ("CapEff:", "the effective capabilities"),
    ("CapBnd:", "the bounding capabilities"),
    ("CapAmb:", "the ambient capabilities"),
    ("NoNewPrivs:", "the right to new privileges"),
    ("Seccomp:", "the filter of system calls"),
    ("Seccomp_filters:", "the filters of system calls"),
    ("Cpus_allowed:", "the processors allowed"),
    ("Mems_allowed:", "the memory allowed"),
];
const NAMESPACES: [&str; 7] = [
    "mnt",
    "net",
    "user",
    "uts",
    "ipc",
    "cgroup",
    "pid_for_children",
];
/// Places in /proc/self/stat after the name of the program, and what they are called.
const SCHEDULING: [(usize, &str); 3] = [
    (16, "the priority"),
    (37, "the real-time priority"),
    (38, "the scheduling policy"),
];

/// Returns it as lines of `name: value`: limits, umask, user, capabilities, priority, namespaces, root, cgroup.
#[must_use]
pub fn own() -> String {
    of("self")
}

/// The same of another process, which is in the same root directory.
fn of(process: &str) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: &str| text += &format!("{name}: {value}\n");
    let read =
        |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default();
    let status = read("status");
    for (field, name) in FIELDS {
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        add(name, value.unwrap_or_default().trim());
    }
    let stat = read("stat");
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    for (place, name) in SCHEDULING {
        add(name, fields.get(place).unwrap_or(&""));
    }
    for line in read("limits").lines().skip(1) {
        let (name, values) = line.split_at_checked(26).unwrap_or((line, ""));
        let values: Vec<_> = values.split_whitespace().collect();
        add(&format!("the limit \"{}\"", name.trim()), &values.join(" "));
    }
    for name in NAMESPACES {
        let link = fs::read_link(format!("/proc/{process}/ns/{name}")).unwrap_or_default();
        add(&format!("the {name} namespace"), &link.to_string_lossy());
    }
    let root = fs::metadata("/").map(|it| format!("{} {}", it.dev(), it.ino()));
    add("the root directory", &root.unwrap_or_default());
    for (name, what) in [
        ("cgroup", "the control group"),
        ("oom_score_adj", "the score of the killer"),
        ("personality", "the personality"),
    ] {
        let value: Vec<_> = read(name).lines().map(str::to_owned).collect();
        add(what, &value.join(" "));
    }
    text
}

/// Returns what the first line is about that is not in both.
#[must_use]
pub fn difference(one: &str, other: &str) -> Option<String> {
    let about = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let mut pairs = one.lines().zip(other.lines());
    pairs
        .find(|(a, b)| a != b)
        .map(|(a, _)| about(a))
        .or_else(|| {
            (one.lines().count() != other.lines().count()).then(|| "the process".to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    #[test]
    fn the_first_difference_is_named() {
        let own = own();
        assert!(own.contains("the umask: 0"), "{own}");
        assert_eq!(difference(&own, &own), None);
        let umask = own.replace("the umask: 0", "the umask: 7");
        assert_eq!(difference(&own, &umask).as_deref(), Some("the umask"));
        assert!(own.contains("the limit \"Max open files\": "), "{own}");
        let empty: Vec<_> = own.lines().filter(|line| line.ends_with(": ")).collect();
        assert!(
            empty.iter().all(|line| line.starts_with("the groups")),
            "{empty:?}"
        );
    }

    #[test]
    fn what_a_process_hands_on_is_seen_of_the_process_itself() {
        for (program, arguments, expected) in [
            ("nice", &["-n", "3"][..], Some("the priority")),
            (
                "setpriv",
                &["--no-new-privs"],
                Some("the right to new privileges"),
            ),
            (
                "prlimit",
                &["--nofile=100:100"],
                Some("the limit \"Max open files\""),
            ),
            ("chrt", &["--batch", "0"], Some("the scheduling policy")),
            ("env", &[], None),
        ] {
            let mut command = Command::new(program);
            command.args(arguments).args(["sh", "-c", "echo; read x"]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            #[expect(clippy::disallowed_methods, reason = "it ends with its stdin")]
            let mut child = command.spawn().unwrap();
            // It runs when it has written a line.
            child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
            let found = difference(&own(), &of(&child.id().to_string()));
            assert_eq!(found.as_deref(), expected);
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}
