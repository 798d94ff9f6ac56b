//! Cuts what a test said to what a person reads on a terminal: its head, its tail, and of a crash
//! report of Ruby what happened and where.

use crate::cut::{left_out_before, true_length};

/// So many lines are shown of one text.
pub const LINES_LIMIT: usize = 60;
/// So many bytes are shown of one text.
pub const BYTES_LIMIT: usize = 8 * 1024;
/// So many innermost lines are shown of the backtrace in a crash report of Ruby.
const CRASH_LINES: usize = 12;

/// Where a crash report of Ruby begins.
const CRASH: &str = "[BUG] ";
/// What the sections of a crash report begin with.
const SECTION: &str = "-- ";
/// The section that says which Ruby code ran, outermost first.
const BACKTRACE: &str = "-- Ruby level backtrace information";

/// Returns the mark in place of what is left out, which may have been cut on its way to us.
fn mark(left_out: &str) -> String {
    let lines = left_out.lines().count();
    let size = match true_length(left_out) {
        bytes @ 0..2_048 => format!("{bytes} bytes"),
        bytes @ 2_048..2_097_152 => format!("{} KiB", bytes / 1024),
        bytes => format!("{} MiB", bytes >> 20),
    };
    if left_out_before(left_out) > 0 {
        return format!("[… {size} left out; --junit and --json have more …]\n");
    }
    let noun = if lines == 1 { "line" } else { "lines" };
    format!("[… {lines} {noun}, {size}, left out; --junit and --json have more …]\n")
}

/// Returns how many bytes of `text` are its first `lines` lines.
fn end_of_lines(text: &str, lines: usize) -> usize {
    text.split_inclusive('\n').take(lines).map(str::len).sum()
}

/// Returns where the last `lines` lines of `text` begin.
fn start_of_lines(text: &str, lines: usize) -> usize {
    let all = text.split_inclusive('\n').count();
    end_of_lines(text, all.saturating_sub(lines))
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the text, with a mark in its middle when it is long.
#[must_use]
pub fn shorten(text: &str) -> String {
    if let Some(text) = crash(text) {
        return middle(&text);
    }
    middle(text)
}

fn middle(text: &str) -> String {
    let short = text.len() <= BYTES_LIMIT && text.lines().count() <= LINES_LIMIT;
    if short {
        return text.to_owned();
    }
    let half = BYTES_LIMIT / 2;
    let head = end_of_lines(text, LINES_LIMIT / 2).min(floor(text, half.min(text.len())));
    let least = floor(text, text.len().saturating_sub(half));
    let tail = start_of_lines(text, LINES_LIMIT / 2).max(least).max(head);
    let (head, left_out, tail) = (&text[..head], &text[head..tail], &text[tail..]);
    let before = if head.ends_with('\n') || head.is_empty() {
        ""
    } else {
        "\n"
    };
    format!("{head}{before}{}{tail}", mark(left_out))
}

/// Returns a text that holds a crash report of Ruby without the parts of it that only Ruby's
/// own authors read.
fn crash(text: &str) -> Option<String> {
    let bug = text.find(CRASH)?;
    let sections = bug + text[bug..].find(&format!("\n{SECTION}"))? + 1;
    let title = sections + text[sections..].find(BACKTRACE)?;
    let lines = title + end_of_lines(&text[title..], 1);
    let length = text[lines..]
        .split_inclusive('\n')
        .take_while(|line| !line.trim().is_empty() && !line.starts_with(SECTION))
        .map(str::len)
        .sum::<usize>();
    let end = lines + length;
    let innermost = lines + start_of_lines(&text[lines..end], CRASH_LINES);
    let mut out = text[..sections].to_owned();
    if title > sections {
        out.push_str(&mark(&text[sections..title]));
    }
    out.push_str(&text[title..lines]);
    if innermost > lines {
        out.push_str(&mark(&text[lines..innermost]));
    }
    out.push_str(&text[innermost..end]);
    if end < text.len() {
        out.push_str(&mark(&text[end..]));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> String {
        (1..=count).map(|n| format!("line {n}\n")).collect()
    }

    #[test]
    fn what_is_short_stays_as_it_is() {
        for text in ["", "one", "one\ntwo\n", &lines(LINES_LIMIT)] {
            assert_eq!(shorten(text), text);
        }
    }

    #[test]
    fn many_lines_are_cut_between_two_of_them() {
        let shown = shorten(&lines(100));
        assert!(shown.starts_with("line 1\n"), "{shown}");
        assert!(
            shown.contains("line 30\n[… 40 lines, 320 bytes, left out; "),
            "{shown}"
        );
        assert!(shown.contains("more …]\nline 71\n"), "{shown}");
        assert!(shown.ends_with("line 100\n"), "{shown}");
    }

    #[test]
    fn a_long_line_is_cut_and_no_character_of_it() {
        let shown = shorten(&format!("differs at {}!", "ü".repeat(100_000)));
        assert!(shown.len() < BYTES_LIMIT + 100, "{}", shown.len());
        assert!(shown.starts_with("differs at ü") && shown.ends_with("ü!"));
        assert!(
            shown.contains("\n[… 1 line, 187 KiB, left out; "),
            "{shown}"
        );
    }

    #[test]
    fn a_crash_report_keeps_what_happened_and_the_innermost_ruby_lines() {
        let text = format!(
            "printed before\na.rb:3: [BUG] Segmentation fault at 0x1\nruby 3.1.2p20\n\n\
             -- Control frame information ---\n{}\n\
             -- Ruby level backtrace information ---\nouter 0\n{}a.rb:3:in `kill'\n\n\
             -- C level backtrace information ---\n{}",
            lines(50),
            lines(20),
            lines(200)
        );
        let shown = shorten(&text);
        let begin = "printed before\na.rb:3: [BUG] Segmentation fault at 0x1\nruby 3.1.2p20\n\n[… 52 lines, ";
        assert!(shown.starts_with(begin), "{shown}");
        assert!(
            shown.contains("line 20\na.rb:3:in `kill'\n[… 202 lines, "),
            "{shown}"
        );
        assert!(
            shown.contains("\n-- Ruby level backtrace information ---\n[… 10 lines, "),
            "{shown}"
        );
        assert!(shown.lines().count() < 25, "{shown}");
    }
}
