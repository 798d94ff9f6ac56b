//! Whether the machine is short of memory.

/// One part in so many of the memory is to be free for others.
const FREE_PART: u64 = 10;

/// Returns whether what /proc/meminfo says means that what is kept must go.
pub(crate) fn is_short(meminfo: &str) -> bool {
    let number = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    match (number("MemAvailable"), number("MemTotal")) {
        (Some(available), Some(total)) => available < total / FREE_PART,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_left_free() {
        for (available, short) in [(99, true), (100, false), (900, false)] {
            let text =
                format!("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  {available} kB\n");
            assert_eq!(is_short(&text), short, "{available}");
        }
        assert!(!is_short(""));
    }
}
