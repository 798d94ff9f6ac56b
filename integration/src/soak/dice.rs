//! Chance that a seed decides.

/// A generator of numbers: the same seed, the same numbers.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Makes it from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }

    /// Returns one of these, if there are any.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.roll(from.len() as u64);
        from.get(usize::try_from(at).ok()?)
    }
}
