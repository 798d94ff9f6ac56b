//! For tests: bytes from elsewhere, garbled, case by case.
//!
//! A reader of foreign bytes has one function that holds its properties (no panic, output bounded, what is printed is
//! read again). [`cases`] calls it some thousand times in `make test`, on what [`Corpus`] makes of real inputs; `make
//! fuzz` calls the same function. The inputs lie in `fuzz/corpus/NAME`, and what was ever found stays there.
//!
//! Cases are the same each time. One that fails names itself, and `GORGON_CASE=0x… cargo test -p CRATE TEST` runs it
//! alone.

mod corpus;
mod garble;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

pub use arbitrary::Unstructured;
pub use corpus::Corpus;

/// Time after which a case counts as a hang, even on a loaded machine.
const HANG: Duration = Duration::from_secs(60);
/// Random bytes of one case: what it decides by.
const DECISIONS_BYTES: usize = 1024;
/// The stack of one case, as a thread of the product has it.
const STACK_BYTES: usize = 2 << 20;

/// Runs `check` on `count` inputs, each a garbled piece of the corpus.
///
/// # Panics
/// When a case does, hangs or overflows its stack; the name of the case is in the message, or in the thread's name.
pub fn cases(corpus: Corpus, count: u64, check: impl Fn(&[u8]) + Send + Sync + 'static) {
    let check = Arc::new(check);
    let corpus = Arc::new(corpus);
    for (at, input) in corpus.inputs().iter().enumerate() {
        let (check, input) = (Arc::clone(&check), input.clone());
        run(
            &format!("input {at} of fuzz/corpus/{}", corpus.name()),
            move || check(&input),
        );
    }
    let numbers = match std::env::var("GORGON_CASE") {
        Ok(case) => {
            let digits = case.trim_start_matches("0x");
            let case = u64::from_str_radix(digits, 16).expect("GORGON_CASE is a number, 0x…");
            case..case + 1
        }
        Err(_) => 0..count,
    };
    for number in numbers {
        let (check, corpus) = (Arc::clone(&check), Arc::clone(&corpus));
        run(&format!("GORGON_CASE={number:#x}"), move || {
            let bytes = decisions(number);
            check(&corpus.garbled(&mut Unstructured::new(&bytes)));
        });
    }
}

/// Runs one case in a thread of its name: an overflow of the stack cannot be caught, but tells the thread's name.
fn run(name: &str, case: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            case();
            // Nobody waits any more when the case was taken for one that hangs.
            let _ = done.send(());
        })
        .expect("a thread for a case");
    match ended.recv_timeout(HANG) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name} hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{name} has panicked, see above"),
    }
    // It has said that it is done.
    let _ = thread.join();
}

/// Returns the random bytes of a case (splitmix64): the same for a number, whatever the machine.
fn decisions(number: u64) -> Vec<u8> {
    let mut state = number
        .wrapping_mul(0xD134_2543_DE82_EF95)
        .wrapping_add(0x2545_F491_4F6C_DD1D);
    let next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some((word ^ (word >> 31)).to_le_bytes())
    };
    std::iter::from_fn(next)
        .flatten()
        .take(DECISIONS_BYTES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_the_same_each_time_and_unlike_the_next() {
        let corpus = Corpus::of("texts", [b"one two three".to_vec(), b"4,5,6".to_vec()]);
        let make = |number| corpus.garbled(&mut Unstructured::new(&decisions(number)));
        assert_eq!(make(7), make(7));
        let differing = (0..100).filter(|number| make(*number) != make(number + 1));
        assert!(differing.count() > 90);
    }

    #[test]
    #[should_panic(expected = "GORGON_CASE=0x")]
    fn a_failing_case_names_itself() {
        let corpus = Corpus::of("texts", [b"one two three".to_vec()]);
        cases(corpus, 1000, |input| assert!(input.len() < 100, "too long"));
    }
}
