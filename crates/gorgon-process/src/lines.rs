//! Lines of another process, of which none can fill the memory.

use std::io::{self, BufRead};

/// Reads the next line into `line`, without its line feed, and returns how long it is; none at the end. Of a longer line
/// than `most` the front is kept, and the rest passed over.
///
/// # Errors
/// What the stream says.
pub fn next(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    most: usize,
) -> io::Result<Option<usize>> {
    line.clear();
    let mut length = 0;
    loop {
        let piece = match reader.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if piece.is_empty() {
            return Ok((length > 0).then_some(length));
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let text = &piece[..end.unwrap_or(piece.len())];
        let room = most - line.len();
        line.extend_from_slice(&text[..text.len().min(room)]);
        length += text.len();
        let used = text.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_long_ones_cut() {
        let text = b"one\n\ntwenty-two letters long\nlast";
        for buffer in [1, 2, 7, 64] {
            let mut reader = io::BufReader::with_capacity(buffer, text.as_slice());
            let mut line = Vec::new();
            let mut lines = Vec::new();
            while let Some(length) = next(&mut reader, &mut line, 10).unwrap() {
                lines.push((String::from_utf8(line.clone()).unwrap(), length));
            }
            let expected = [("one", 3), ("", 0), ("twenty-two", 23), ("last", 4)];
            assert_eq!(
                lines,
                expected.map(|(line, length)| (line.to_owned(), length))
            );
        }
    }
}
