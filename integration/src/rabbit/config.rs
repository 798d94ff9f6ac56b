//! The files and the command line of a node.

use super::installed::Installed;
use super::{Certificates, Options};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where a node listens, and who may log in.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) tls_port: u16,
    pub(super) erlang_port: u16,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) installed: Installed,
}

/// Writes what the node reads.
pub(super) fn write(
    place: &Place,
    options: &Options,
    certificates: Option<&Certificates>,
) -> io::Result<()> {
    let d = &place.directory;
    for name in ["home", "data", "log", "libs"] {
        fs::DirBuilder::new().mode(0o700).create(d.join(name))?;
    }
    let mut cookie = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(d.join("home/.erlang.cookie"))?;
    io::Write::write_all(&mut cookie, place.password.as_bytes())?;
    fs::write(d.join("enabled_plugins"), "[].\n")?;
    fs::write(d.join("control.erl"), include_str!("control.erl"))?;
    fs::write(d.join("vm.args"), vm_args(place))?;
    fs::write(d.join("rabbitmq.conf"), conf(place, options, certificates))?;
    for application in place.installed.applications() {
        let name = application
            .file_name()
            .expect("a directory of `plugins` has a name");
        symlink(&application, d.join("libs").join(name))?;
    }
    Ok(())
}

fn vm_args(place: &Place) -> String {
    let Place {
        name, erlang_port, ..
    } = place;
    format!(
        "-sname {name}@localhost\n\
         -start_epmd false\n\
         -erl_epmd_port {erlang_port}\n\
         -kernel inet_dist_use_interface {{127,0,0,1}}\n\
         +sbwt none\n\
         -eval \"file:eval('control.erl').\"\n"
    )
}

fn conf(place: &Place, options: &Options, certificates: Option<&Certificates>) -> String {
    let consumer_timeout = options.consumer_timeout.as_millis();
    let mut text = format!(
        "listeners.tcp.1 = {}:{}\n\
         num_acceptors.tcp = 2\n\
         default_user = {}\n\
         default_pass = {}\n\
         default_permissions.configure = .*\n\
         default_permissions.read = .*\n\
         default_permissions.write = .*\n\
         log.file = false\n\
         log.console = true\n\
         log.console.level = info\n\
         disk_free_limit.absolute = 50MB\n\
         vm_memory_high_watermark.absolute = 1GB\n\
         collect_statistics = none\n\
         consumer_timeout = {consumer_timeout}\n",
        if options.for_other_machines {
            "0.0.0.0"
        } else {
            "127.0.0.1"
        },
        place.port,
        place.user,
        place.password
    );
    if place.installed.forbids_transient_queues() {
        // As 4.3 has it by its release notes; the slim boot of a test's node does not.
        text.push_str("deprecated_features.permit.transient_nonexcl_queues = false\n");
    }
    if let Some(certificates) = certificates {
        text.push_str(&format!(
            "listeners.ssl.1 = 127.0.0.1:{}\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = true\n\
             ssl_options.versions.1 = tlsv1.3\n\
             ssl_options.versions.2 = tlsv1.2\n",
            place.tls_port,
            certificates.ca().display(),
            certificates.server_cert().display(),
            certificates.server_key().display(),
        ));
    }
    text
}

/// Returns the command that becomes the node itself (`erl` execs): Erlang with only the
/// applications that RabbitMQ needs, which halves its start.
pub(super) fn command(place: &Place) -> Command {
    let d = &place.directory;
    let mut command = place.installed.command("erl", d);
    let words = "-noinput -s rabbit boot -boot start_sasl +W w +P 1048576 +t 5000000 +stbt db +sbwt none \
                 -args_file vm.args -syslog logger [] -syslog syslog_error_logger false \
                 -kernel prevent_overlapping_partitions false";
    command
        .args(words.split_whitespace())
        .current_dir(d)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("LANG", "C.UTF-8")
        .env("HOME", d.join("home"))
        .env("ERL_LIBS", d.join("libs"))
        .env("ERL_MAX_ETS_TABLES", "50000")
        .env("ERL_CRASH_DUMP_SECONDS", "0")
        .env("SYS_PREFIX", "")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_NODENAME", format!("{}@localhost", place.name))
        .env("RABBITMQ_CONFIG_FILE", d.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", d.join("advanced.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", d.join("enabled_plugins"))
        .env("RABBITMQ_PLUGINS_DIR", place.installed.plugins())
        .env("RABBITMQ_PLUGINS_EXPAND_DIR", d.join("plugins"))
        .env("RABBITMQ_MNESIA_BASE", d.join("data"))
        .env("RABBITMQ_MNESIA_DIR", d.join("data/mnesia"))
        .env("RABBITMQ_FEATURE_FLAGS_FILE", d.join("data/feature_flags"))
        .env("RABBITMQ_LOG_BASE", d.join("log"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", d.join("generated"))
        .env("RABBITMQ_PID_FILE", d.join("pid"))
        .env("RABBITMQ_DIST_PORT", place.erlang_port.to_string())
        .stdin(Stdio::null());
    command
}
