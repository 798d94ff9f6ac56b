//! The name of this machine, and where others may reach it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

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

/// Returns the addresses of this machine's interfaces that are up, without loopback and without
/// link-local ones (those of IPv6 need a zone that only we know); IPv4 first.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = interface_addresses()
        .into_iter()
        .filter(|address| is_reachable(*address))
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    found
}

fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

fn interface_addresses() -> Vec<IpAddr> {
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: getifaddrs(3) writes one pointer, to a list that is ours until freeifaddrs(3).
    #[expect(unsafe_code, reason = "getifaddrs(3) has no safe form in std")]
    let result = unsafe { libc::getifaddrs(&raw mut first) };
    if result != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: `next` points to an element of the list, which is freed only after the loop.
        #[expect(unsafe_code, reason = "a list of C")]
        let interface = unsafe { &*next };
        let up = interface.ifa_flags & libc::IFF_UP.unsigned_abs() != 0;
        if up && !interface.ifa_addr.is_null() {
            found.extend(address(interface.ifa_addr));
        }
        next = interface.ifa_next;
    }
    // SAFETY: the list came from getifaddrs(3), and nothing borrows from it any more.
    #[expect(unsafe_code, reason = "freeifaddrs(3) has no safe form in std")]
    unsafe {
        libc::freeifaddrs(first);
    }
    found
}

/// Reads a socket address of the list; none for families other than IP.
fn address(socket: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: the caller has a non-null pointer from getifaddrs(3); its family tells which
    // structure it really is, and these are read without regard to alignment.
    #[expect(unsafe_code, reason = "a tagged union of C")]
    unsafe {
        match i32::from(ptr::read_unaligned(socket).sa_family) {
            libc::AF_INET => {
                let v4 = ptr::read_unaligned(socket.cast::<libc::sockaddr_in>());
                Some(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()).into())
            }
            libc::AF_INET6 => {
                let v6 = ptr::read_unaligned(socket.cast::<libc::sockaddr_in6>());
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_have_addresses_and_loopback_is_not_offered() {
        assert!(interface_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(addresses().into_iter().all(is_reachable));
        for address in ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0"] {
            assert!(!is_reachable(address.parse().unwrap()), "{address}");
        }
        for address in ["10.1.2.3", "192.168.0.7", "2001:db8::1"] {
            assert!(is_reachable(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn it_is_the_name_in_proc() {
        let expected = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(super::hostname(), expected.trim());
    }
}
