//! Whether a path out of a message stays inside a directory.

use std::path::{Component, Path};

/// Returns whether `path`, which a message names, leads out of `root`: by what it says, or by the
/// links on its way. What is not there leads nowhere.
#[must_use]
pub fn leads_out(root: &Path, path: &str) -> bool {
    let mut depth = 0_i32;
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return true,
        }
        if depth < 0 {
            return true;
        }
    }
    match (root.canonicalize(), root.join(path).canonicalize()) {
        (Ok(root), Ok(place)) => !place.starts_with(root),
        (Err(_), _) | (_, Err(_)) => path.contains('\0'),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn neither_words_nor_links_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("lib")).unwrap();
        for file in ["outside.rb", "root/lib/a.rb", "root/-e x.rb", "root/~a.rb"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        symlink("lib/a.rb", root.join("in.rb")).unwrap();
        symlink("../outside.rb", root.join("out.rb")).unwrap();
        symlink("..", root.join("up")).unwrap();
        for (path, out) in [
            ("lib/a.rb", false),
            ("./lib/../in.rb", false),
            ("-e x.rb", false),
            ("~a.rb", false),
            ("missing.rb", false),
            ("a\nb.rb", false),
            ("../outside.rb", true),
            ("lib/../../outside.rb", true),
            ("/etc/passwd", true),
            ("out.rb", true),
            ("up/outside.rb", true),
            ("a\0b.rb", true),
        ] {
            assert_eq!(leads_out(&root, path), out, "{path:?}");
        }
    }
}
