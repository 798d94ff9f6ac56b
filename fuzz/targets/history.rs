#![no_main]
use std::sync::LazyLock;

/// For the whole process: `make fuzz` points TMPDIR to a directory that it removes.
static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let root = tempfile::tempdir().expect("a directory");
    root
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gorgon_originator::foreign::history(DIRECTORY.path(), bytes));
