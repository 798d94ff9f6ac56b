//! The recording as the library writes it: shared memory of all recorded processes.

use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::content::content;
use crate::layout::{self, did, fault, header, record};
use crate::libc::{self, Clock, Statx};
use crate::paths::{PATH_BYTES, absolute, through_links_of_the_kernel};

/// Where the recording is mapped; 0: there is none.
static MEMORY: AtomicUsize = AtomicUsize::new(0);

/// Maps the recording that the environment names; false if there is none, or it is closed.
pub fn open() -> bool {
    libc::keeping_errno(|| {
        // SAFETY: the environment is not changed while constructors run; every number is checked.
        unsafe {
            let path = libc::getenv(c"GORGON_RECORDING".as_ptr());
            if path.is_null() {
                return false;
            }
            let fd =
                libc::syscall(libc::OPENAT, libc::AT_FDCWD, path, libc::O_RDWR_CLOEXEC, 0) as c_int;
            if fd < 0 {
                return false;
            }
            let at = libc::mmap(
                ptr::null_mut(),
                layout::BYTES,
                libc::PROT_READ_WRITE,
                libc::MAP_SHARED,
                fd,
                0,
            );
            libc::close(fd);
            if at as isize == -1 {
                return false;
            }
            let memory = Memory(at as usize);
            if memory.number(header::MAGIC).load(Ordering::Relaxed) != layout::MAGIC
                || memory.is_closed()
            {
                libc::munmap(at, layout::BYTES);
                return false;
            }
            MEMORY.store(at as usize, Ordering::Release);
            true
        }
    })
}

/// Records the program of this process, however it was found.
pub fn program() {
    let mut path = [0_u8; PATH_BYTES / 2];
    // SAFETY: the buffer is ours, and one byte of it stays zero.
    unsafe {
        let link = c"/proc/self/exe".as_ptr();
        let found = libc::syscall(
            libc::READLINKAT,
            libc::AT_FDCWD,
            link,
            path.as_mut_ptr(),
            path.len() - 1,
        );
        if found > 0 {
            note(libc::AT_FDCWD, path.as_ptr().cast(), did::READ);
        }
        let told = libc::getauxval(libc::AT_EXECFN) as *const c_char;
        if !told.is_null() {
            let told = core::slice::from_raw_parts(told.cast(), libc::strlen(told));
            mark(did::LOADED, own_number(), told);
        }
    }
}

/// The recording, while something is recorded.
pub fn memory() -> Option<Memory> {
    let at = MEMORY.load(Ordering::Acquire);
    let memory = Memory(at);
    (at != 0 && !memory.is_closed()).then_some(memory)
}

#[derive(Clone, Copy)]
pub struct Memory(usize);

impl Memory {
    pub fn number(self, place: usize) -> &'static AtomicU64 {
        // SAFETY: the memory is mapped for good, is larger than any place, and such places are multiples of 8.
        unsafe { &*((self.0 + place) as *const AtomicU64) }
    }

    fn is_closed(self) -> bool {
        self.number(header::CLOSED).load(Ordering::Relaxed) != 0
    }

    pub fn fault(self, what: u64) {
        self.number(header::FAULTS)
            .fetch_or(what, Ordering::Relaxed);
    }

    /// Whether this is new; remembers it.
    fn is_new(self, hash: u64) -> bool {
        let hash = hash | 1;
        let mut at = (hash >> 1) as usize % layout::TABLE_SLOTS;
        // A table that is nearly full costs more than a record that is there twice.
        for _ in 0..64 {
            let slot = self.number(layout::TABLE_AT + at * 8);
            match slot.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(found) if found == hash => return false,
                Err(_) => at = (at + 1) % layout::TABLE_SLOTS,
            }
        }
        true
    }

    fn append(
        self,
        path: &[u8],
        did: u8,
        seen: Option<&Statx>,
        content: u64,
        clock: &Clock,
        pid: u32,
    ) {
        let bytes = (layout::RECORD_BYTES + path.len()).next_multiple_of(8);
        let at = self
            .number(header::USED)
            .fetch_add(bytes as u64, Ordering::Relaxed) as usize;
        if at.saturating_add(bytes) > layout::BYTES - layout::RECORDS_AT {
            return self.fault(fault::FULL);
        }
        let at = self.0 + layout::RECORDS_AT + at;
        // SAFETY: these bytes are ours alone since the addition above, and lie within the memory.
        unsafe {
            let put = |place: usize, value: u64| ((at + place) as *mut u64).write_unaligned(value);
            let put_half =
                |place: usize, value: u32| ((at + place) as *mut u32).write_unaligned(value);
            ((at + record::PATH_BYTES) as *mut u16).write_unaligned(path.len() as u16);
            ((at + record::DID) as *mut u8).write(did);
            ((at + record::THERE) as *mut u8).write(u8::from(seen.is_some()));
            put_half(record::PID, pid);
            put(record::CLOCK, clock.seconds as u64);
            put(record::CONTENT, content);
            put_half(record::CLOCK_NS, clock.nanoseconds as u32);
            if let Some(seen) = seen {
                put_half(record::MODE, u32::from(seen.mode));
                put_half(record::OWNER, seen.owner);
                put_half(record::MTIME_NS, seen.modified.nanoseconds);
                put_half(record::CTIME_NS, seen.changed.nanoseconds);
                put(record::SIZE, seen.size);
                put(record::MTIME, seen.modified.seconds as u64);
                put(record::CTIME, seen.changed.seconds as u64);
                put(record::INODE, seen.inode);
                put(
                    record::DEVICE,
                    u64::from(seen.device_major) << 32 | u64::from(seen.device_minor),
                );
            }
            ptr::copy_nonoverlapping(
                path.as_ptr(),
                (at + layout::RECORD_BYTES) as *mut u8,
                path.len(),
            );
            (*((at + record::BYTES) as *const AtomicU32)).store(bytes as u32, Ordering::Release);
        }
    }
}

/// Records what a process is about to do with a path, and what is there now.
///
/// # Safety
/// `path` is null or a C string.
pub unsafe fn note(dirfd: c_int, path: *const c_char, what: u8) {
    // SAFETY: the caller's word.
    unsafe { note_of(dirfd, path, what, false) }
}

/// The same for a call that does not follow a link at the end of the path.
///
/// # Safety
/// `path` is null or a C string.
pub unsafe fn note_itself(dirfd: c_int, path: *const c_char, what: u8) {
    // SAFETY: the caller's word.
    unsafe { note_of(dirfd, path, what, true) }
}

unsafe fn note_of(dirfd: c_int, path: *const c_char, what: u8, itself: bool) {
    let Some(memory) = memory() else { return };
    // An empty one means a descriptor that is open already.
    // SAFETY: the caller's word.
    if path.is_null() || unsafe { *path } == 0 {
        return;
    }
    libc::keeping_errno(|| {
        // SAFETY: the caller's word; the buffer is ours.
        unsafe {
            let mut buffer = [0_u8; PATH_BYTES];
            match absolute(dirfd, path, &mut buffer) {
                Some(bytes) => {
                    let bytes = through_links_of_the_kernel(&mut buffer, bytes, itself);
                    look(memory, &mut buffer, bytes, what);
                }
                None => memory.fault(fault::PATH),
            }
        }
    });
}

/// Records a name that is no path, such as that of a library.
pub fn name(what: u8, name: &[u8]) {
    mark(what, own_number(), name);
}

/// Records something of a process, and of a name.
pub fn mark(what: u8, pid: u32, name: &[u8]) {
    if let Some(memory) = memory() {
        let name = &name[..name.len().min(4096)];
        memory.append(name, what, None, 0, &Clock::default(), pid);
    }
}

/// The number of this process, which after vfork is not what the C library remembers.
pub fn own_number() -> u32 {
    // SAFETY: getpid(2) touches no memory of ours.
    unsafe { libc::syscall(libc::GETPID) as u32 }
}

unsafe fn look(memory: Memory, buffer: &mut [u8; PATH_BYTES], bytes: usize, what: u8) {
    let path = &buffer[..bytes];
    if [&b"/proc/"[..], b"/sys/", b"/dev/"]
        .iter()
        .any(|it| path.starts_with(it))
    {
        return;
    }
    if !memory.is_new(hash(path, what)) {
        return;
    }
    let mut clock = Clock::default();
    let mut seen = Statx::default();
    // SAFETY: the buffer ends with a zero, as `absolute` leaves room for it; the others are ours.
    unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut clock);
        let there = statx(buffer.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, &mut seen);
        let pid = own_number();
        let is_link = there && seen.mode & libc::S_IFMT == libc::S_IFLNK;
        let mut target = Statx::default();
        let leads = is_link && statx(buffer.as_ptr(), 0, &mut target);
        let content = match (is_link, there) {
            (true, _) if leads => content(buffer.as_ptr(), &target, what),
            (false, true) => content(buffer.as_ptr(), &seen, what),
            _ => 0,
        };
        memory.append(
            &buffer[..bytes],
            what,
            there.then_some(&seen),
            content,
            &clock,
            pid,
        );
        if is_link && what != did::WRITE {
            memory.append(
                &buffer[..bytes],
                did::FOLLOWED,
                leads.then_some(&target),
                0,
                &clock,
                pid,
            );
        }
    }
}

/// Whether this is a file that execve(2) would start.
///
/// # Safety
/// `path` is a C string.
pub unsafe fn runs(path: *const u8) -> bool {
    let mut seen = Statx::default();
    // SAFETY: the caller's word.
    unsafe {
        statx(path, 0, &mut seen)
            && seen.mode & libc::S_IFMT == libc::S_IFREG
            && libc::syscall(libc::FACCESSAT, libc::AT_FDCWD, path, libc::X_OK) == 0
    }
}

unsafe fn statx(path: *const u8, flags: c_int, to: &mut Statx) -> bool {
    // SAFETY: the caller's path is a C string, `to` is room for one.
    unsafe {
        libc::syscall(
            libc::STATX,
            libc::AT_FDCWD,
            path,
            flags,
            libc::STATX_BASIC_STATS,
            ptr::from_mut(to).cast::<c_void>(),
        ) == 0
    }
}

fn hash(path: &[u8], what: u8) -> u64 {
    let mut content = layout::Content::NOTHING;
    content.add(&[what]);
    content.add(path);
    content.number()
}
