//! A file as it is named on the command line: `FILE`, `FILE:LINE:LINE`, `FILE[1:2,1:3]`. Pure.

use std::path::Path;

use gorgon_proto::ids;
use gorgon_proto::item::{ItemId, WorkItem};

/// Makes the item for `name`; `exists` tells whether a path is there, which is taken literally
/// before anything else is tried.
pub fn item(id: ItemId, name: &str, workspace: &Path, exists: impl Fn(&str) -> bool) -> WorkItem {
    let (file, tests, lines) = if exists(name) {
        (name, Vec::new(), Vec::new())
    } else {
        parts(name)
    };
    let file = Path::new(file).strip_prefix(workspace).map_or_else(
        |_| file.to_owned(),
        |rest| rest.to_string_lossy().into_owned(),
    );
    WorkItem {
        tests,
        lines,
        ..WorkItem::whole(id, file)
    }
}

fn parts(name: &str) -> (&str, Vec<String>, Vec<u32>) {
    if let Some((file, ids)) = ids::split(name) {
        return (file, ids, Vec::new());
    }
    let mut file = name;
    let mut lines = Vec::new();
    while let Some((rest, line)) = file.rsplit_once(':')
        && let Ok(line) = line.parse()
        && !rest.is_empty()
    {
        lines.insert(0, line);
        file = rest;
    }
    (file, Vec::new(), lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_select_lines_or_tests() {
        let none: &[&str] = &[];
        for (name, file, tests, lines) in [
            ("spec/a_spec.rb", "spec/a_spec.rb", none, &[][..]),
            ("spec/a_spec.rb:12", "spec/a_spec.rb", none, &[12]),
            ("spec/a_spec.rb:12:40", "spec/a_spec.rb", none, &[12, 40]),
            (
                "spec/a_spec.rb[1:2,1:3:1]",
                "spec/a_spec.rb",
                &["1:2", "1:3:1"],
                &[],
            ),
            ("test/a.rb[A#test_x]", "test/a.rb", &["A#test_x"], &[]),
            (
                "test/a.rb[A#test_x\\[1\\, 2\\],B#y]",
                "test/a.rb",
                &["A#test_x[1, 2]", "B#y"],
                &[],
            ),
            (
                "/home/me/app/spec/a_spec.rb:3",
                "spec/a_spec.rb",
                none,
                &[3],
            ),
            ("odd:1", "odd:1", none, &[]),
            ("odd[x]", "odd[x]", none, &[]),
            ("a:b.rb", "a:b.rb", none, &[]),
        ] {
            let item = item(ItemId(0), name, Path::new("/home/me/app"), |path| {
                path.starts_with("odd")
            });
            assert_eq!(item.filename, file, "{name}");
            assert_eq!(item.tests, tests, "{name}");
            assert_eq!(item.lines, lines, "{name}");
        }
    }
}
