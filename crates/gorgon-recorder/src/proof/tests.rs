use super::subject::number;
use super::*;
use crate::recording::Note;
use crate::recording::{Did, Recording};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A filesystem of a test: what is at each path, and a clock.
#[derive(Default, Clone)]
struct World {
    objects: RefCell<BTreeMap<PathBuf, (Stamp, u64)>>,
    clock: RefCell<i64>,
}

const FILE: u32 = 0o100_644;
const DIRECTORY: u32 = 0o040_755;

impl World {
    fn new() -> Self {
        let world = Self::default();
        for directory in [
            "/",
            "/home",
            "/app",
            "/app/config",
            "/app/tmp",
            "/app/log",
            "/gems",
        ] {
            world.put(directory, DIRECTORY);
        }
        world.tick();
        world
    }

    fn tick(&self) {
        *self.clock.borrow_mut() += 1;
    }

    fn now(&self) -> Time {
        Time {
            seconds: *self.clock.borrow(),
            nanoseconds: 1,
        }
    }

    /// Where its directory is not there, nothing can be made.
    fn put(&self, path: &str, mode: u32) {
        self.tick();
        let parent = Path::new(path).parent().map(|it| self.look(it).itself);
        if parent.is_some_and(|it| it.is_none_or(|it| !it.is_directory())) {
            return;
        }
        self.objects
            .borrow_mut()
            .retain(|it, _| !it.starts_with(path) || it == Path::new(path));
        let now = self.now();
        let inode = now.seconds.cast_unsigned();
        let stamp = Stamp {
            mode,
            inode,
            modified: now,
            changed: now,
            ..Stamp::default()
        };
        let new = self
            .objects
            .borrow_mut()
            .insert(path.into(), (stamp, inode))
            .is_none();
        if new {
            self.touch_parent(path);
        }
    }

    /// Another directory with the same content takes its place.
    fn replace(&self, path: &str) {
        self.tick();
        let inode = self.now().seconds.cast_unsigned();
        if let Some((stamp, _)) = self.objects.borrow_mut().get_mut(Path::new(path)) {
            stamp.inode = inode;
        }
        self.touch_parent(path);
    }

    /// In place: the same inode, size and, as `cp -p` would, the same time of modification.
    fn overwrite(&self, path: &str) {
        self.tick();
        let now = self.now();
        if let Some((stamp, content)) = self.objects.borrow_mut().get_mut(Path::new(path)) {
            stamp.changed = now;
            *content += 1;
        }
    }

    /// In place, with the same content.
    fn rewrite(&self, path: &str) {
        self.tick();
        let now = self.now();
        if let Some((stamp, _)) = self.objects.borrow_mut().get_mut(Path::new(path)) {
            (stamp.modified, stamp.changed) = (now, now);
        }
    }

    fn remove(&self, path: &str) {
        self.tick();
        if self.objects.borrow_mut().remove(Path::new(path)).is_some() {
            self.objects
                .borrow_mut()
                .retain(|it, _| !it.starts_with(path));
            self.touch_parent(path);
        }
    }

    fn touch_parent(&self, path: &str) {
        let now = self.now();
        if let Some(parent) = Path::new(path).parent()
            && let Some((stamp, _)) = self.objects.borrow_mut().get_mut(parent)
        {
            (stamp.modified, stamp.changed) = (now, now);
        }
    }

    fn noted(&self, did: Did, path: &Path) -> Option<u64> {
        let is_directory = self.look(path).itself?.is_directory();
        match did {
            Did::Read | Did::Asked if is_directory => Some(number(&self.names(path))),
            Did::Wrote | Did::Put if !is_directory => self.content(path),
            _ => None,
        }
    }

    fn note(&self, did: Did, path: &str) -> Note {
        let note = Note {
            path: path.into(),
            did,
            seen: self.look(Path::new(path)).itself,
            clock: self.now(),
            content: self.noted(did, Path::new(path)),
        };
        self.tick();
        note
    }
}

impl Eyes for World {
    fn look(&self, path: &Path) -> Look {
        Look {
            itself: self.objects.borrow().get(path).map(|it| it.0),
            target: None,
        }
    }

    fn names(&self, path: &Path) -> Names {
        let objects = self.objects.borrow();
        let within = objects.iter().filter(|(it, _)| it.parent() == Some(path));
        within
            .map(|(it, (stamp, _))| {
                let mut name = it.file_name().unwrap().as_encoded_bytes().to_vec();
                name.push(if stamp.is_directory() { b'd' } else { b'f' });
                name
            })
            .collect()
    }

    fn content(&self, path: &Path) -> Option<u64> {
        self.objects.borrow().get(path).map(|it| it.1)
    }
}

fn places() -> Places {
    Places {
        project: "/app".into(),
        busy: vec!["/home".into()],
        ours: vec!["/ours".into()],
    }
}

fn seal(world: &World, notes: Vec<Note>) -> Result<Proof, Difference> {
    let recording = Recording {
        notes,
        threads: Vec::new(),
    };
    let subjects = subjects(&recording, &places(), &[]);
    world.tick();
    Proof::seal(subjects, world.now(), &places(), world)
}

/// A boot does `did` at `path`, the world changes, and the next run says what it finds.
fn after(did: &[(Did, &str)], change: impl FnOnce(&World)) -> String {
    let world = World::new();
    for file in ["/app/config/routes.rb", "/app/log/test.log", "/gems/a.rb"] {
        world.put(file, FILE);
    }
    world.tick();
    let notes = did
        .iter()
        .map(|(did, path)| world.note(*did, path))
        .collect();
    let proof = seal(&world, notes).unwrap();
    change(&world);
    proof
        .first_difference(0..proof.paths(), &world)
        .map_or("as it was".to_owned(), |found| found.to_string())
}

#[test]
fn what_was_looked_at_must_be_as_it_was() {
    use Did::{Asked, Put, Read, Wrote};
    /// What the boot does, what then changes, what the next run says.
    type Case = (&'static [(Did, &'static str)], fn(&World), &'static str);
    let cases: &[Case] = &[
        (&[(Read, "/app/config/routes.rb")], |_| {}, "as it was"),
        (
            &[(Read, "/app/config/routes.rb")],
            |w| w.overwrite("/app/config/routes.rb"),
            "config/routes.rb changed",
        ),
        (
            &[(Asked, "/app/config/routes.rb")],
            |w| w.overwrite("/app/config/routes.rb"),
            "config/routes.rb changed",
        ),
        (
            &[(Read, "/app/config/routes.rb")],
            |w| w.remove("/app/config/routes.rb"),
            "config/routes.rb is gone",
        ),
        (
            &[(Read, "/app/config/routes.rb")],
            |w| w.put("/app/config/routes.rb", FILE),
            "config/routes.rb changed",
        ),
        (
            &[(Read, "/app/config/routes.rb")],
            |w| w.replace("/app/config"),
            "config changed",
        ),
        (
            &[(Asked, "/app/.env")],
            |w| w.put("/app/.env", FILE),
            ".env is new",
        ),
        (
            &[(Asked, "/app/.env")],
            |w| w.put("/app/other", FILE),
            "as it was",
        ),
        (
            &[(Asked, "/app/none/.env")],
            |w| w.put("/app/none", DIRECTORY),
            "none is new",
        ),
        (
            &[(Read, "/gems/a.rb")],
            |w| w.overwrite("/gems/a.rb"),
            "/gems/a.rb changed",
        ),
        (
            &[(Read, "/app/config")],
            |w| w.put("/app/config/new.rb", FILE),
            "config/new.rb is new",
        ),
        (
            &[(Read, "/app/config")],
            |w| w.remove("/app/config/routes.rb"),
            "config/routes.rb is gone",
        ),
        (
            &[(Read, "/app/config")],
            |w| w.overwrite("/app/config/routes.rb"),
            "as it was",
        ),
        // An editor that writes beside and renames.
        (
            &[(Asked, "/app/config")],
            |w| {
                w.put("/app/config/.x", FILE);
                w.remove("/app/config/.x");
            },
            "as it was",
        ),
        (
            &[(Asked, "/app/config")],
            |w| w.put("/app/config/new.rb", FILE),
            "config/new.rb is new",
        ),
        (
            &[(Asked, "/app/tmp"), (Asked, "/app/log")],
            |w| w.put("/app/tmp/x", FILE),
            "as it was",
        ),
        (
            &[(Asked, "/"), (Asked, "/home")],
            |w| w.put("/x", FILE),
            "as it was",
        ),
        (&[(Read, "/")], |w| w.put("/x", FILE), "/x is new"),
        (
            &[(Wrote, "/app/log/test.log")],
            |w| w.overwrite("/app/log/test.log"),
            "as it was",
        ),
        // What is asked for may be its size.
        (
            &[(Asked, "/app/log/test.log"), (Wrote, "/app/log/test.log")],
            |w| w.overwrite("/app/log/test.log"),
            "log/test.log changed",
        ),
        (
            &[(Put, "/app/log/test.log"), (Asked, "/app/log/test.log")],
            |w| w.overwrite("/app/log/test.log"),
            "log/test.log changed",
        ),
        (
            &[(Read, "/app/log/test.log"), (Wrote, "/app/log/test.log")],
            |w| w.overwrite("/app/log/test.log"),
            "log/test.log changed",
        ),
        (
            &[(Put, "/app/log/test.log")],
            |w| w.overwrite("/app/log/test.log"),
            "as it was",
        ),
        (
            &[(Put, "/app/log/test.log")],
            |w| w.remove("/app/log/test.log"),
            "log/test.log is gone",
        ),
        (
            &[(Put, "/app/config/routes.rb")],
            |w| w.overwrite("/app/config/routes.rb"),
            "config/routes.rb changed",
        ),
        (
            &[(Read, "/ours/boot.rb")],
            |w| w.put("/ours/boot.rb", FILE),
            "as it was",
        ),
        (
            &[(Read, "/app/tmp/cache/bootsnap/x")],
            |w| w.put("/app/tmp/cache", DIRECTORY),
            "as it was",
        ),
    ];
    for (did, change, expected) in cases {
        assert_eq!(after(did, change), *expected, "{did:?}");
    }
}

#[test]
fn what_somebody_else_changed_during_the_boot_is_not_kept() {
    let world = World::new();
    world.put("/app/config/a.rb", FILE);
    world.tick();
    let read = world.note(Did::Read, "/app/config/a.rb");
    world.overwrite("/app/config/a.rb");
    let refused = seal(&world, vec![read.clone()]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "config/a.rb changed while it was loaded"
    );
    // Also if the boot writes it then.
    let wrote = world.note(Did::Wrote, "/app/config/a.rb");
    let refused = seal(&world, vec![read, wrote]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "config/a.rb changed while it was loaded"
    );
    // So shortly before that a later change could look the same.
    world.put("/app/config/b.rb", FILE);
    let read = world.note(Did::Read, "/app/config/b.rb");
    let refused = seal(&world, vec![read]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "config/b.rb changed while it was loaded"
    );
}

#[test]
fn a_file_that_was_just_written_is_compared_by_content() {
    let world = World::new();
    world.put("/app/config/made.rb", FILE);
    let notes = vec![
        world.note(Did::Put, "/app/config/made.rb"),
        world.note(Did::Read, "/app/config/made.rb"),
    ];
    world.put("/app/config/made.rb", FILE);
    *world.clock.borrow_mut() -= 1;
    let proof = seal(&world, notes).unwrap();
    assert_eq!(proof.first_difference(0..proof.paths(), &world), None);
    let path = Path::new("/app/config/made.rb");
    world.objects.borrow_mut().get_mut(path).unwrap().1 += 1;
    assert_eq!(
        proof
            .first_difference(0..proof.paths(), &world)
            .unwrap()
            .to_string(),
        "config/made.rb changed"
    );
}

/// What a boot looks at and then changes itself is kept only if the next start meets the same.
#[test]
fn what_the_boot_changes_must_hold_what_the_boot_met() {
    use Did::{Asked, Put, Read, Wrote};
    type Case = (&'static [(Did, &'static str)], fn(&World), bool);
    let file = "/app/config/a.rb";
    let cases: &[Case] = &[
        (
            &[(Read, "/app/config/a.rb"), (Put, "/app/config/a.rb")],
            |w| w.put("/app/config/a.rb", FILE),
            false,
        ),
        (
            &[(Read, "/app/config/a.rb"), (Put, "/app/config/a.rb")],
            |w| w.rewrite("/app/config/a.rb"),
            true,
        ),
        (
            &[(Read, "/app/config/a.rb"), (Wrote, "/app/config/a.rb")],
            |w| w.overwrite("/app/config/a.rb"),
            false,
        ),
        (
            &[(Read, "/app/config/a.rb"), (Wrote, "/app/config/a.rb")],
            |_| {},
            true,
        ),
        (
            &[(Read, "/app/config/a.rb"), (Wrote, "/app/config/a.rb")],
            |w| w.remove("/app/config/a.rb"),
            false,
        ),
        (
            &[(Asked, "/app/config/b.rb"), (Put, "/app/config/b.rb")],
            |w| w.put("/app/config/b.rb", FILE),
            false,
        ),
        (
            &[(Asked, "/app/tmp/b"), (Wrote, "/app/tmp/b")],
            |w| w.put("/app/tmp/b", DIRECTORY),
            false,
        ),
        // A new start writes it as well before it looks.
        (
            &[(Put, "/app/config/b.rb"), (Read, "/app/config/b.rb")],
            |w| w.put("/app/config/b.rb", FILE),
            true,
        ),
        (
            &[(Wrote, "/app/log/x"), (Read, "/app/log/x")],
            |w| w.put("/app/log/x", FILE),
            false,
        ),
        (
            &[(Wrote, "/app/log/x")],
            |w| w.put("/app/log/x", FILE),
            true,
        ),
        (
            &[(Read, "/app/config"), (Put, "/app/config/b.rb")],
            |w| w.put("/app/config/b.rb", FILE),
            false,
        ),
        (
            &[(Read, "/app/config"), (Put, "/app/config/b.rb")],
            |w| {
                w.put("/app/config/b.rb", FILE);
                w.remove("/app/config/b.rb");
            },
            true,
        ),
        (
            &[(Asked, "/app/config"), (Put, "/app/config/b.rb")],
            |w| w.put("/app/config/b.rb", FILE),
            false,
        ),
        (
            &[(Asked, "/app/made"), (Wrote, "/app/made")],
            |w| w.put("/app/made", DIRECTORY),
            false,
        ),
        // A directory of which its names do not count.
        (
            &[(Asked, "/app/log"), (Put, "/app/log/x")],
            |w| w.put("/app/log/x", FILE),
            true,
        ),
    ];
    for (did, change, kept) in cases {
        let world = World::new();
        world.put(file, FILE);
        world.tick();
        let notes = did
            .iter()
            .map(|(did, path)| world.note(*did, path))
            .collect();
        change(&world);
        world.tick();
        assert_eq!(seal(&world, notes).is_ok(), *kept, "{did:?}");
    }
}

/// Not even if it then lists what it has made, as a new start would.
#[test]
fn a_directory_that_the_boot_misses_and_makes_is_not_what_a_new_start_finds() {
    let world = World::new();
    let mut notes = vec![
        world.note(Did::Asked, "/app/made"),
        world.note(Did::Wrote, "/app/made"),
    ];
    world.put("/app/made", DIRECTORY);
    world.tick();
    notes.push(world.note(Did::Read, "/app/made"));
    assert!(seal(&world, notes.clone()).is_err());
    // The next start finds it.
    assert!(seal(&world, notes.split_off(1)).is_ok());
}

/// Whatever a boot looks at and whatever changes afterwards: if the proof says that nothing is different, each look of
/// the boot would find what it found.
#[test]
fn no_change_of_what_was_looked_at_is_missed() {
    const PATHS: [&str; 10] = [
        "/app/a.rb",
        "/app/config/a.rb",
        "/app/config/b.rb",
        "/app/config",
        "/app/tmp/x",
        "/app/lib",
        "/app/lib/c.rb",
        "/gems/a.rb",
        "/gems",
        "/app/none/d.rb",
    ];
    for seed in 0..1_000_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let world = World::new();
        for path in PATHS {
            if draw(2) == 0 && !path.ends_with("config") && !path.ends_with("gems") {
                world.put(
                    path,
                    if path.ends_with(".rb") {
                        FILE
                    } else {
                        DIRECTORY
                    },
                );
            }
        }
        world.tick();
        let looked: Vec<(Did, &str)> = (0..4)
            .map(|_| ([Did::Read, Did::Asked][draw(2)], PATHS[draw(PATHS.len())]))
            .collect();
        let notes = looked
            .iter()
            .map(|(did, path)| world.note(*did, path))
            .collect();
        let proof = seal(&world, notes).unwrap();
        // What a new start would meet: of a file its content, of a directory the names, else whether it is there.
        let meets = || -> Vec<_> {
            let met = |path: &str, did: Did| {
                let path = Path::new(path);
                let itself = world.look(path).itself;
                let listed = did == Did::Read && itself.is_some_and(|it| it.is_directory());
                let is_file = itself.is_some_and(|it| !it.is_directory());
                let content = is_file.then(|| world.content(path));
                (
                    itself.map(|it| it.mode),
                    listed.then(|| world.names(path)),
                    content,
                )
            };
            looked.iter().map(|(did, path)| met(path, *did)).collect()
        };
        let before = meets();
        for _ in 0..1 + draw(2) {
            let path = PATHS[draw(PATHS.len())];
            match draw(4) {
                0 => world.put(
                    path,
                    if path.ends_with(".rb") {
                        FILE
                    } else {
                        DIRECTORY
                    },
                ),
                1 => world.overwrite(path),
                2 => world.remove(path),
                _ => {}
            }
        }
        if meets() != before {
            assert!(
                proof.first_difference(0..proof.paths(), &world).is_some(),
                "seed {seed}: {looked:?}"
            );
        }
    }
}
