//! What a process hands on to those it starts, besides environment and arguments.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// Returns it as lines of `name: value`: this very program, limits, umask, groups, namespaces.
pub(crate) fn own() -> String {
    let mut text = format!("the version of Gorgon: {}\n", program());
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (field, name) in [
        ("Umask:", "the umask"),
        ("Uid:", "the user"),
        ("Gid:", "the group"),
        ("Groups:", "the groups of the user"),
        ("Cpus_allowed:", "the processors allowed"),
    ] {
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        text += &format!("{name}: {}\n", value.unwrap_or_default().trim());
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    for line in limits.lines().skip(1) {
        let (name, values) = line.split_at_checked(26).unwrap_or((line, ""));
        let values: Vec<_> = values.split_whitespace().collect();
        text += &format!("the limit \"{}\": {}\n", name.trim(), values.join(" "));
    }
    for name in ["mnt", "net", "user", "uts", "ipc"] {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
        text += &format!("the {name} namespace: {}\n", link.display());
    }
    text
}

/// Another program of the same version may speak otherwise.
fn program() -> String {
    let stamp = fs::metadata("/proc/self/exe").map(|it| {
        format!(
            "{} {} {}.{}",
            it.ino(),
            it.size(),
            it.mtime(),
            it.mtime_nsec()
        )
    });
    format!(
        "{} {}",
        env!("CARGO_PKG_VERSION"),
        stamp.unwrap_or_default()
    )
}

/// Returns what the first line is about that is not in both.
pub(crate) fn difference(one: &str, other: &str) -> Option<String> {
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

    #[test]
    fn the_first_difference_is_named() {
        let own = own();
        assert!(own.contains("the umask: 0"), "{own}");
        assert_eq!(difference(&own, &own), None);
        let umask = own.replace("the umask: 0", "the umask: 7");
        assert_eq!(difference(&own, &umask).as_deref(), Some("the umask"));
        assert!(own.contains("the limit \"Max open files\": "), "{own}");
    }
}
