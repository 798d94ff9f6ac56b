use std::io::Write;
use std::net::TcpListener;

use gorgon_process::exit::{Hint, chain, describe};

use super::*;

#[test]
fn addresses_are_tried_in_order() {
    let pair = Pair::new();
    // One refuses, one is something else.
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let foreign_port = foreign.local_addr().unwrap().port();
    std::thread::Builder::new()
        .spawn(move || {
            let (mut stream, _) = foreign.accept().unwrap();
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        })
        .unwrap();
    let serve = pair.serve();
    let mut source = serve.source(&["127.0.0.1".to_owned(), "localhost".to_owned()]);
    source.addresses.insert(0, "127.0.0.1:1".to_owned());
    source
        .addresses
        .insert(1, format!("127.0.0.1:{foreign_port}"));
    let report = pull(&source, &pair.cache(), &Bounds::within(LIMIT)).unwrap();
    assert!(
        report
            .pulled_from
            .unwrap()
            .ends_with(&format!("@127.0.0.1:{}", serve.port()))
    );
}

#[test]
fn no_address_at_all_is_named_with_each_cause() {
    let pair = Pair::new();
    let serve = pair.serve();
    let mut source = serve.source(&["127.0.0.1".to_owned()]);
    source.addresses.insert(0, "127.0.0.1:1".to_owned());
    source.password = Some("wrong".to_owned());
    let error = pull(&source, &pair.cache(), &Bounds::within(LIMIT)).unwrap_err();
    let text = describe("g", &error, error.hint().as_deref());
    let own = format!("127.0.0.1:{}", serve.port());
    assert!(
        text.starts_with(&format!(
            "g: pull the source from the originator at 127.0.0.1:1, {own}\n"
        )),
        "{text}"
    );
    assert!(text.contains("127.0.0.1:1: rsync: "), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(
        text.contains(&format!("{own}: @ERROR: auth failed on module meta")),
        "{text}"
    );
    assert!(
        text.contains("hint: set `advertise` in gorgon.json"),
        "{text}"
    );
    assert!(
        !text.contains("wrong"),
        "the password is shown nowhere: {text}"
    );
    assert_eq!(error.exit(), 2);
}

#[test]
fn a_server_that_never_answers_is_left_at_the_limit() {
    let pair = Pair::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut source = pair.serve().source(&["127.0.0.1".to_owned()]);
    source.addresses = vec![silent.local_addr().unwrap().to_string()];
    let short = Bounds::within(Duration::from_millis(500));
    let error = pull(&source, &pair.cache(), &short).unwrap_err();
    assert!(
        chain(&error).contains("was killed after"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_cancelled_pull_ends_at_once() {
    let pair = Pair::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut source = pair.serve().source(&["127.0.0.1".to_owned()]);
    source.addresses = vec![silent.local_addr().unwrap().to_string()];
    let bounds = Bounds {
        cancel: crossbeam_channel::bounded(0).1,
        ..Bounds::within(LIMIT)
    };
    let error = pull(&source, &pair.cache(), &bounds).unwrap_err();
    assert!(matches!(error, SyncError::Cancelled), "{error}");
}

#[test]
fn a_source_that_could_be_taken_for_something_else_is_refused() {
    let pair = Pair::new();
    let good = pair.serve().source(&["127.0.0.1".to_owned()]);
    let path = |text: &str| Source {
        kind: SourceKind::Path,
        source_tree_path: Some(text.to_owned()),
        ..Source::default()
    };
    let none = Source {
        addresses: vec![],
        ..good.clone()
    };
    let bad = Source {
        addresses: vec!["x@evil:1/..".to_owned()],
        ..good.clone()
    };
    let user = Source {
        user: Some("a@b/".to_owned()),
        ..good
    };
    for source in [
        none,
        bad,
        user,
        path("-e sh"),
        path("-oProxyCommand=x:y"),
        Source::default(),
    ] {
        let error = pull(&source, &pair.cache(), &Bounds::within(LIMIT)).unwrap_err();
        assert!(matches!(error, SyncError::Source { .. }), "{error}");
    }
}
