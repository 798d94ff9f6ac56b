//! TLS from end to end, against a real broker with an authority made by the test.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_process::command::{self, CommandError};
use integration::{
    cluster::Cluster,
    project::Project,
    rabbit::{Options, RabbitMq},
    run,
    wait::until,
};
use serde_json::{Value, json};

use super::GREEN;

/// Within this a refused connection has ended the command.
const BOUND: Duration = Duration::from_secs(12);

/// A node that asks clients for certificates; left to its own at the end, it ends itself.
fn node() -> &'static RabbitMq {
    static NODE: OnceLock<RabbitMq> = OnceLock::new();
    NODE.get_or_init(|| {
        RabbitMq::start_with(&Options {
            tls: true,
            ..Options::default()
        })
    })
}

fn connection(cluster: &Cluster, port: u16, tls: &Value) -> Value {
    let node = cluster.node();
    json!({
        "host": "127.0.0.1", "port": port, "user": node.user(),
        "vhost": cluster.vhost().name(), "tls": tls,
    })
}

/// A project that connects so; its password lies in the secret file, its certificates beside it.
fn project(cluster: &Cluster, connection: &Value) -> Project {
    let config = json!({ "files": ["spec/*_spec.rb"], "connection": connection });
    let secret = json!({ "connection": { "password": cluster.node().password() } });
    let project = Project::of(
        cluster.home(),
        &[
            ("spec/a_spec.rb", GREEN),
            ("gorgon.json", &config.to_string()),
            ("gorgon_secret.json", &secret.to_string()),
        ],
    );
    for file in ["ca.pem", "client.pem", "client.key"] {
        let from = cluster.node().certificates().file(file);
        fs::copy(from, project.path().join(file)).unwrap();
    }
    project
}

fn originator(cluster: &Cluster, project: &Project, words: &[&str]) -> Command {
    let mut command = cluster.home().command("gorgon-originator");
    command.args(words).current_dir(project.path());
    command
}

#[test]
fn a_whole_job_runs_over_tls_with_certificates_on_both_sides() {
    let mut cluster = Cluster::start_at(node(), &[]);
    let certificates = cluster.node().certificates();
    let directory = cluster.home().path().join("run/a");
    fs::create_dir_all(&directory).unwrap();
    for file in ["ca.pem", "client.pem", "client.key"] {
        fs::copy(certificates.file(file), directory.join(file)).unwrap();
    }
    let relative = json!({ "ca": "ca.pem", "cert": "client.pem", "key": "client.key" });
    let mut theirs = connection(&cluster, cluster.node().tls_port(), &relative);
    theirs["password"] = cluster.node().password().into();
    // As somebody starts it in the directory of its configuration, which it finds there itself.
    cluster.start_host_as("a", 2, &json!({ "connection": theirs }), |command| {
        let mut plain = Command::new(command.get_program());
        plain.current_dir(command.get_current_dir().unwrap());
        plain.env_clear();
        plain.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let log = fs::File::create(directory.join("listener.log")).unwrap();
        plain.stderr(log);
        plain
    });
    cluster.wait_for_listener("a");
    let ours = connection(&cluster, cluster.node().tls_port(), &relative);
    let project = project(&cluster, &ours);
    let run = run::start(cluster.home(), &project, &[]).finished(run::RUN_LIMIT);
    run.exited(0).verdict("spec/a_spec.rb", "passed");
    cluster.assert_nothing_left();
}

#[test]
fn every_form_of_the_configuration_reaches_the_broker() {
    let cluster = Cluster::start_at(node(), &[("a", 1)]);
    let (user, password) = (cluster.node().user(), cluster.node().password());
    let (vhost, port) = (cluster.vhost().name(), cluster.node().tls_port());
    let ours = json!({ "ca": "ca.pem", "cert": "client.pem", "key": "client.key" });
    let older = json!({ "ca": "ca.pem", "cert_chain_file": "client.pem", "private_key_file": "client.key" });
    // Without an authority of its own it trusts the system's, and needs no certificate here.
    let lenient = cluster.node().listen_as("server");
    let mut ssl = connection(&cluster, port, &Value::Null);
    ssl["ssl"] = older;
    let url = format!(
        "amqps://{user}:{password}@localhost:{port}/{vhost}?cacertfile=ca.pem&certfile=client.pem&keyfile=client.key"
    );
    for (form, connection) in [
        ("tls", connection(&cluster, port, &ours)),
        ("ssl", ssl),
        ("true", connection(&cluster, lenient, &json!(true))),
        ("url", json!({ "url": url })),
        (
            "url with tls",
            json!({ "url": format!("amqps://{user}@localhost:{port}/{vhost}"), "tls": ours }),
        ),
    ] {
        let project = project(&cluster, &connection);
        let mut ping = originator(&cluster, &project, &["ping"]);
        ping.env("SSL_CERT_FILE", cluster.node().certificates().ca());
        let said = command::run(ping, BOUND, b"")
            .unwrap_or_else(|error| panic!("{form}: {error} {:?}", error.said()));
        assert!(said.stdout.contains("a "), "{form}: {}", said.stdout);
    }
    let project = project(&cluster, &json!({}));
    let mut ping = originator(&cluster, &project, &["ping"]);
    ping.env("GORGON_BROKER_URL", url);
    command::run(ping, BOUND, b"").unwrap();
}

/// Runs a command to its refusal, and returns the message.
fn refused(what: &str, command: Command) -> String {
    let begun = Instant::now();
    let error = command::run(command, BOUND, b"").unwrap_err();
    let CommandError::Ended { .. } = error else {
        panic!("{what}: {error} after {:?}", begun.elapsed());
    };
    let said = error.said().unwrap();
    assert!(
        error.to_string().ends_with("exit status 3"),
        "{what}: {error} {}",
        said.stderr
    );
    let lines: Vec<&str> = said.stderr.lines().collect();
    let first = lines
        .iter()
        .position(|line| line.starts_with("gorgon-"))
        .unwrap_or_else(|| panic!("{what}: {lines:#?}"));
    // What, why, and what to do: a line each.
    assert!(lines.len() - first <= 3, "{what}: {lines:#?}");
    let told = lines[first..].join("\n");
    println!("{what}: {told}");
    told
}

#[test]
fn a_certificate_that_is_not_right_is_one_clear_line() {
    let mut cluster = Cluster::start_at(node(), &[]);
    let node = cluster.node();
    let certificates = node.certificates();
    let server = "extendedKeyUsage=serverAuth\nsubjectAltName=";
    certificates.issue(
        "expired",
        &format!("{server}DNS:localhost,IP:127.0.0.1\n"),
        -1,
    );
    certificates.issue("elsewhere", &format!("{server}DNS:mq.example\n"), 30);
    let (expired, elsewhere) = (node.listen_as("expired"), node.listen_as("elsewhere"));
    let other = cluster.home().fresh("other-authority");
    fs::create_dir(&other).unwrap();
    let other = integration::rabbit::Certificates::make(&other);
    let ours = |ca: &std::path::Path| json!({ "ca": ca, "cert": certificates.client_cert(), "key": certificates.client_key() });
    let good = ours(&certificates.ca());
    for (what, port, tls, words) in [
        (
            "another authority",
            node.tls_port(),
            ours(&other.ca()),
            "self-signed certificate",
        ),
        (
            "an expired certificate",
            expired,
            good.clone(),
            "certificate has expired",
        ),
        (
            "a certificate of another host",
            elsewhere,
            good.clone(),
            "mismatch",
        ),
        (
            "no certificate of ours",
            node.tls_port(),
            json!({ "ca": certificates.ca() }),
            // What TLS 1.3 says of it may be lost with the connection; the hint tells then.
            "certificate of yours",
        ),
        ("no authority", node.tls_port(), json!(true), "certificate"),
    ] {
        let connection = connection(&cluster, port, &tls);
        let project = project(&cluster, &connection);
        for words_of_command in [&["ping"][..], &["--wait", "2"]] {
            let told = refused(what, originator(&cluster, &project, words_of_command));
            assert!(
                told.contains(words) && told.contains("127.0.0.1"),
                "{what}: {told}"
            );
        }
        // A daemon goes on trying: the broker's certificate may be renewed. It says so once.
        let mut theirs = connection.clone();
        theirs["password"] = node.password().into();
        cluster.start_host("b", 1, &json!({ "connection": theirs }));
        let told = until(what, BOUND, || {
            let log = cluster.host("b").log();
            let told = log.lines().find(|line| line.contains("trying again"));
            told.map(str::to_owned).ok_or(log)
        });
        assert!(
            told.contains("agree on TLS with the broker at 127.0.0.1"),
            "{what}: {told}"
        );
        cluster.host("b").signal(gorgon_process::Signal::Term);
        assert_eq!(cluster.host("b").ended(BOUND), End::Exited(0));
    }
    let url = format!(
        "amqp://{}:{}@127.0.0.1:{}",
        node.user(),
        node.password(),
        node.tls_port()
    );
    let mut plain = originator(&cluster, &project(&cluster, &json!({})), &["ping"]);
    plain.env("GORGON_BROKER_URL", url);
    let told = refused("clear text to the port of TLS", plain);
    assert!(told.contains("tls"), "{told}");
}
