//! Who may enter: one random user, compared in constant time.

use std::io;

/// The broker's only user.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Login {
    /// Draws a user and a password from the system's random source.
    pub(crate) fn random() -> io::Result<Self> {
        let (mut user, mut first, mut second) = ([0; 4], [0; 16], [0; 4]);
        for bytes in [&mut user[..], &mut first, &mut second] {
            getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string()))?;
        }
        let [user, second] = [user, second].map(u32::from_be_bytes);
        Ok(Self {
            user: format!("gorgon-{user:08x}"),
            password: format!("{:032x}{second:08x}", u128::from_be_bytes(first)),
        })
    }

    /// Tells whether a PLAIN response (`NUL user NUL password`) names this user and its password.
    pub(crate) fn accepts(&self, response: &[u8]) -> bool {
        let expected = format!("\0{}\0{}", self.user, self.password);
        equal(expected.as_bytes(), response)
    }
}

/// Compares without telling by its duration how much of `given` was right; only the length shows.
fn equal(expected: &[u8], given: &[u8]) -> bool {
    let differing = expected
        .iter()
        .zip(given)
        .fold(0, |seen, (one, other)| seen | (one ^ other));
    std::hint::black_box(differing) == 0 && expected.len() == given.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_response_is_accepted() {
        let login = Login {
            user: "u".into(),
            password: "secret".into(),
        };
        for (response, accepted) in [
            ("\0u\0secret", true),
            ("\0u\0secreT", false),
            ("\0u\0secre", false),
            ("\0u\0secrets", false),
            ("\0v\0secret", false),
            ("u\0u\0secret", false),
            ("", false),
        ] {
            assert_eq!(login.accepts(response.as_bytes()), accepted, "{response:?}");
        }
    }

    #[test]
    fn two_brokers_have_two_passwords() {
        let (one, other) = (Login::random().unwrap(), Login::random().unwrap());
        assert_ne!(one.password, other.password);
        assert_eq!(one.password.len(), 40);
    }
}
