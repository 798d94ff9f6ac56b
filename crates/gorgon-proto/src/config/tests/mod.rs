//! Readers of the configuration: what they take, and the faults that they name.

use std::time::Duration;

use super::*;
use crate::job::{Isolation, WorkspaceMode};

mod configs;
mod samples;

fn project_of(text: &str) -> Result<Read<ProjectConfig>, String> {
    project::read(
        Some(Text {
            file: "gorgon.json",
            text,
        }),
        None,
    )
    .map_err(|e| e.to_string())
}

fn fault(text: &str) -> String {
    project_of(text).expect_err(text)
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn on(host: &str) -> Connection {
    Connection {
        host: host.into(),
        ..Connection::default()
    }
}

#[test]
fn faults_are_one_line_with_the_place() {
    for (text, expected) in [
        (
            "",
            "gorgon.json:1:1: expected an object, found nothing but blanks and comments",
        ),
        (
            "[]",
            "gorgon.json:1:1: expected an object for the file, found an array",
        ),
        (
            "{\n  \"files\": \"spec\"\n}",
            "gorgon.json:2:3: expected an array of strings for \"files\", found a string",
        ),
        (
            "{\"files\": [1]}",
            "gorgon.json:1:12: expected a string for \"files[0]\", found the number 1",
        ),
        (
            "{\"job\": {\"callbacks\": []}}",
            "gorgon.json:1:10: expected an object for \"job.callbacks\", found an array",
        ),
        (
            "{\"job\": null, \"connection\": {\"port\": 70000}}",
            "gorgon.json:1:30: expected a whole number from 1 to 65535 for \"connection.port\", found the number 70000",
        ),
        (
            "{\"isolation\": \"process\"}",
            "gorgon.json:1:2: expected \"worker\" or \"file\" for \"isolation\", found \"process\"",
        ),
        (
            "{\"retries\": -1}",
            "gorgon.json:1:2: expected a whole number from 0 to 100 for \"retries\", found the number -1",
        ),
        (
            "{\"ruby\": \"ruby 'x\"}",
            "gorgon.json:1:2: a quote in \"ruby\" is not closed",
        ),
        (
            "{\"ruby\": []}",
            "gorgon.json:1:2: \"ruby\" names no command",
        ),
        (
            "{\"file_timeout\": \"1\"}",
            "gorgon.json:1:2: expected a number of seconds for \"file_timeout\", found a string",
        ),
        (
            "{\"env\": {\"A\": []}}",
            "gorgon.json:1:10: expected a string or null for \"env.A\", found an array",
        ),
        (
            "{\"env\": {\"A=B\": \"1\"}}",
            "gorgon.json:1:10: \"A=B\" is no name of a variable",
        ),
        (
            "{\"connection\": {\"url\": \"http://u:hidden@x\"}}",
            "gorgon.json:1:17: \"connection.url\" is no URL of a broker: expected amqp or amqps, found http",
        ),
        (
            "{\"a\": 1 \"b\": 2}",
            "gorgon.json:1:8: a comma is missing here, before \"b\"",
        ),
        (
            "{\"a\": 1 // note, with a comma\n \"b\": 2}",
            "gorgon.json:1:8: a comma is missing here, before \"b\" on line 2",
        ),
        (
            "{\"files\": [\"ä//*\" \"b\"]}",
            "gorgon.json:1:18: a comma is missing here, before \"b\"",
        ),
        (
            "{\"files\": [",
            "gorgon.json:1:11: the array that begins here is not closed by ]",
        ),
        (
            "{",
            "gorgon.json:1:1: the object that begins here is not closed by }",
        ),
        (
            "{} {}",
            "gorgon.json:1:4: expected the end of the file, found {",
        ),
        (
            "{'a': 1}",
            "gorgon.json:1:2: single-quoted strings are not allowed",
        ),
        (
            "{a: 1}",
            "gorgon.json:1:2: expected a key in double quotes, found a",
        ),
        (
            "/* x",
            "gorgon.json:1:1: the comment that begins here is not closed by */",
        ),
    ] {
        assert_eq!(fault(text), expected, "{text}");
    }
}

#[test]
fn new_keys_are_read() {
    let text = r#"{
        "ruby": "docker run --rm 'my image' ruby",
        "isolation": "file", "workspace": "slot", "coverage": true,
        "file_timeout": 1.5, "callback_timeout": 30, "retries": 2, "split_over": 0,
        "env": {"A": "1", "B": null, "C": 3, "TEST_ENV_NUMBER": null,},
        "artifacts": ["coverage/**"], "advertise": "10.0.0.1", "host_name": "me",
        "job_secret": "s", "cluster_id": "", // none
    }"#;
    let config = project_of(text).unwrap().config;
    assert_eq!(config.coverage, Some(true));
    assert_eq!(project_of("{}").unwrap().config.coverage, None);
    assert_eq!(
        config.ruby,
        Some(strings(&["docker", "run", "--rm", "my image", "ruby"]))
    );
    assert_eq!(
        (config.isolation, config.workspace),
        (Isolation::File, WorkspaceMode::Slot)
    );
    assert_eq!(config.file_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(config.callback_timeout, Duration::from_secs(30));
    assert_eq!(
        (config.retries, config.split_over),
        (2, Some(Duration::ZERO))
    );
    assert_eq!(config.env["A"].as_deref(), Some("1"));
    assert_eq!(config.env["TEST_ENV_NUMBER"], None);
    assert_eq!(config.env["C"].as_deref(), Some("3"));
    assert_eq!(config.advertise, strings(&["10.0.0.1"]));
    assert_eq!(config.cluster_id, None);
    assert_eq!(config.job_secret, Some(Secret("s".into())));
    assert!(!format!("{:?}", config.job_secret).contains("\"s\""));
}

#[test]
fn the_secret_file_merges_deeply_and_names_itself_in_errors() {
    let main = r#"{"connection": {"host": "a", "pass": "x"}, "files": ["a", "b"]}"#;
    let read = |secret: &str| {
        project::read(
            Some(Text {
                file: "gorgon.json",
                text: main,
            }),
            Some(Text {
                file: "gorgon_secret.json",
                text: secret,
            }),
        )
    };
    let config = read(r#"{"connection": {"password": "y"}, "files": ["c"]}"#)
        .unwrap()
        .config;
    assert_eq!(config.connection.host, "a");
    assert_eq!(
        config.connection.password,
        Secret("y".into()),
        "an alias counts too"
    );
    assert_eq!(config.files, Some(strings(&["c"])), "arrays are replaced");
    let error = read("{\"connection\":\n {\"password\": 1}}")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "gorgon_secret.json:2:3: expected a string for \"connection.password\", found the number 1"
    );
    let warnings = read(r#"{"conection": {}}"#).unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "gorgon_secret.json:1:2: the key \"conection\" is not known; the nearest known one is \"connection\""
        ]
    );
}

#[test]
fn urls_are_read() {
    let read = |url: &str| Connection::from_url(url, "GORGON_BROKER_URL");
    let full = read("amqps://u%40x:p%3A%2F@mq.example:1234/my%2Fhost?heartbeat=9").unwrap();
    assert_eq!(
        full,
        Connection {
            host: "mq.example".into(),
            port: 1234,
            user: "u@x".into(),
            password: Secret("p:/".into()),
            vhost: "my/host".into(),
            heartbeat: Duration::from_secs(9),
            tls: Some(Tls::default()),
            ..Connection::default()
        }
    );
    for (url, address, vhost) in [
        ("amqp://", "127.0.0.1:5672", "/"),
        ("amqp://mq", "mq:5672", "/"),
        ("amqp://mq/", "mq:5672", "/"),
        ("amqps://mq/v", "mq:5671", "v"),
        ("amqp://[::1]:99", "[::1]:99", "/"),
    ] {
        let connection = read(url).unwrap();
        assert_eq!(
            (connection.address().as_str(), connection.vhost.as_str()),
            (address, vhost)
        );
    }
    let fault = read("amqp://u:hidden@mq:port").unwrap_err().to_string();
    assert_eq!(
        fault,
        "GORGON_BROKER_URL: no URL of a broker: the port is no number from 1 to 65535"
    );
}

#[test]
fn tls_is_read_in_each_form() {
    let connection = |text: &str| project_of(text).unwrap().config.connection;
    assert_eq!(
        connection(r#"{"connection": {"ssl": true}}"#).tls,
        Some(Tls::default())
    );
    assert_eq!(connection(r#"{"connection": {"tls": false}}"#).port, 5672);
    assert_eq!(
        connection(r#"{"connection": {"tls": true, "port": "5999"}}"#).port,
        5999
    );
    let text = r#"{"connection": {"tls": {"ca": "ca.pem", "cert": "/c.pem"}}}"#;
    let read = project::read(
        Some(Text {
            file: "/etc/gorgon/gorgon.json",
            text,
        }),
        None,
    )
    .unwrap();
    let tls = read.config.connection.tls.unwrap();
    assert_eq!(
        tls.ca,
        Some("/etc/gorgon/ca.pem".into()),
        "relative to the file"
    );
    assert_eq!(tls.cert, Some("/c.pem".into()));
}

#[test]
fn a_listener_configuration_that_we_write_is_read_back() {
    let config = ListenerConfig {
        connection: Connection {
            password: Secret("p\"ass".into()),
            heartbeat: Duration::from_millis(1500),
            tls: Some(Tls {
                ca: Some("/ca.pem".into()),
                ..Tls::default()
            }),
            ..on("mq")
        },
        worker_slots: Some(2),
        workspace_dir: Some("/var/tmp/gorgon".into()),
        cache_limit_bytes: Some(1 << 40),
        job_secret: Some(Secret("s".into())),
        ..ListenerConfig::default()
    };
    for config in [config, ListenerConfig::default()] {
        let text = config.to_text();
        let read = listener::read(Text {
            file: "/tmp/x/listener.json",
            text: &text,
        })
        .unwrap();
        assert_eq!(
            read,
            Read {
                config,
                warnings: Vec::new()
            }
        );
    }
}

#[test]
fn sizes_of_the_cache_are_read() {
    let limit = |value: &str| {
        listener::read(Text {
            file: "l",
            text: &format!("{{\"cache_limit\": {value}}}"),
        })
        .map(|read| read.config.cache_limit_bytes)
        .map_err(|error| error.to_string())
    };
    assert_eq!(limit("1000"), Ok(Some(1000)));
    assert_eq!(limit("\"20G\""), Ok(Some(20 << 30)));
    assert_eq!(limit("\"5 MB\""), Ok(Some(5 << 20)));
    assert!(
        limit("\"lots\"")
            .unwrap_err()
            .starts_with("l:1:2: expected bytes")
    );
    assert!(limit("\"99999999999999T\"").is_err());
}
