use super::*;
use crate::recording::{Did, Note};
use std::time::Instant;

fn recording(paths: &[PathBuf]) -> Recording {
    let clock = Time {
        seconds: i64::MAX,
        nanoseconds: 0,
    };
    let note = |path: &PathBuf| Note {
        path: path.clone(),
        did: Did::Read,
        seen: Kernel.look(path).itself,
        clock,
        content: None,
    };
    Recording {
        notes: paths.iter().map(note).collect(),
        threads: Vec::new(),
    }
}

#[test]
fn ten_thousand_paths_take_a_few_hundredths_of_a_second() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().canonicalize().unwrap();
    let mut paths = Vec::new();
    for directory in 0..100 {
        let directory = root.join(format!("d{directory}"));
        fs::create_dir(&directory).unwrap();
        for file in 0..100 {
            let path = directory.join(format!("f{file}.rb"));
            fs::write(&path, "1").unwrap();
            paths.push(path);
        }
        paths.push(directory.join("none.rb"));
    }
    let places = Places {
        project: root.clone(),
        ..Places::default()
    };
    let proof = seal(&recording(&paths), &places, &[]).unwrap();
    let begun = Instant::now();
    assert_eq!(check(&proof), None);
    eprintln!("{} paths in {:?}", proof.paths(), begun.elapsed());
    fs::write(root.join("d7/none.rb"), "").unwrap();
    assert_eq!(check(&proof).unwrap().to_string(), "d7/none.rb is new");
}

#[test]
fn a_link_that_leads_elsewhere_and_a_target_that_changes_are_seen() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().canonicalize().unwrap();
    let at = |name: &str| root.join(name);
    fs::write(at("one"), "1").unwrap();
    fs::write(at("two"), "1").unwrap();
    std::os::unix::fs::symlink("one", at("link")).unwrap();
    let places = Places {
        project: root.clone(),
        ..Places::default()
    };
    let mut recording = recording(&[at("link")]);
    let target = Note {
        did: Did::Followed,
        seen: Kernel.look(&at("one")).itself,
        ..recording.notes[0].clone()
    };
    recording.notes.push(target);
    let proof = seal(&recording, &places, &[]).unwrap();
    assert_eq!(check(&proof), None);
    fs::write(at("one"), "22").unwrap();
    assert_eq!(check(&proof).unwrap().to_string(), "link changed");
}

#[test]
fn a_program_is_looked_for_in_each_directory_of_path() {
    let place = tempfile::tempdir().unwrap();
    for directory in ["a", "b", "c"] {
        fs::create_dir(place.path().join(directory)).unwrap();
        fs::write(place.path().join(directory).join("x"), "").unwrap();
    }
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.path().join("c/x"), runs).unwrap();
    let tried = |program, path| programs_tried(program, path, place.path());
    assert_eq!(
        tried("x", Some("a:none/:c:b")),
        paths(&["a/x", "none//x", "c/x"])
    );
    assert_eq!(tried("./x", Some("a:c")), paths(&["./x"]));
    assert_eq!(
        tried("no-such", None),
        paths(&["/bin/no-such", "/usr/bin/no-such"])
    );
    assert_eq!(tried("x", Some("")), paths(&["x"]));
}

fn paths(all: &[&str]) -> Vec<PathBuf> {
    all.iter().map(PathBuf::from).collect()
}
