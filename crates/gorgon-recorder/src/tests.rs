//! The library in real processes: what they look at is in the recording, and they run as without it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{Did, LIBRARY, Places, Recording, Unusable, check, seal};
use tempfile::TempDir;

struct Place {
    root: PathBuf,
    recording: File,
    _place: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        fs::write(root.join("recorder.so"), LIBRARY).unwrap();
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .clone();
        let recording = options.open(root.join("recording")).unwrap();
        Recording::begin(&recording).unwrap();
        Self {
            root,
            recording,
            _place: place,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test that waits for a program that ends"
    )]
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(&self.root)
            .env("LD_PRELOAD", self.root.join("recorder.so"))
            .env("GORGON_RECORDING", self.root.join("recording"))
            .output()
            .unwrap()
    }

    fn close(&self) -> Result<Recording, Unusable> {
        Recording::close(&self.recording).unwrap();
        Recording::of(&self.recording)
    }

    fn did(&self, recording: &Recording, name: &str) -> Vec<Did> {
        let path = self.root.join(name);
        recording
            .notes
            .iter()
            .filter(|note| note.path == path)
            .map(|note| note.did)
            .collect()
    }
}

#[test]
fn reads_and_failed_lookups_of_a_program_and_of_what_it_starts_are_recorded() {
    let place = Place::new();
    fs::write(place.root.join("read"), "text").unwrap();
    fs::create_dir(place.root.join("listed")).unwrap();
    std::os::unix::fs::symlink("read", place.root.join("link")).unwrap();
    let script = "cat read link; cat none 2>/dev/null; ls listed; echo x > wrote; echo x >> added; test -e asked; env sh -c 'cat deeper' 2>/dev/null; echo end";
    let output = place.run("sh", &["-c", script]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "texttextend\n");
    let recording = place.close().unwrap();
    for (name, expected) in [
        ("read", &[Did::Read][..]),
        ("link", &[Did::Read, Did::Followed]),
        ("none", &[Did::Read]),
        ("wrote", &[Did::Put]),
        ("added", &[Did::Wrote]),
        ("asked", &[Did::Asked]),
        ("deeper", &[Did::Read]),
        ("other", &[]),
    ] {
        assert_eq!(place.did(&recording, name), expected, "{name}");
    }
    assert!(place.did(&recording, "listed").contains(&Did::Read));
    assert!(
        recording
            .notes
            .iter()
            .any(|note| note.path.ends_with("bin/cat"))
    );
}

#[test]
fn ruby_is_recorded_and_runs_as_without_it() {
    let place = Place::new();
    fs::create_dir(place.root.join("lib")).unwrap();
    fs::write(
        place.root.join("lib/a.rb"),
        "begin; require 'b'; rescue LoadError; end\nDir.children('lib')",
    )
    .unwrap();
    let code = "$:.unshift('lib'); require 'a'; File.exist?('.env'); puts `cat lib/a.rb | wc -l; true`; \
                system({ 'A' => '1' }, 'echo $A 2>&1'); begin; system('no-such-program'); end; fork { File.exist?('forked') }; \
                Process.wait; Thread.new { File.stat('none') rescue 1 }.join; p File.exist?('recorder.so')";
    let output = place.run("ruby", &["-e", code]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "1\n1\ntrue\n",
        "{output:?}"
    );
    let recording = place.close().unwrap();
    assert!(place.did(&recording, "lib").contains(&Did::Read));
    for name in ["lib/a.rb", "lib/b.rb", ".env", "forked", "none"] {
        assert!(!place.did(&recording, name).is_empty(), "{name}");
    }
    assert_eq!(recording.threads, Vec::<String>::new());
    let places = Places {
        project: place.root.clone(),
        ..Places::default()
    };
    // What was written just now is as if it were written meanwhile.
    let text = seal(&recording, &places, &[])
        .map_or_else(|it| it.to_string(), |proof| format!("{:?}", check(&proof)));
    assert!(
        text == "None" || text.contains("while it was loaded"),
        "{text}"
    );
}

#[test]
fn a_program_that_is_not_recorded_and_a_recording_that_is_closed() {
    let place = Place::new();
    let output = place.run("env", &["-u", "LD_PRELOAD", "true"]);
    assert!(output.status.success());
    assert_eq!(place.close().unwrap_err(), Unusable::Program);
    // Closed: whoever begins now records nothing.
    let place = Place::new();
    place.run("true", &[]);
    let before = place.close().unwrap();
    assert!(place.run("cat", &["none"]).stdout.is_empty());
    assert_eq!(Recording::of(&place.recording).unwrap(), before);
    assert!(Path::new("/proc/self").exists());
}
