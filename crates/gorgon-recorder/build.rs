//! Compiles the library for LD_PRELOAD, which the crate embeds.
//!
//! It is no target of Cargo: it has neither std nor unwinding, which a profile cannot say of one package, and Cargo
//! cannot embed one package's library in another.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=preload");
    println!("cargo::rerun-if-changed=src/layout.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let var = |name: &str| env::var(name).expect("Cargo sets it");
    let library = Path::new(&var("OUT_DIR")).join("gorgon_recorder.so");
    let known = var("CARGO_CFG_TARGET_OS") == "linux"
        && var("CARGO_CFG_TARGET_ENV") == "gnu"
        && ["x86_64", "aarch64"].contains(&var("CARGO_CFG_TARGET_ARCH").as_str());
    if !known {
        // Empty: there is no recorder for this system.
        fs::write(&library, "").expect("the directory for what is built can be written");
        return;
    }
    let mut command = Command::new(var("RUSTC"));
    command
        .args(["--edition", "2024", "--crate-type", "cdylib"])
        .args(["--crate-name", "gorgon_recorder"])
        .args(["--target", &var("TARGET")])
        .args([
            "-C",
            "opt-level=2",
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
        ])
        .arg("-o")
        .arg(&library)
        .arg("preload/recorder.rs");
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        command.args(["-C", &format!("linker={linker}")]);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a build script has no loop that could wait"
    )]
    let status = command.status().expect("the compiler starts");
    assert!(status.success(), "the recorder does not compile: {status}");
}
