#![no_main]
use std::sync::LazyLock;

/// For the whole process: `make fuzz` points TMPDIR to a directory that it removes.
static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a directory");
    gorgon_sync::foreign::make_tree(dir.path());
    dir
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gorgon_sync::foreign::paths(&DIRECTORY.path().join("root"), bytes));
