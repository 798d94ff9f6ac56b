//! The layout of a recording in memory, shared by the library that writes it and the crate that reads it.
//!
//! A file without a name (memfd), which every recorded process maps: a header, a table of what is recorded already, then
//! records one after the other. Numbers are of the machine's own byte order.

/// Bytes of the whole; only what is written takes memory.
pub const BYTES: usize = 256 << 20;
/// Marks a recording of this layout.
pub const MAGIC: u64 = 0x676f_7267_6f6e_0002;
/// Slots of the table of what is recorded already: 8 bytes each.
pub const TABLE_SLOTS: usize = 1 << 20;
/// Where the table begins.
pub const TABLE_AT: usize = 4096;
/// Where the records begin.
pub const RECORDS_AT: usize = TABLE_AT + TABLE_SLOTS * 8;

/// Places of the numbers of the header, 8 bytes each.
pub mod header {
    /// [`super::MAGIC`].
    pub const MAGIC: usize = 0;
    /// Bytes of all records, which more may have been asked for than there are.
    pub const USED: usize = 8;
    /// Not 0: nothing is recorded any more.
    pub const CLOSED: usize = 16;
    /// What could not be recorded: bits of [`super::fault`].
    pub const FAULTS: usize = 24;
}

/// Reasons for which a recording cannot prove anything.
pub mod fault {
    /// It was full.
    pub const FULL: u64 = 1;
    /// A path longer than the kernel takes, or a working directory that is gone.
    pub const PATH: u64 = 2;
    /// A program was started by a call that cannot be followed (system, popen).
    pub const PROGRAM: u64 = 4;
    /// Paths were looked at by a call that cannot be followed (glob, nftw).
    pub const CALL: u64 = 8;
}

/// What a process did with a path.
pub mod did {
    /// Asked whether it is there, or what it is; or could not open it.
    pub const ASK: u8 = 1;
    /// Read its content, listed it, or ran it.
    pub const READ: u8 = 2;
    /// Wrote it, made it or removed it.
    pub const WRITE: u8 = 3;
    /// The same path with its links followed: what the last link leads to.
    pub const FOLLOWED: u8 = 4;
    /// Not a path but a thread that a library has started: the library.
    pub const THREAD: u8 = 5;
    /// Wrote all of its content, which does not depend on what was there.
    pub const PUT: u8 = 6;
    /// This process is about to become the program of this path, as execve(2) is told it.
    pub const STARTED: u8 = 7;
    /// It has not become it.
    pub const NOT_STARTED: u8 = 8;
    /// In this process a program has loaded the library: the path as execve(2) was told it.
    pub const LOADED: u8 = 9;
    /// A process of this number was started, with the program of this path.
    pub const SPAWNED: u8 = 10;
}

/// Bytes of a record before its path; a record takes a multiple of 8 bytes.
pub const RECORD_BYTES: usize = 88;

/// Places within a record.
pub mod record {
    /// u32: bytes of the record, written last.
    pub const BYTES: usize = 0;
    /// u16: bytes of the path.
    pub const PATH_BYTES: usize = 4;
    /// u8: [`super::did`].
    pub const DID: usize = 6;
    /// u8: 1 if something was there.
    pub const THERE: usize = 7;
    /// u32: process.
    pub const PID: usize = 8;
    /// u32: kind and permissions.
    pub const MODE: usize = 12;
    /// u32: owner.
    pub const OWNER: usize = 16;
    /// u32: nanoseconds of the modification.
    pub const MTIME_NS: usize = 20;
    /// u32: nanoseconds of the change.
    pub const CTIME_NS: usize = 24;
    /// u32: nanoseconds of the clock when it was looked at.
    pub const CLOCK_NS: usize = 28;
    /// u64: size.
    pub const SIZE: usize = 32;
    /// i64: seconds of the modification.
    pub const MTIME: usize = 40;
    /// i64: seconds of the change.
    pub const CTIME: usize = 48;
    /// u64: inode.
    pub const INODE: usize = 56;
    /// u64: device.
    pub const DEVICE: usize = 64;
    /// i64: seconds of the clock.
    pub const CLOCK: usize = 72;
    /// u64: of a directory that is read or asked for its [`super::Names`], of a file that is about to be written its
    /// [`super::Content`]; 0: not known.
    pub const CONTENT: usize = 80;
}

/// Largest file whose content is recorded before it is written, in bytes.
pub const CONTENT_BYTES: u64 = 1 << 20;

/// A number that stands for the content of a file, piece by piece: 64 bits of FNV-1a.
#[derive(Clone, Copy)]
pub struct Content(u64);

impl Content {
    /// Of nothing yet.
    pub const NOTHING: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Of one piece more.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Returns the number, which is not 0.
    pub fn number(self) -> u64 {
        let mut mixed = (self.0 ^ self.0 >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^= mixed >> 32;
        if mixed == 0 { 1 } else { mixed }
    }
}

/// A number that stands for the names in a directory, in whatever order they come.
#[derive(Clone, Copy)]
pub struct Names(u64);

impl Names {
    /// Of an empty directory.
    pub const NOTHING: Self = Self(1);

    /// Of one name more.
    pub fn add(&mut self, name: &[u8]) {
        let mut content = Content::NOTHING;
        content.add(name);
        self.0 = self.0.wrapping_add(content.number());
    }

    /// Returns the number, which is not 0.
    pub fn number(self) -> u64 {
        if self.0 == 0 { 1 } else { self.0 }
    }
}

/// The variable that names the recording.
pub const RECORDING_VARIABLE: &str = "GORGON_RECORDING";
