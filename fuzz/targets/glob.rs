#![no_main]
use std::sync::LazyLock;

/// For the whole process: `make fuzz` points TMPDIR to a directory that it removes.
static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let root = tempfile::tempdir().expect("a directory");
    gorgon_originator::foreign::make_tree(root.path());
    root
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gorgon_originator::foreign::globs(DIRECTORY.path(), bytes));
