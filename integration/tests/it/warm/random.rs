//! Changes drawn at random: after each, a warm run sees what a cold one sees.

use std::fs;
use std::path::PathBuf;

use super::{App, reloading};

/// How many changes: GORGON_WARM_CHANGES, by default few enough for every run of the tests.
fn changes() -> u32 {
    let wanted = std::env::var("GORGON_WARM_CHANGES");
    wanted.ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// A generator of numbers, xorshift64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).expect("it is below a usize")
    }
}

#[test]
fn a_warm_run_sees_what_a_cold_one_sees_after_any_change() {
    let seed = std::env::var("GORGON_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(7);
    let mut draw = Draw(seed);
    let app = App::new();
    let at = |path: &str| app.project.path().join(path);
    let files: Vec<PathBuf> = [
        "config/initializers/a.rb",
        "config/initializers/c.rb",
        ".env",
        "lib/optional.rb",
        "config/asked",
        "config/one",
        "config/by_command",
        "spec/x.txt",
        "README",
    ]
    .iter()
    .map(|path| at(path))
    .chain([app.gems().join("gem.rb"), app.gems().join("other.rb")])
    .collect();
    let mut said = Vec::new();
    let mut mode = None;
    let mut reused = 0;
    let mut last = app.run().boot;
    for number in 0..changes() {
        let path = &files[draw.below(files.len())];
        let needed = path.ends_with("gem.rb") || path.ends_with("config/one");
        match draw.below(6) {
            0 | 1 => {
                fs::create_dir_all(path.parent().expect("a file lies somewhere"))
                    .expect("a directory of the project");
                fs::write(path, format!("{}", draw.below(3))).expect("a file of the project");
            }
            2 if !needed => drop(fs::remove_file(path)),
            // In place of the old one, with its time.
            3 if path.exists() => {
                let time = fs::metadata(path)
                    .and_then(|it| it.modified())
                    .expect("it is there");
                let beside = path.with_extension("beside");
                fs::write(&beside, format!("{}", draw.below(3))).expect("a file of the project");
                fs::File::options()
                    .append(true)
                    .open(&beside)
                    .and_then(|it| it.set_modified(time))
                    .expect("it is ours");
                fs::rename(&beside, path).expect("a file of the project");
            }
            4 => mode = [None, Some("a"), Some("b")][draw.below(3)],
            _ => {}
        }
        let set = |command: &mut std::process::Command| {
            if let Some(mode) = mode {
                command.env("APP_MODE", mode);
            }
        };
        let warm = app.run_with(&["--local=1", "--warm"], set);
        let cold = app.run_with(&["--local=1"], set);
        said.extend(reloading(&warm));
        assert_eq!(
            warm.loaded, cold.loaded,
            "seed {seed}, change {number}: {said:#?}"
        );
        reused += u32::from(warm.boot == last);
        last = warm.boot;
    }
    println!("{} changes, {reused} times not loaded again", changes());
    app.stop();
}
