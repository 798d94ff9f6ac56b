//! The embedded Ruby scripts, unpacked where Ruby can read them.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../ruby/", $name)))),*]
    };
}

/// Path below `ruby/`, and content.
const SCRIPTS: &[(&str, &str)] = scripts![
    "anew.rb",
    "boot.rb",
    "branch.rb",
    "callbacks.rb",
    "capture.rb",
    "child.rb",
    "compiled.rb",
    "coverage/at_exit.rb",
    "coverage/collate.rb",
    "coverage/counts.rb",
    "coverage/known.rb",
    "coverage/share.rb",
    "coverage/unseen.rb",
    "coverage/wanted.rb",
    "drafts.rb",
    "frameworks.rb",
    "frameworks/ahead.rb",
    "frameworks/choice.rb",
    "frameworks/code.rb",
    "frameworks/exits.rb",
    "frameworks/faults.rb",
    "frameworks/ids.rb",
    "frameworks/lines.rb",
    "frameworks/loading.rb",
    "frameworks/memory.rb",
    "frameworks/minitest/adapter.rb",
    "frameworks/minitest/ending.rb",
    "frameworks/minitest/exclusion.rb",
    "frameworks/minitest/handed.rb",
    "frameworks/minitest/options.rb",
    "frameworks/minitest/parts.rb",
    "frameworks/minitest/reporters.rb",
    "frameworks/minitest/rerun.rb",
    "frameworks/minitest/results.rb",
    "frameworks/minitest/run.rb",
    "frameworks/minitest/test.rb",
    "frameworks/part.rb",
    "frameworks/places.rb",
    "frameworks/printing.rb",
    "frameworks/rspec/adapter.rb",
    "frameworks/rspec/beside.rb",
    "frameworks/rspec/command.rb",
    "frameworks/rspec/faults.rb",
    "frameworks/rspec/filters.rb",
    "frameworks/rspec/formatters.rb",
    "frameworks/rspec/globals.rb",
    "frameworks/rspec/judgement.rb",
    "frameworks/rspec/keys.rb",
    "frameworks/rspec/late.rb",
    "frameworks/rspec/options.rb",
    "frameworks/rspec/orderings.rb",
    "frameworks/rspec/parts.rb",
    "frameworks/rspec/reruns.rb",
    "frameworks/rspec/results.rb",
    "frameworks/rspec/statuses.rb",
    "frameworks/rspec/warm.rb",
    "frameworks/scan.rb",
    "frameworks/selection.rb",
    "frameworks/sources.rb",
    "frameworks/stand_in.rb",
    "frameworks/test_unit/adapter.rb",
    "frameworks/test_unit/hooks.rb",
    "frameworks/test_unit/options.rb",
    "frameworks/test_unit/parts.rb",
    "frameworks/test_unit/rerun.rb",
    "frameworks/test_unit/results.rb",
    "frameworks/test_unit/runs.rb",
    "frameworks/test_unit/suites.rb",
    "frameworks/words.rb",
    "gem_paths.rb",
    "hidden.rb",
    "kept_preloader.rb",
    "leaving.rb",
    "lib/gorgon.rb",
    "lib/open4.rb",
    "preloader.rb",
    "program.rb",
    "protocol.rb",
    "rails/application.rb",
    "rails/databases.rb",
    "rails/parallel.rb",
    "rails_environment.rb",
    "raised.rb",
    "rake/action.rb",
    "rake/ask.rb",
    "rake/environment.rb",
    "rake/seen.rb",
    "rake/told.rb",
    "refused.rb",
    "reporter.rb",
    "restore.rb",
    "ruby_options.rb",
    "sockets.rb",
    "system.rb",
];

/// Where they lie in their directory. Tools that shorten a backtrace (RSpec, Rails) leave out the files of
/// `lib/ruby`, and so ours: a test sees what it would see without us.
const INSIDE: &str = "lib/ruby";

/// The directory beside them in which Ruby keeps what it has compiled.
const COMPILED: &str = "compiled";

/// Returns a directory that holds the scripts and belongs to us alone.
///
/// It is named by their content, so that versions do not mix; whoever comes first makes it beside
/// and renames it, whoever comes later compares what is there.
pub(crate) fn unpack() -> io::Result<PathBuf> {
    let mut last = io::Error::other("no directory for the scripts");
    for (parent, name) in candidates() {
        match unpack_into(&parent, &name) {
            Ok(dir) => return Ok(dir.join(INSIDE)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The user's cache; where that cannot be written (a hardened daemon), the temporary directory.
fn candidates() -> Vec<(PathBuf, String)> {
    let mut hasher = DefaultHasher::new();
    SCRIPTS.hash(&mut hasher);
    let name = format!(
        "ruby-{}-{:016x}",
        env!("CARGO_PKG_VERSION"),
        hasher.finish()
    );
    let home_cache = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home_cache);
    let cache = cache.filter(|dir| dir.is_absolute());
    let mut found: Vec<_> = cache
        .map(|dir| (dir.join("gorgon"), name.clone()))
        .into_iter()
        .collect();
    // Users of one machine share /tmp: the name tells them apart, the owner is checked.
    if let Ok(own) = fs::metadata("/proc/self") {
        found.push((std::env::temp_dir(), format!("gorgon-{}-{name}", own.uid())));
    }
    found
}

fn unpack_into(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let dir = parent.join(name);
    if is_ours_and_whole(&dir)? {
        return Ok(dir);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)?;
    let fresh = parent.join(format!(".{name}.{}", unique()?));
    let made = write_all(&fresh).and_then(|()| put_in_place(&fresh, &dir));
    if made.is_err() {
        // What was made beside is of no use to anybody.
        let _ = fs::remove_dir_all(&fresh);
    }
    made?;
    if is_ours_and_whole(&dir)? {
        Ok(dir)
    } else {
        Err(io::Error::other(format!(
            "{} changes under us",
            dir.display()
        )))
    }
}

fn put_in_place(fresh: &Path, dir: &Path) -> io::Result<()> {
    match fs::rename(fresh, dir) {
        Ok(()) => Ok(()),
        // Somebody else was first, or a cleaner of temporary files took a part of it.
        Err(_) if is_ours_and_whole(dir)? => fs::remove_dir_all(fresh),
        Err(_) => {
            fs::remove_dir_all(dir)?;
            fs::rename(fresh, dir)
        }
    }
}

/// Returns false when there is nothing, or not all of it; an error when it is not ours.
fn is_ours_and_whole(dir: &Path) -> io::Result<bool> {
    let found = match fs::symlink_metadata(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let own = fs::metadata("/proc/self")?;
    if !found.is_dir() || found.uid() != own.uid() || found.mode() & 0o077 != 0 {
        let fault = format!("{} is not a directory of ours alone", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, fault));
    }
    let inside = dir.join(INSIDE);
    Ok(SCRIPTS.iter().all(|(path, text)| {
        fs::read(inside.join(path)).is_ok_and(|found| found == text.as_bytes())
    }))
}

fn write_all(dir: &Path) -> io::Result<()> {
    let dir = dir.join(INSIDE);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir.join(COMPILED))?;
    for (path, text) in SCRIPTS {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            builder.create(parent)?;
        }
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// A name that no other process, and no other thread of ours, takes at the same time.
fn unique() -> io::Result<String> {
    let mut hasher = std::hash::BuildHasher::build_hasher(&std::hash::RandomState::new());
    std::thread::current().id().hash(&mut hasher);
    Ok(format!("{}.{:016x}", std::process::id(), hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_directory_is_made_whole_and_a_foreign_one_refused() {
        let temp = std::env::temp_dir().join(format!("gorgon-scripts-test-{}", unique().unwrap()));
        let dir = unpack_into(&temp, "ruby").unwrap();
        fs::remove_file(dir.join(INSIDE).join("child.rb")).unwrap();
        let again = unpack_into(&temp, "ruby").unwrap();
        assert_eq!(again, dir);
        assert!(dir.join(INSIDE).join("child.rb").exists());
        assert_eq!(
            fs::read_dir(&temp).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        std::os::unix::fs::symlink(&dir, temp.join("link")).unwrap();
        let refused = unpack_into(&temp, "link").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        fs::remove_dir_all(&temp).unwrap();
    }

    #[test]
    fn no_script_is_forgotten() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("ruby");
        let mut found = Vec::new();
        let mut left = vec![root.clone()];
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    left.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.retain(|path| path.ends_with(".rb") && !path.starts_with("test/"));
        found.sort();
        let embedded: Vec<_> = SCRIPTS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(found, embedded);
    }
}
