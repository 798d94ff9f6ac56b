//! Where a RabbitMQ is installed: on this machine, or in a tree of its own.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian puts RabbitMQ.
const DIRECTORY: &str = "/usr/lib/rabbitmq/lib";
/// What to do when it is not there.
const INSTALL: &str = "install it: apt-get install rabbitmq-server (it need not run)";
/// Runs a command in a tree, as the same process: `exec` keeps the number that the test signals.
/// The mounts belong to that process and end with it. The parent of its directory is mounted, as the
/// node removes the directory itself.
const IN_TREE: &str = r#"
    tree=$1 here=$2
    shift 2
    mount -t proc proc "$tree/proc"
    mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
    for device in null zero full random urandom tty; do cp -a "/dev/$device" "$tree/dev/"; done
    ln -s /proc/self/fd "$tree/dev/fd"
    mkdir -p "$tree${here%/*}"
    mount --bind "${here%/*}" "$tree${here%/*}"
    exec chroot "$tree" sh -c 'cd "$0" && exec "$@"' "$here" "$@"
"#;

/// An installed RabbitMQ.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    /// The root of the tree that holds it (`scripts/tree`); none is this machine.
    tree: Option<PathBuf>,
}

impl Installed {
    pub(super) fn new(tree: Option<PathBuf>) -> Installed {
        Installed { tree }
    }

    /// Returns a command that runs `program` beside this RabbitMQ, in a directory of this machine.
    pub(super) fn command(&self, program: &str, directory: &Path) -> Command {
        let Some(tree) = &self.tree else {
            return Command::new(program);
        };
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-euc", IN_TREE])
            .arg("sh")
            .args([tree, directory])
            .arg(program);
        command
    }

    /// Returns the directory of its applications, as its own processes see it.
    pub(super) fn plugins(&self) -> PathBuf {
        let directory = self.outside(Path::new(DIRECTORY));
        let versions = fs::read_dir(&directory).unwrap_or_else(|error| {
            panic!(
                "no RabbitMQ in {} ({error}); {INSTALL}",
                directory.display()
            )
        });
        let mut found: Vec<PathBuf> = versions
            .filter_map(|entry| {
                let version = Path::new(DIRECTORY).join(entry.ok()?.file_name());
                Some(version.join("plugins"))
            })
            .filter(|plugins| self.outside(plugins).is_dir())
            .collect();
        found.sort();
        found
            .pop()
            .unwrap_or_else(|| panic!("no RabbitMQ in {}; {INSTALL}", directory.display()))
    }

    /// Returns whether it can be told to refuse queues that are neither durable nor exclusive: a
    /// RabbitMQ before 4 does not know the key, and would not start.
    pub(super) fn forbids_transient_queues(&self) -> bool {
        let plugins = self.plugins();
        let version = plugins
            .parent()
            .and_then(Path::file_name)
            .and_then(OsStr::to_str);
        let number =
            version.and_then(|name| name.rsplit('-').next()?.split('.').next()?.parse().ok());
        number.is_some_and(|major: u32| major >= 4)
    }

    /// Returns where one of its paths is for this process.
    fn outside(&self, path: &Path) -> PathBuf {
        match (&self.tree, path.strip_prefix("/")) {
            (Some(tree), Ok(path)) => tree.join(path),
            _ => path.to_owned(),
        }
    }

    /// Returns the directories of what RabbitMQ needs, found by following `applications` from its two
    /// roots. Erlang looks for each module in each directory, so the fewer the faster.
    pub(super) fn applications(&self) -> Vec<PathBuf> {
        let plugins = self.plugins();
        let all: Vec<(String, PathBuf)> = fs::read_dir(self.outside(&plugins))
            .unwrap_or_else(|error| panic!("read {}: {error}", plugins.display()))
            .filter_map(|entry| {
                let directory = entry.ok()?.file_name();
                let name = directory.to_str()?.rsplit_once('-')?.0.to_owned();
                Some((name, plugins.join(directory)))
            })
            .collect();
        let mut needed = BTreeSet::new();
        let mut queue = vec!["rabbit".to_owned(), "rabbitmq_prelaunch".to_owned()];
        while let Some(name) = queue.pop() {
            let Some((_, path)) = all.iter().find(|(application, _)| *application == name) else {
                // One of Erlang's own.
                continue;
            };
            if needed.insert(path.clone()) {
                let app = self.outside(&path.join("ebin").join(format!("{name}.app")));
                let text = fs::read_to_string(&app)
                    .unwrap_or_else(|error| panic!("read {}: {error}", app.display()));
                queue.extend(needs(&text));
            }
        }
        needed.into_iter().collect()
    }
}

/// Reads `{applications, [a, b]}` of an application's description.
fn needs(app: &str) -> Vec<String> {
    let squeezed: String = app.chars().filter(|c| !c.is_whitespace()).collect();
    let Some((_, rest)) = squeezed.split_once("{applications,[") else {
        return Vec::new();
    };
    let list = rest.split(']').next().unwrap_or_default();
    list.split(',')
        .map(|name| name.trim_matches('\'').to_owned())
        .collect()
}
