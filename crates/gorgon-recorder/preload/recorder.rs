//! The library in LD_PRELOAD: records each path that a booting process looks at, before it looks.
//!
//! It allocates nothing, takes no lock and prints nothing; it leaves `errno` as it was. A process in which it cannot
//! record (no variable, a recording that is closed) runs as without it. What calls the kernel directly is not seen.

#![no_std]

#[path = "calls.rs"]
mod calls;
#[path = "content.rs"]
mod content;
#[path = "../src/layout.rs"]
#[allow(dead_code)]
mod layout;
#[path = "libc.rs"]
mod libc;
#[path = "log.rs"]
mod log;
#[path = "paths.rs"]
mod paths;
#[path = "program.rs"]
mod program;
#[path = "programs.rs"]
mod programs;
#[path = "words.rs"]
mod words;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    libc::abort()
}

/// Rust's core library names it in its tables; as a panic aborts, nobody calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    if log::open() {
        log::program();
        // SAFETY: the environment is not changed while constructors run.
        unsafe { calls::zone(libc::getenv(c"TZ".as_ptr())) };
        programs::hide();
    }
}
