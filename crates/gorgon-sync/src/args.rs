//! Argument vectors for rsync. Pure: what a user or a message chose is one element, never parsed
//! by a shell, and stands behind `--` or behind `=`.

use core::net::Ipv6Addr;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exclude::Excludes;

/// How long to wait for a daemon's answer; enough for a busy machine.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Time without traffic after which rsync gives up. The Ruby gem's 5 s are too short for a server that reads a
/// large tree.
pub const IO_LIMIT: Duration = Duration::from_secs(20);

/// What `-a` means, without owners and devices: a host's files belong to its listener's user; and
/// holes stay holes: a disk image of gigabytes may take no room at all.
const ARCHIVE: [&str; 6] = [
    "--recursive",
    "--links",
    "--perms",
    "--times",
    "--specials",
    "--sparse",
];

/// Where rsync reads from or writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `rsync://host/module/path` or `host::module/path`.
    Daemon(String),
    /// `host:path`, by ssh.
    Shell(String),
    /// A directory of this machine.
    Directory(PathBuf),
}

impl Location {
    /// Takes a text as rsync does; none for one that rsync or ssh could take for an option.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.starts_with('-') || text.contains(['\0', '\n', '\r']) {
            return None;
        }
        let before_slash = text.split('/').next().unwrap_or(text);
        if let Some(rest) = after_scheme(text) {
            let authority = rest.split('/').next().unwrap_or(rest);
            return is_authority(authority).then(|| Self::Daemon(text.to_owned()));
        }
        match host(before_slash) {
            // rsync takes the brackets of an address off before ssh sees it.
            Some((host, _)) if host.rsplit('@').any(|h| h.starts_with('-')) => None,
            Some((host, _)) if host.contains('[') && !is_address(host) => None,
            Some(("", _)) => None,
            Some((_, rest)) if rest.starts_with(':') => Some(Self::Daemon(text.to_owned())),
            Some(_) => Some(Self::Shell(text.to_owned())),
            None => Some(Self::Directory(PathBuf::from(text))),
        }
    }

    /// The place itself as rsync takes it, with a slash at its end: its content is meant.
    fn content(&self) -> OsString {
        let mut text = match self {
            Self::Daemon(text) | Self::Shell(text) => OsString::from(text),
            Self::Directory(path) => path.as_os_str().to_owned(),
        };
        if !text.as_bytes().ends_with(b"/") {
            text.push("/");
        }
        text
    }
}

/// What follows `rsync://`, which rsync knows in capitals too.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("rsync://".len())?;
    scheme.eq_ignore_ascii_case("rsync://").then_some(rest)
}

/// Whether this is `user@host:port`, of which rsync needs the host alone. Where it is not, rsync goes by ssh to `rsync`.
fn is_authority(text: &str) -> bool {
    let (user, place) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = match place.find("]:") {
        Some(end) => (&place[..=end], &place[end + 2..]),
        None if is_address(place) => (place, ""),
        None => place.split_once(':').unwrap_or((place, "")),
    };
    let plain = |name: &str| !name.starts_with('-') && !name.contains(['[', ']', ':', '@']);
    let known = is_address(host) || !host.is_empty() && plain(host);
    known && plain(user) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits where rsync does: at the first colon that is not inside of an address's brackets.
fn host(text: &str) -> Option<(&str, &str)> {
    let colon = text.find(':')?;
    let inside = text[..colon].rfind('[').filter(|open| {
        let user = &text[..*open];
        user.is_empty() || user.ends_with('@')
    });
    match inside.and_then(|open| Some(open + text[open..].find("]:")? + 1)) {
        Some(colon) => Some((&text[..colon], &text[colon + 1..])),
        None => text.split_once(':'),
    }
}

/// Whether a host in brackets is an IPv6 address, with or without a zone.
fn is_address(host: &str) -> bool {
    let (user, host) = host.rsplit_once('@').unwrap_or(("", host));
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .filter(|_| !user.contains(['[', ']']));
    let Some(inside) = inside else {
        return false;
    };
    let (address, zone) = inside.split_once('%').unwrap_or((inside, "0"));
    let in_zone = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.chars().all(in_zone)
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Daemon(text) | Self::Shell(text) => f.write_str(text),
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What rsync compares to tell whether a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Size and modification time, its quick check.
    SizeAndTime,
    /// The content.
    Content,
}

/// Arguments that make `to` the same as `from`.
///
/// `identity` is a key file for ssh.
#[must_use]
pub fn mirror(
    from: &Location,
    to: &Location,
    excludes: Option<&Excludes>,
    compare: Compare,
    identity: Option<&Path>,
) -> Vec<OsString> {
    let mut args = transfer(&[from, to], CONNECT_LIMIT, identity);
    args.extend(["--delete", "--delete-excluded"].map(OsString::from));
    if compare == Compare::Content {
        args.push("--checksum".into());
    }
    let rules = excludes.map(Excludes::rules).unwrap_or_default();
    args.extend(
        rules
            .iter()
            .map(|rule| OsString::from(format!("--exclude={rule}"))),
    );
    args.extend([OsString::from("--"), from.content(), to.content()]);
    args
}

/// Arguments that copy one file from a daemon that answers within `limit`.
#[must_use]
pub fn fetch_file(url: &str, to: &Path, limit: Duration) -> Vec<OsString> {
    let from = Location::Daemon(url.to_owned());
    let mut args = transfer(&[&from], limit, None);
    // It is small, and read again each time: the daemon's copy may be as old as ours.
    args.push("--ignore-times".into());
    args.extend([
        OsString::from("--"),
        OsString::from(url),
        to.as_os_str().to_owned(),
    ]);
    args
}

fn transfer(places: &[&Location], limit: Duration, identity: Option<&Path>) -> Vec<OsString> {
    // Names go by the protocol, not by a remote shell.
    let mut args = vec![OsString::from("--protect-args")];
    args.extend(ARCHIVE.map(OsString::from));
    args.push(format!("--timeout={}", IO_LIMIT.as_secs()).into());
    if places
        .iter()
        .any(|place| matches!(place, Location::Daemon(_)))
    {
        args.push(format!("--contimeout={}", limit.as_secs()).into());
        args.push("--no-motd".into());
        // Its small messages, held back for an acknowledgement, cost 40 ms each (measured).
        args.push("--sockopts=TCP_NODELAY".into());
    }
    if places
        .iter()
        .any(|place| matches!(place, Location::Shell(_)))
    {
        args.push("--compress".into());
        args.push("--rsh".into());
        args.push(ssh(identity));
    }
    args
}

/// Gives HOME back to the ssh that rsync starts: rsync itself runs without.
#[must_use]
pub fn with_home(mut args: Vec<OsString>, home: Option<&OsStr>) -> Vec<OsString> {
    let place = args.iter().position(|arg| arg == "--rsh");
    if let (Some(place), Some(home)) = (place, home)
        && let Some(command) = args.get_mut(place + 1)
    {
        let mut whole = OsString::from("env ");
        whole.push(quoted("HOME=", home));
        whole.push(" ");
        whole.push(&command);
        *command = whole;
    }
    args
}

/// One word of the command that rsync splits: a doubled quote is one quote.
fn quoted(before: &str, text: &OsStr) -> OsString {
    let mut word = OsString::from("\"");
    word.push(before);
    for (nth, part) in text.as_bytes().split(|byte| *byte == b'"').enumerate() {
        if nth > 0 {
            word.push("\"\"");
        }
        word.push(OsStr::from_bytes(part));
    }
    word.push("\"");
    word
}

/// The command that rsync itself splits at spaces, outside of double quotes.
fn ssh(identity: Option<&Path>) -> OsString {
    let seconds = CONNECT_LIMIT.as_secs();
    let mut command = OsString::from(format!("ssh -o BatchMode=yes -o ConnectTimeout={seconds}"));
    if let Some(path) = identity {
        command.push(" -i ");
        command.push(quoted("", path.as_os_str()));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(args: &[OsString]) -> String {
        args.iter()
            .map(|arg| format!("[{}]", arg.display()))
            .collect()
    }

    #[test]
    fn locations_are_told_apart_as_rsync_does() {
        let daemon = |text: &str| Some(Location::Daemon(text.to_owned()));
        let shell = |text: &str| Some(Location::Shell(text.to_owned()));
        let directory = |text: &str| Some(Location::Directory(text.into()));
        for text in [
            "rsync://h:43434/src/a b",
            "Rsync://h/src",
            "rsync://u@[::1]:873/src",
            "h::src/x",
            "u@h::src",
            "[fe80::1]::src",
        ] {
            assert_eq!(Location::parse(text), daemon(text));
        }
        for text in [
            "host:dir",
            "me@host:/dir with spaces; rm -rf x",
            "h:",
            "user@[fe80::1]:dir",
            "[::1]:/a [b]:c",
            "u@[fe80::1%eth0.5]:",
        ] {
            assert_eq!(Location::parse(text), shell(text));
        }
        for text in ["/srv/a", "rel", "./a:b", "/a:b"] {
            assert_eq!(Location::parse(text), directory(text));
        }
        for text in [
            "",
            "-e x",
            "-oProxyCommand=x:y",
            "u@-oX:y",
            "[-oProxyCommand=x]:y",
            "u@[-oX]:y",
            "-u@[::1]:y",
            "u@[::1%]:y",
            "u@[::1% -oX]:y",
            "u@[::1:y",
            "u@[::1]x:y",
            "[host]:y",
            "a[::1]:y",
            "u@[::1]s@[::1]:y",
            "-l@h:y",
            "rsync://-h/x",
            "rsync://u@-h/x",
            "rsync://u@[::",
            "rsync://h:8x/y",
            "RSYNC://-oProxyCommand=x/y",
            ":x",
            "a\nb:c",
        ] {
            assert_eq!(Location::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_user_value_is_one_element_behind_its_option_or_behind_two_dashes() {
        let from = Location::parse("h:dir; rm -rf x").unwrap();
        let to = Location::Directory("/cache/-e x; rm".into());
        let excludes = Excludes::new(&["-e x; rm".to_owned(), "a b".to_owned()], &[]);
        let key = Path::new("/p \"q/gorgon.pem");
        let args = mirror(&from, &to, Some(&excludes), Compare::Content, Some(key));
        assert_eq!(
            shown(&args),
            "[--protect-args][--recursive][--links][--perms][--times][--specials][--sparse][--timeout=20]\
             [--compress][--rsh][ssh -o BatchMode=yes -o ConnectTimeout=10 -i \"/p \"\"q/gorgon.pem\"]\
             [--delete][--delete-excluded][--checksum]\
             [--exclude=- gorgon_secret.json][--exclude=- gorgon.pem]\
             [--exclude=- /gorgon-artifacts/][--exclude=- -e x; rm][--exclude=- a b]\
             [--][h:dir; rm -rf x/][/cache/-e x; rm/]"
        );
    }

    #[test]
    fn ssh_alone_knows_the_home() {
        let from = Location::parse("h:dir").unwrap();
        let to = Location::Directory("/c".into());
        let args = mirror(&from, &to, None, Compare::Content, None);
        let home = OsStr::new("/home/a \"b");
        let shown = shown(&with_home(args, Some(home)));
        let command = "[--rsh][env \"HOME=/home/a \"\"b\" ssh -o BatchMode=yes";
        assert!(shown.contains(command), "{shown}");
        let plain = vec![OsString::from("--daemon")];
        assert_eq!(with_home(plain.clone(), Some(home)), plain);
    }

    #[test]
    fn a_daemon_gets_no_shell_and_a_bounded_connect() {
        let from = Location::parse("rsync://u@h:1/src/").unwrap();
        let to = Location::Directory("/c".into());
        assert_eq!(
            shown(&mirror(&from, &to, None, Compare::SizeAndTime, None)),
            "[--protect-args][--recursive][--links][--perms][--times][--specials][--sparse][--timeout=20]\
             [--contimeout=10][--no-motd][--sockopts=TCP_NODELAY]\
             [--delete][--delete-excluded][--][rsync://u@h:1/src/][/c/]"
        );
        assert!(
            shown(&fetch_file(
                "rsync://u@h:1/meta/manifest",
                Path::new("/c/m"),
                Duration::from_secs(2)
            ))
            .ends_with(
                "[--contimeout=2][--no-motd][--sockopts=TCP_NODELAY][--ignore-times]\
             [--][rsync://u@h:1/meta/manifest][/c/m]"
            )
        );
    }
}
