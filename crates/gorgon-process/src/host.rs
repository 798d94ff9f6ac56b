//! The name of this machine.

/// Returns the kernel's host name; `localhost` when it has none.
#[must_use]
pub fn hostname() -> String {
    let mut buffer = [0_u8; 256];
    // SAFETY: the pointer and the length describe `buffer`, which lives through the call; the last
    // byte is kept as a terminator, since POSIX does not promise one for a cut name.
    #[expect(unsafe_code, reason = "gethostname(2) has no safe form in std")]
    let result = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    let length = buffer.iter().position(|byte| *byte == 0).unwrap_or(0);
    if result != 0 || length == 0 {
        return "localhost".to_owned();
    }
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_name_in_proc() {
        let expected = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(super::hostname(), expected.trim());
    }
}
