//! Another machine, as far as the network can tell: a network namespace with an address and a host name of its own, and
//! a link to this one that can be cut. It needs root, as the tests do.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use gorgon_process::command;

/// `ip` needs milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

/// A machine. Dropped, it is gone; what runs in it keeps running without a link.
#[derive(Debug)]
pub struct Machine {
    name: String,
    namespace: String,
    /// Our end of the link.
    link: String,
    gateway: String,
}

impl Machine {
    /// Makes a machine of this host name.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(name: &str) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        // Tests of several processes run beside each other. The address is one of 10.200.0.0/13, a network of four.
        let unique = std::process::id()
            .wrapping_mul(64)
            .wrapping_add(number % 64);
        let block = unique % (1 << 17);
        let address = |last: u32| {
            let bits = block * 4 + last;
            format!(
                "10.{}.{}.{}",
                200 + (bits >> 16),
                (bits >> 8) & 255,
                bits & 255
            )
        };
        let (gateway, own) = (address(1), address(2));
        let machine = Self {
            name: name.to_owned(),
            namespace: format!("gorgon-{unique}"),
            link: format!("gg{unique}"),
            gateway,
        };
        let Self {
            namespace,
            link,
            gateway,
            ..
        } = &machine;
        for words in [
            format!("netns add {namespace}"),
            format!("link add {link} type veth peer name eth0 netns {namespace}"),
            format!("address add {gateway}/30 dev {link}"),
            format!("link set {link} up"),
            format!("-n {namespace} address add {own}/30 dev eth0"),
            format!("-n {namespace} link set eth0 up"),
            format!("-n {namespace} link set lo up"),
            format!("-n {namespace} route add default via {gateway}"),
        ] {
            ip(&words);
        }
        machine
    }

    /// Returns its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address at which it reaches this machine.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Returns a command as one that runs there; its process is that of the command itself.
    pub fn inside(&self, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args([
            "netns",
            "exec",
            &self.namespace,
            "unshare",
            "--uts",
            "--",
            "sh",
            "-c",
        ]);
        there
            .arg(r#"hostname -- "$0" && exec "$@""#)
            .arg(&self.name);
        there.arg(command.get_program()).args(command.get_args());
        there.env_clear();
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                there.env(key, value);
            }
        }
        there
    }

    /// Cuts the link: nothing arrives any more, and nobody is told.
    pub fn cut(&self) {
        ip(&format!("link set {} down", self.link));
    }

    /// Mends the link.
    pub fn mend(&self) {
        ip(&format!("link set {} up", self.link));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = try_ip(&format!("link delete {}", self.link));
        let _ = try_ip(&format!("netns delete {}", self.namespace));
    }
}

fn try_ip(words: &str) -> Result<(), String> {
    let mut ip = Command::new("ip");
    ip.args(words.split_whitespace());
    command::run(ip, LIMIT, b"")
        .map(drop)
        .map_err(|error| format!("ip {words}: {error}: {:?}", error.said()))
}

fn ip(words: &str) {
    if let Err(error) = try_ip(words) {
        panic!("{error}");
    }
}
