//! Words of a command line that a person pastes into a shell.

use super::visible::is_harmless;

/// Returns a word for a command line of a shell. Control characters are given in the shell's own notation.
#[must_use]
pub fn quoted(name: &str) -> String {
    if name
        .chars()
        .all(|c| is_harmless(c) && c != '\t' && c != '\n')
    {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@%+=".contains(c);
        if name.chars().all(plain) && !name.starts_with('=') && !name.is_empty() {
            return name.to_owned();
        }
        return shell_words::quote(name).into_owned();
    }
    let mut out = "$'".to_owned();
    for character in name.chars() {
        match character {
            '\'' | '\\' => out.extend(['\\', character]),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            other if is_harmless(other) => out.push(other),
            // Byte by byte and with three digits each: nothing that follows can belong to it.
            other => {
                let mut bytes = [0; 4];
                for byte in other.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("\\{byte:03o}"));
                }
            }
        }
    }
    out.push('\'');
    out
}
