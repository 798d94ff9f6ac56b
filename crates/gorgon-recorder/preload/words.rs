//! execl(3) and its kin, whose words are arguments of a variable number: Ruby starts a shell by them.
//!
//! Rust has no such functions yet. A few instructions hand on where the words lie that no longer fit into registers.

use core::arch::naked_asm;
use core::ffi::{c_char, c_int};

use crate::programs::{environ, execve, execvp};

type Path = *const c_char;
type Words = *const *const c_char;

/// Most words that a list has; more are given up as the kernel gives up lists that are too long.
const MOST: usize = 1024;

/// How many words come in registers, after the path.
const IN_REGISTERS: usize = if cfg!(target_arch = "x86_64") { 5 } else { 7 };

/// The words, with a null at the end; what follows them in the caller's list, which may be an environment.
struct List {
    words: [Path; MOST],
    next: Path,
}

impl List {
    unsafe fn read(first: &[Path], rest: Words) -> Option<Self> {
        let mut words = [core::ptr::null(); MOST];
        // SAFETY: the caller's list ends with a null, and one more value follows where the function takes one.
        let word = |index: usize| match first.get(index) {
            Some(word) => *word,
            None => unsafe { *rest.add(index - first.len()) },
        };
        let end = (0..MOST - 1).find(|index| {
            words[*index] = word(*index);
            words[*index].is_null()
        })?;
        Some(Self {
            words,
            next: word(end + 1),
        })
    }
}

fn too_long() -> c_int {
    const E2BIG: c_int = 7;
    // SAFETY: the place of errno of this thread.
    unsafe { *crate::libc::__errno_location() = E2BIG };
    -1
}

/// Declares a function of words, and the plain one that it hands them to.
macro_rules! words {
    ($($name:ident, $plain:ident, |$path:ident, $list:ident| $run:expr;)*) => {$(
        #[cfg(target_arch = "x86_64")]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn $name() {
            naked_asm!("lea rax, [rsp + 8]", "push rax", "call {plain}", "pop rcx", "ret", plain = sym $plain)
        }

        #[cfg(target_arch = "x86_64")]
        unsafe extern "C" fn $plain(
            $path: Path, a: Path, b: Path, c: Path, d: Path, e: Path, rest: Words,
        ) -> c_int {
            let first: [Path; IN_REGISTERS] = [a, b, c, d, e];
            // SAFETY: the caller's words.
            unsafe { List::read(&first, rest).map_or_else(too_long, |$list| $run) }
        }

        #[cfg(target_arch = "aarch64")]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn $name() {
            naked_asm!(
                "mov x9, sp", "sub sp, sp, #32", "str x9, [sp]", "str x30, [sp, #16]", "bl {plain}",
                "ldr x30, [sp, #16]", "add sp, sp, #32", "ret", plain = sym $plain
            )
        }

        #[cfg(target_arch = "aarch64")]
        unsafe extern "C" fn $plain(
            $path: Path, a: Path, b: Path, c: Path, d: Path, e: Path, f: Path, g: Path, rest: Words,
        ) -> c_int {
            let first: [Path; IN_REGISTERS] = [a, b, c, d, e, f, g];
            // SAFETY: the caller's words.
            unsafe { List::read(&first, rest).map_or_else(too_long, |$list| $run) }
        }
    )*};
}

words! {
    execl, list_of_words, |path, list| execve(path, list.words.as_ptr(), environ);
    execlp, list_of_words_by_path, |path, list| execvp(path, list.words.as_ptr());
    execle, list_of_words_and_environment, |path, list| execve(path, list.words.as_ptr(), list.next.cast());
}
