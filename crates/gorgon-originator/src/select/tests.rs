use super::*;

fn project(files: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let path = directory.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    directory
}

fn shown(selection: &Selection) -> String {
    let show = |s: &Selected| {
        let lines: String = s.lines.iter().map(|line| format!(":{line}")).collect();
        let tests = if s.tests.is_empty() {
            String::new()
        } else {
            format!("[{}]", s.tests.join(","))
        };
        format!("{}{lines}{tests}", s.file)
    };
    selection
        .files
        .iter()
        .map(show)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn words_are_taken_literally_first() {
    let project = project(&[
        "spec/a_spec.rb",
        "spec/b_spec.rb",
        "spec/sub/c_spec.rb",
        "spec/odd:3_spec.rb",
        "spec/x[1:1]",
        "shared/b[1:1]_x.rb",
        "spec/helper.rb",
        "other/d_spec.rb",
    ]);
    let root = project.path();
    let suite = Suite::Usual(Box::new(Usual::of(
        &Tree::new(project.path()),
        &gorgon_ruby::RubySettings::in_place(project.path()),
        &[],
    )));
    let inside = root.join("spec/a_spec.rb").to_string_lossy().into_owned();
    let table: &[(&[&str], &str, bool)] = &[
        (
            &[],
            "spec/a_spec.rb spec/b_spec.rb spec/odd:3_spec.rb spec/sub/c_spec.rb",
            false,
        ),
        (
            &["spec/b_spec.rb", "spec/a_spec.rb"],
            "spec/b_spec.rb spec/a_spec.rb",
            true,
        ),
        (&["./spec/../spec/b_spec.rb"], "spec/b_spec.rb", true),
        (
            &["spec/a_spec.rb:3:9", "spec/a_spec.rb:3"],
            "spec/a_spec.rb:3:9",
            true,
        ),
        (
            &["spec/a_spec.rb:3", "spec/a_spec.rb"],
            "spec/a_spec.rb",
            true,
        ),
        (&["spec/odd:3_spec.rb"], "spec/odd:3_spec.rb", true),
        (
            &["spec/a_spec.rb[1:2,1:3:1]"],
            "spec/a_spec.rb[1:2,1:3:1]",
            true,
        ),
        (&["spec/x[1:1]"], "spec/x[1:1]", true),
        (
            &["shared/b[1:1]_x.rb[1:2]"],
            "shared/b[1:1]_x.rb[1:2]",
            true,
        ),
        (&["spec/sub"], "spec/sub/c_spec.rb", false),
        (&["other/"], "other/d_spec.rb", false),
        (
            &["spec/{b,a}_spec.rb"],
            "spec/b_spec.rb spec/a_spec.rb",
            false,
        ),
        (&["spec/helper.rb"], "spec/helper.rb", true),
        (&[&inside], "spec/a_spec.rb", true),
    ];
    for (words, expected, named) in table {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let selection = select(&Tree::new(root), &words, &suite).unwrap();
        assert_eq!(shown(&selection), *expected, "{words:?}");
        assert_eq!(selection.named, *named, "{words:?}");
    }
}

#[test]
fn other_ways_to_the_project_lead_into_it() {
    let project = project(&["real/spec/a_spec.rb", "elsewhere/b_spec.rb"]);
    let place = project.path().canonicalize().unwrap();
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(to, place.join(from)).unwrap();
    link("link", "real");
    link("real/spec/inner", "../../elsewhere");
    let root = place.join("real");
    let suite = Suite::Usual(Box::new(Usual::of(
        &Tree::new(project.path()),
        &gorgon_ruby::RubySettings::in_place(project.path()),
        &[],
    )));
    let absolute = |path: &str| place.join(path).to_string_lossy().into_owned();
    for (word, expected) in [
        (absolute("link/spec/a_spec.rb"), "spec/a_spec.rb"),
        (absolute("link/spec/a_spec.rb:3"), "spec/a_spec.rb:3"),
        (absolute("link/spec/a_spec.rb[1:1]"), "spec/a_spec.rb[1:1]"),
        // RSpec's own pattern follows the link in it.
        (absolute("link"), "spec/a_spec.rb spec/inner/b_spec.rb"),
        (absolute("link/spec"), "spec/a_spec.rb spec/inner/b_spec.rb"),
        ("../link/spec/a_spec.rb".to_owned(), "spec/a_spec.rb"),
        (
            "../real/spec".to_owned(),
            "spec/a_spec.rb spec/inner/b_spec.rb",
        ),
        ("../real".to_owned(), "spec/a_spec.rb spec/inner/b_spec.rb"),
        ("spec/inner/b_spec.rb".to_owned(), "spec/inner/b_spec.rb"),
    ] {
        let selection = select(&Tree::new(&root), std::slice::from_ref(&word), &suite);
        assert_eq!(shown(&selection.unwrap()), expected, "{word}");
    }
    let outside = select(
        &Tree::new(&root),
        &["../elsewhere/b_spec.rb".to_owned()],
        &suite,
    );
    assert!(matches!(outside, Err(SelectError::Outside(..))));
}

#[test]
fn what_means_nothing_is_an_error() {
    let project = project(&["spec/a_spec.rb", "empty/readme"]);
    let suite = Suite::Usual(Box::new(Usual::of(
        &Tree::new(project.path()),
        &gorgon_ruby::RubySettings::in_place(project.path()),
        &[],
    )));
    for (word, error) in [
        ("spec/b_spec.rb", "no file or directory spec/b_spec.rb"),
        ("spec/b_spec.rb:3", "no file or directory spec/b_spec.rb:3"),
        ("empty", "no test file below empty"),
        ("", "an empty word names no file"),
        ("/etc/passwd", "/etc/passwd lies outside"),
        ("../..", "../.. lies outside"),
    ] {
        let got = select(&Tree::new(project.path()), &[word.to_owned()], &suite)
            .unwrap_err()
            .to_string();
        assert!(got.starts_with(error), "{got}");
    }
}

#[test]
fn what_is_no_file_is_refused_also_by_its_name() {
    let project = project(&["spec/a_spec.rb", "spec/d_spec.rb/e_spec.rb"]);
    let _socket = std::os::unix::net::UnixListener::bind(project.path().join("spec/s.rb")).unwrap();
    let tree = Tree::new(project.path());
    let selected = |excludes: &[&str], words: &[&str]| {
        let excludes: Vec<String> = excludes.iter().map(|&it| it.to_owned()).collect();
        let ruby = gorgon_ruby::RubySettings::in_place(project.path());
        let suite = Suite::Usual(Box::new(Usual::of(&tree, &ruby, &excludes)));
        let words: Vec<String> = words.iter().map(|&it| it.to_owned()).collect();
        match select(&tree, &words, &suite) {
            Ok(selection) => shown(&selection),
            Err(error) => error.to_string(),
        }
    };
    let directory = "test files that cannot be run: spec/d_spec.rb (it is a directory)";
    assert_eq!(selected(&[], &[]), directory);
    assert_eq!(selected(&[], &["spec"]), directory);
    let socket = "test files that cannot be run: spec/s.rb (it is a socket)";
    assert_eq!(selected(&[], &["spec/s.rb"]), socket);
    // Named itself, it is searched, as by `rspec DIRECTORY`.
    let inside = "spec/d_spec.rb/e_spec.rb";
    assert_eq!(selected(&[], &["spec/d_spec.rb"]), inside);
    // RSpec does not load what its options exclude.
    let excluded = ["--exclude-pattern", "d_spec.rb"];
    assert_eq!(selected(&excluded, &[]), format!("spec/a_spec.rb {inside}"));
}
