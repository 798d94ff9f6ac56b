//! What others may read of a job: nothing, whatever the umask.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use integration::{cluster::Cluster, gate::Gate, home::files_below, project::Project, run};
use serde_json::json;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Makes a command that sets the umask and becomes another.
fn under(umask: &str, command: &Command) -> Command {
    let mut sh = Command::new("sh");
    sh.arg("-c")
        .arg(format!("umask {umask}; exec \"$0\" \"$@\""));
    sh.arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    sh.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    if let Some(directory) = command.get_current_dir() {
        sh.current_dir(directory);
    }
    sh
}

/// Returns what others can reach below a directory that they may enter: all but what lies in a
/// directory that is closed to them.
fn open_to_others(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(place) = left.pop() {
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            let (path, meta) = (entry.path(), entry.metadata().unwrap());
            if meta.file_type().is_symlink() || mode(&path) & 0o077 == 0 {
                continue;
            }
            if meta.is_dir() && path.file_name().is_some_and(|name| name == "ours") {
                continue;
            }
            found.push(format!("{:o} {}", mode(&path), path.display()));
            if meta.is_dir() {
                left.push(path);
            }
        }
    }
    found
}

#[test]
fn nothing_of_a_job_is_open_to_others_whatever_the_umask() {
    for umask in ["000", "077"] {
        let mut cluster = Cluster::start(&[]);
        let log = cluster.home().path().join("run/listener.log");
        cluster.start_host_as("a", 1, &json!({ "job_secret": "s" }), |command| {
            let mut command = under(umask, &command);
            command.stderr(fs::File::create(&log).unwrap());
            command
        });
        cluster.wait_for_listener("a");
        let gate = Gate::open(cluster.home());
        let spec =
            "require_relative '../gate'\nRSpec.describe('a') { it('waits') { Gate.pass('a') } }\n";
        let config = r#"{ "files": ["spec/*_spec.rb"], "job_secret": "s" }"#;
        let files = [
            ("spec/a_spec.rb", spec),
            ("bin/tool", "x"),
            ("gorgon.json", config),
        ];
        let project = Project::of(cluster.home(), &files);
        gate.write_into(&project);
        fs::set_permissions(
            project.path().join("bin/tool"),
            fs::Permissions::from_mode(0o751),
        )
        .unwrap();
        let url = cluster.url();
        let run = run::start_with(cluster.home(), &project, &[], |command| {
            command.env("GORGON_BROKER_URL", url);
            let (stdout, stderr) = (
                cluster.home().fresh("stdout"),
                cluster.home().fresh("stderr"),
            );
            *command = under(umask, command);
            command
                .stdout(fs::File::create(stdout).unwrap())
                .stderr(fs::File::create(stderr).unwrap());
        });
        let visit = gate.next();
        let host = cluster.host("a").directory().to_owned();
        for place in ["workspaces", "cache"] {
            assert_eq!(mode(&host.join(place)), 0o700, "{umask} {place}");
        }
        for place in ["tmp", "cache"] {
            let open = open_to_others(&cluster.home().path().join(place));
            assert!(open.is_empty(), "umask {umask}: {open:#?}");
        }
        // Each by itself too: in a directory that an administrator has made, nothing else closes it.
        for place in ["workspaces", "cache"] {
            let open: Vec<_> = fs::read_dir(host.join(place))
                .unwrap()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| mode(path) & 0o077 != 0)
                .collect();
            assert!(open.is_empty(), "umask {umask}: {open:#?}");
        }
        let all = files_below(cluster.home().path());
        let sockets: Vec<_> = all
            .iter()
            .filter(|path| {
                fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
                    && !path.ends_with("0-gate")
                    && !path.to_string_lossy().contains("-gate")
            })
            .collect();
        assert!(!sockets.is_empty(), "the preloader's");
        for socket in sockets {
            assert_eq!(mode(socket), 0o600, "umask {umask} {}", socket.display());
        }
        for name in ["connection.json", "secrets", "used-signatures-1"] {
            let file = all
                .iter()
                .find(|path| path.file_name().is_some_and(|own| own == name));
            let file = file.unwrap_or_else(|| panic!("{name} in {all:#?}"));
            assert_eq!(mode(file), 0o600, "umask {umask} {}", file.display());
        }
        // The suite's own files keep theirs.
        let directory = Path::new(&visit.who.directory);
        assert_eq!(mode(&directory.join("bin/tool")), 0o751, "umask {umask}");
        visit.release();
        run.finished(run::RUN_LIMIT).exited(0);
        let open = open_to_others(&cluster.home().path().join("cache"));
        assert!(open.is_empty(), "history, umask {umask}: {open:#?}");
        cluster.assert_nothing_left();
    }
}
