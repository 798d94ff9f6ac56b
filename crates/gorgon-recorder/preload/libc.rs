//! What we need of the C library; there is no libc crate where one file is compiled alone.

use core::ffi::{c_char, c_int, c_long, c_void};

pub const AT_FDCWD: c_int = -100;
pub const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
pub const CLOCK_REALTIME_COARSE: c_int = 5;
pub const O_ACCMODE: c_int = 3;
pub const O_CREAT: c_int = 0o100;
pub const O_TRUNC: c_int = 0o1000;
pub const O_APPEND: c_int = 0o2000;
pub const O_PATH: c_int = 0o10_000_000;
pub const O_RDONLY_NONBLOCK_CLOEXEC: c_int = 0o2_004_000;
pub const X_OK: c_int = 1;
pub const AT_EXECFN: u64 = 31;
pub const O_RDWR_CLOEXEC: c_int = 0o2_000_002;
pub const PROT_READ_WRITE: c_int = 3;
pub const MAP_SHARED: c_int = 1;
pub const MAP_PRIVATE_ANONYMOUS: c_int = 0x22;
pub const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;
pub const STATX_BASIC_STATS: u32 = 0x7ff;
pub const S_IFMT: u16 = 0o170_000;
pub const S_IFREG: u16 = 0o100_000;
pub const S_IFDIR: u16 = 0o040_000;
pub const S_ISVTX: u16 = 0o1000;
pub const S_IFLNK: u16 = 0o120_000;

#[cfg(target_arch = "x86_64")]
mod number {
    pub const GETCWD: i64 = 79;
    pub const READLINKAT: i64 = 267;
    pub const STATX: i64 = 332;
    pub const GETPID: i64 = 39;
    pub const OPENAT: i64 = 257;
    pub const GETDENTS64: i64 = 217;
    pub const FACCESSAT: i64 = 269;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const GETCWD: i64 = 17;
    pub const READLINKAT: i64 = 78;
    pub const STATX: i64 = 291;
    pub const GETPID: i64 = 172;
    pub const OPENAT: i64 = 56;
    pub const GETDENTS64: i64 = 61;
    pub const FACCESSAT: i64 = 48;
}
pub use number::*;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
    _reserved: i32,
}

/// statx(2); the same on every processor.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Statx {
    pub mask: u32,
    pub block_bytes: u32,
    pub attributes: u64,
    pub links: u32,
    pub owner: u32,
    pub group: u32,
    pub mode: u16,
    _spare: u16,
    pub inode: u64,
    pub size: u64,
    pub blocks: u64,
    pub attributes_mask: u64,
    pub accessed: Time,
    pub born: Time,
    pub changed: Time,
    pub modified: Time,
    pub special_major: u32,
    pub special_minor: u32,
    pub device_major: u32,
    pub device_minor: u32,
    _rest: [u64; 14],
}

#[repr(C)]
#[derive(Default)]
pub struct Clock {
    pub seconds: i64,
    pub nanoseconds: i64,
}

#[repr(C)]
pub struct DlInfo {
    pub file: *const c_char,
    pub base: *mut c_void,
    pub symbol: *const c_char,
    pub address: *mut c_void,
}

#[link(name = "c")]
unsafe extern "C" {
    pub safe fn abort() -> !;
    pub fn syscall(number: c_long, ...) -> c_long;
    pub fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    pub fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
    pub fn getauxval(kind: u64) -> u64;
    pub fn getenv(name: *const c_char) -> *const c_char;
    pub fn unsetenv(name: *const c_char) -> c_int;
    pub fn clock_gettime(clock: c_int, time: *mut Clock) -> c_int;
    pub fn mmap(
        at: *mut c_void,
        bytes: usize,
        protection: c_int,
        flags: c_int,
        fd: c_int,
        from: i64,
    ) -> *mut c_void;
    pub fn munmap(at: *mut c_void, bytes: usize) -> c_int;
    pub fn close(fd: c_int) -> c_int;
    pub fn read(fd: c_int, to: *mut c_void, bytes: usize) -> isize;
    pub fn strlen(text: *const c_char) -> usize;
    pub fn __errno_location() -> *mut c_int;
}

/// Runs `f` and leaves errno as it was.
pub fn keeping_errno<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: the place of errno of this thread lives as long as the thread.
    unsafe {
        let at = __errno_location();
        let errno = *at;
        let result = f();
        *at = errno;
        result
    }
}
