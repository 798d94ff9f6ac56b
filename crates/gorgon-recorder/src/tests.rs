//! The library in real processes: what they look at is in the recording, and they run as without it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{Did, LIBRARY, Places, Recording, Started, Unusable, check, programs_tried, seal};
use tempfile::TempDir;

struct Place {
    root: PathBuf,
    recording: File,
    started: RefCell<Option<Started>>,
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
            started: RefCell::new(None),
            _place: place,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test that waits for a program that ends"
    )]
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&self.root)
            .env("LD_PRELOAD", self.root.join("recorder.so"))
            .env("GORGON_RECORDING", self.root.join("recording"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let path = std::env::var("PATH").ok();
        let tried = programs_tried(program, path.as_deref(), &self.root);
        self.started.borrow_mut().get_or_insert(Started {
            pid: child.id(),
            program: tried.last().unwrap().clone(),
        });
        child.wait_with_output().unwrap()
    }

    fn close(&self) -> Result<Recording, Unusable> {
        Recording::close(&self.recording).unwrap();
        Recording::of(&self.recording, self.started.borrow().as_ref().unwrap())
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
    let started = place.started.borrow();
    let after = Recording::of(&place.recording, started.as_ref().unwrap());
    assert_eq!(after.unwrap(), before);
    assert!(Path::new("/proc/self").exists());
}

/// A program in C.
fn compiled(place: &Place, name: &str, code: &str, options: &[&str]) -> PathBuf {
    let (source, program) = (place.root.join("source.c"), place.root.join(name));
    fs::write(&source, code).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test that waits for a program that ends"
    )]
    let built = Command::new("cc")
        .args(options)
        .arg("-o")
        .args([&program, &source])
        .status()
        .unwrap();
    assert!(built.success(), "a C compiler with a static C library");
    program
}

const BECOMES: &str =
    "#include <unistd.h>\nint main(int n, char **a) { return execv(a[1], a + 1); }\n";

#[test]
fn a_program_without_the_library_that_becomes_another_one_does_not_count_as_that_one() {
    let place = Place::new();
    let launcher = compiled(&place, "launcher", BECOMES, &["-static"]);
    let launcher = launcher.to_str().unwrap();
    place.run(launcher, &["/bin/true"]);
    assert_eq!(place.close().unwrap_err(), Unusable::Launcher);
    for script in ["\"$0\" /bin/true", "exec \"$0\" /bin/true"] {
        let place = Place::new();
        place.run("sh", &["-c", script, launcher]);
        assert_eq!(place.close().unwrap_err(), Unusable::Program, "{script}");
    }
    // A script whose interpreter it is.
    let place = Place::new();
    let script = place.root.join("script");
    fs::write(&script, format!("#!{launcher} /bin/true\n")).unwrap();
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, runs).unwrap();
    place.run("sh", &["-c", "./script; true"]);
    assert_eq!(place.close().unwrap_err(), Unusable::Program);
}

/// Each way to start a program in a process that is recorded.
#[test]
fn programs_are_recorded_however_they_are_started() {
    let place = Place::new();
    let code = "system('true'); system(['true', 'x']); `true`; spawn('sh', '-c', 'exec true'); Process.waitall; \
                IO.popen(['env', 'true']).close; system('sh', '-c', 'true; env env true')";
    let output = place.run("ruby", &["-e", code]);
    assert!(output.status.success(), "{output:?}");
    place.close().unwrap();
}

#[test]
fn a_program_that_is_found_later_in_path_was_looked_for_earlier() {
    let place = Place::new();
    let first = place.root.join("first");
    fs::create_dir(&first).unwrap();
    let script = format!(
        "PATH={}:$PATH; env true; ruby -e 'exec \"true\"'",
        first.display()
    );
    place.run("sh", &["-c", &script]);
    let recording = place.close().unwrap();
    for name in ["env", "true", "ruby"] {
        let path = format!("first/{name}");
        assert!(!place.did(&recording, &path).is_empty(), "{name}");
    }
}

#[test]
fn paths_by_the_kernels_own_links_are_those_they_lead_to() {
    let place = Place::new();
    fs::create_dir(place.root.join("inner")).unwrap();
    for name in ["a", "b", "c", "inner/d"] {
        fs::write(place.root.join(name), "").unwrap();
    }
    let code = "File.read('/proc/self/cwd/a'); File.read(\"/proc/self/root#{Dir.pwd}/b\"); \
                Dir.open('inner') { |it| File.read(\"/dev/fd/#{it.fileno}/d\") }; File.open('c') { |it| File.readlink(\"/proc/self/fd/#{it.fileno}\") }";
    let output = place.run("ruby", &["-e", code]);
    assert!(output.status.success(), "{output:?}");
    let recording = place.close().unwrap();
    for name in ["a", "b", "inner/d"] {
        assert_eq!(place.did(&recording, name), [Did::Read], "{name}");
    }
    // Once opened; where its descriptor leads is not a look at it.
    assert_eq!(place.did(&recording, "c"), [Did::Read]);
}

#[test]
fn what_is_in_a_file_before_it_is_written_and_the_names_of_a_directory_are_recorded() {
    let place = Place::new();
    fs::create_dir(place.root.join("listed")).unwrap();
    for name in ["same", "other", "added", "listed/a"] {
        fs::write(place.root.join(name), "12").unwrap();
    }
    let code = "sleep 0.05; %w[same other added].each { |it| File.read(it) }; Dir.children('listed'); \
                File.write('same', '12'); File.write('other', '13'); File.write('added', '3', mode: 'a'); File.write('listed/b', '')";
    let output = place.run("ruby", &["-e", code]);
    assert!(output.status.success(), "{output:?}");
    let recording = place.close().unwrap();
    let places = Places {
        project: place.root.clone(),
        ..Places::default()
    };
    let told = |only: &str| {
        let mut of_one = recording.clone();
        of_one
            .notes
            .retain(|note| note.path.starts_with(place.root.join(only)));
        seal(&of_one, &places, &[]).map_or_else(|it| it.to_string(), |_| "kept".to_owned())
    };
    assert_eq!(told("same"), "kept");
    for name in ["other", "added", "listed"] {
        assert_eq!(told(name), format!("{name} changed while it was loaded"));
    }
}

#[test]
fn the_file_of_a_time_zone_is_recorded() {
    let place = Place::new();
    let code =
        "ENV['TZ'] = 'Europe/Berlin'; Time.now.to_s; system({ 'TZ' => ':Asia/Tokyo' }, 'true')";
    place.run("ruby", &["-e", code]);
    let recording = place.close().unwrap();
    for zone in ["Europe/Berlin", "Asia/Tokyo"] {
        let path = Path::new("/usr/share/zoneinfo").join(zone);
        assert!(
            recording.notes.iter().any(|note| note.path == path),
            "{zone}"
        );
    }
}

/// Each is a call that only a program in C makes.
#[test]
fn calls_that_ruby_does_not_make_are_recorded_or_refused() {
    const START: &str = "#define _GNU_SOURCE\n#include <dirent.h>\n#include <dlfcn.h>\n#include <fcntl.h>\n#include <fts.h>\n#include <unistd.h>\n#include <wordexp.h>\nextern char **environ;\nint main(void) { ";
    for (code, expected) in [
        (
            "struct dirent **l; return scandirat(AT_FDCWD, \"listed\", &l, 0, alphasort) != 3;",
            Ok(Did::Read),
        ),
        ("return access(\"listed\", F_OK);", Ok(Did::Asked)),
        (
            "return dlmopen(LM_ID_NEWLM, \"./listed\", RTLD_NOW) != 0;",
            Ok(Did::Read),
        ),
        (
            "char *a[] = {\"true\", 0}; access(\"listed\", 0); return execveat(open(\"/bin\", O_PATH), \"true\", a, environ, 0);",
            Ok(Did::Asked),
        ),
        (
            "char *a[] = {\"true\", 0}; access(\"listed\", 0); return fexecve(open(\"/bin/true\", O_PATH), a, environ);",
            Ok(Did::Asked),
        ),
        (
            "wordexp_t w; return wordexp(\"list*\", &w, 0);",
            Err(Unusable::Call),
        ),
        (
            "char *p[] = {\"listed\", 0}; return fts_open(p, FTS_PHYSICAL, 0) == 0;",
            Err(Unusable::Call),
        ),
    ] {
        let place = Place::new();
        fs::create_dir(place.root.join("listed")).unwrap();
        fs::write(place.root.join("listed/a"), "").unwrap();
        let program = compiled(
            &place,
            "program",
            &format!("{START}{code} }}\n"),
            &["-D_FILE_OFFSET_BITS=64"],
        );
        let output = place.run(program.to_str().unwrap(), &[]);
        assert!(output.status.success(), "{code}: {output:?}");
        match (place.close(), expected) {
            (Ok(recording), Ok(did)) => {
                assert!(place.did(&recording, "listed").contains(&did), "{code}")
            }
            (found, expected) => assert_eq!(found.err(), expected.err(), "{code}"),
        }
    }
}
