//! What may become of bytes on their way: cut, swapped, repeated, joined with others, numbers out of all proportion.

use std::ops::Range;

use arbitrary::Unstructured;

/// No input grows beyond this: what is looked for is not the machine's speed.
const MOST_BYTES: usize = 64 << 10;

/// Pieces that readers have been known to stumble over.
const PIECES: [&[u8]; 36] = [
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b",",
    b":",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"/*",
    b"//",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\x1b[31m",
    b"\x1b]0;x\x07",
    b"\xc2\x9b",
    b"'",
    b"$(",
    b"`",
    b"..",
    b"/",
    b"**/",
    b"*",
    b"{a,",
    b"[!",
    b"null",
    b"true",
    b"\xce",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b" ",
];

const NUMBERS: [&str; 18] = [
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "1e19",
    "1e308",
    "0.0000001",
];

/// Returns `input` garbled in one to eight ways.
pub(crate) fn garble(
    mut input: Vec<u8>,
    other: &[u8],
    decisions: &mut Unstructured<'_>,
) -> Vec<u8> {
    let ways = decisions.int_in_range(1..=8).unwrap_or(1);
    for _ in 0..ways {
        once(&mut input, other, decisions);
        input.truncate(MOST_BYTES);
    }
    input
}

fn once(input: &mut Vec<u8>, other: &[u8], decisions: &mut Unstructured<'_>) {
    let at = place(input.len(), decisions);
    match decisions.int_in_range(0..=11_u8).unwrap_or(0) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << decisions.int_in_range(0..=7_u8).unwrap_or(0);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = decisions.arbitrary().unwrap_or(0);
            }
        }
        2 => input.truncate(at),
        3 => drop(input.drain(span(input.len(), decisions))),
        4 => insert(
            input,
            at,
            PIECES[decisions.choose_index(PIECES.len()).unwrap_or(0)],
        ),
        5 => {
            let piece = PIECES[decisions.choose_index(PIECES.len()).unwrap_or(0)];
            let times = 1 << decisions.int_in_range(0..=14_u8).unwrap_or(0);
            insert(input, at, &piece.repeat(times));
        }
        6 | 7 => number(input, at, decisions),
        8 => {
            let piece = input[span(input.len(), decisions)].to_vec();
            insert(input, at, &piece);
        }
        9 => {
            let span = span(input.len(), decisions);
            let most = (MOST_BYTES / 8 / span.len().max(1)).min(1000);
            let times = decisions.int_in_range(2..=most.max(2)).unwrap_or(2);
            let piece = input[span].repeat(times);
            insert(input, at, &piece);
        }
        10 => {
            let piece = &other[span(other.len(), decisions)];
            insert(input, at, piece);
        }
        _ => {
            // The front of this one, the back of another.
            input.truncate(at);
            input.extend_from_slice(&other[place(other.len(), decisions)..]);
        }
    }
}

fn place(length: usize, decisions: &mut Unstructured<'_>) -> usize {
    decisions.int_in_range(0..=length).unwrap_or(0)
}

fn span(length: usize, decisions: &mut Unstructured<'_>) -> Range<usize> {
    let (one, other) = (place(length, decisions), place(length, decisions));
    one.min(other)..one.max(other)
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if input.len() + piece.len() <= MOST_BYTES {
        drop(input.splice(at..at, piece.iter().copied()));
    }
}

/// Puts another number in the place of the next one.
fn number(input: &mut Vec<u8>, at: usize, decisions: &mut Unstructured<'_>) {
    let Some(start) = input[at..]
        .iter()
        .position(u8::is_ascii_digit)
        .map(|found| at + found)
    else {
        return;
    };
    let length = input[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let other = NUMBERS[decisions.choose_index(NUMBERS.len()).unwrap_or(0)];
    drop(input.splice(start..start + length, other.bytes()));
}
