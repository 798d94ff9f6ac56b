use super::*;

/// A recording as the library would leave it, of records that are already made.
fn of(records: &[u8], place: usize, value: u64) -> Result<Recording, Unusable> {
    let mut first = vec![0; 64];
    let mut set = |place: usize, value: u64| {
        first[place..place + 8].copy_from_slice(&value.to_ne_bytes());
    };
    set(header::MAGIC, layout::MAGIC);
    set(header::USED, records.len() as u64);
    set(place, value);
    Recording::read(&first, records, &started())
}

/// What our own code has started.
fn started() -> Started {
    Started {
        pid: 1,
        program: "/bin/a".into(),
    }
}

fn whole(records: &[u8]) -> Result<Recording, Unusable> {
    of(records, header::CLOSED, 1)
}

fn record(path: &str, did: u8) -> Vec<u8> {
    let length = (RECORD_BYTES + path.len()).next_multiple_of(8);
    let mut one = vec![0; length];
    one[..4].copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
    one[4..6].copy_from_slice(&u16::try_from(path.len()).unwrap().to_ne_bytes());
    one[record::DID] = did;
    one[RECORD_BYTES..RECORD_BYTES + path.len()].copy_from_slice(path.as_bytes());
    one
}

#[test]
fn looks_come_in_their_order_and_threads_by_their_library() {
    let records = [
        of_process(did::LOADED, 1, "/bin/a"),
        record("/a", did::READ),
        record("/lib/x.so", did::THREAD),
        record("/b", did::WRITE),
    ];
    let read = whole(&records.concat()).unwrap();
    let found: Vec<_> = read
        .notes
        .iter()
        .map(|note| (note.path.to_str().unwrap(), note.did))
        .collect();
    assert_eq!(found, [("/a", Did::Read), ("/b", Did::Wrote)]);
    assert_eq!(read.threads, ["/lib/x.so"]);
}

#[test]
fn a_recording_with_a_gap_proves_nothing() {
    let records = [
        of_process(did::LOADED, 1, "/bin/a"),
        record("/a", did::READ),
        record("/b", did::READ),
    ]
    .concat();
    let set = |place: usize, value: u64| of(&records, place, value);
    assert_eq!(set(header::FAULTS, fault::FULL), Err(Unusable::Full));
    assert_eq!(set(header::FAULTS, fault::PROGRAM), Err(Unusable::Program));
    assert_eq!(set(header::FAULTS, fault::CALL), Err(Unusable::Call));
    assert_eq!(whole(&record("/a", did::READ)), Err(Unusable::NotLoaded));
    assert_eq!(set(header::MAGIC, 1), Err(Unusable::Damaged));
    assert_eq!(set(header::USED, u64::MAX), Err(Unusable::Damaged));
    // One that was begun and not finished.
    let torn = whole(&[&[0; 4], &records[4..]].concat());
    assert_eq!(torn, Err(Unusable::Damaged));
}

#[test]
fn no_bytes_make_it_panic() {
    let records = [record("/a/b", did::READ), record("/c", did::ASK)].concat();
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut garbled = records.clone();
        for _ in 0..3 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let place = (state >> 33) as usize % garbled.len();
            garbled[place] = (state >> 20) as u8;
        }
        let _ = whole(&garbled);
    }
}

fn of_process(did: u8, pid: u32, program: &str) -> Vec<u8> {
    let mut one = record(program, did);
    one[record::PID..record::PID + 4].copy_from_slice(&pid.to_ne_bytes());
    one
}

#[test]
fn each_program_must_have_loaded_the_library() {
    use did::{LOADED, NOT_STARTED, SPAWNED, STARTED};
    /// After the first program, which is `/bin/a` in process 1.
    type Case = (&'static [(u8, u32, &'static str)], bool);
    let cases: &[Case] = &[
        (&[], true),
        // `bundle exec ruby`: one process, two programs.
        (&[(STARTED, 1, "b"), (LOADED, 1, "b")], true),
        (&[(STARTED, 1, "b")], false),
        // A program that is not recorded becomes one that is.
        (&[(STARTED, 1, "b"), (LOADED, 1, "c")], false),
        (&[(LOADED, 2, "b"), (SPAWNED, 2, "b")], true),
        (&[(LOADED, 2, "c"), (SPAWNED, 2, "b")], false),
        (&[(SPAWNED, 2, "b")], false),
        (&[(STARTED, 2, "b"), (LOADED, 2, "b")], true),
        (&[(STARTED, 2, "b")], false),
        (&[(STARTED, 2, "b"), (NOT_STARTED, 2, "")], true),
        // One after the other, with the same number.
        (
            &[(LOADED, 2, "b"), (SPAWNED, 2, "b"), (SPAWNED, 2, "c")],
            false,
        ),
        // What a program that is not recorded starts does not stand for it.
        (&[(STARTED, 2, "b"), (LOADED, 3, "b")], false),
        // Nobody who is recorded has started it.
        (&[(LOADED, 3, "b")], false),
    ];
    for (marks, expected) in cases {
        let records: Vec<u8> = [(LOADED, 1, "/bin/a")]
            .iter()
            .chain(*marks)
            .flat_map(|(did, pid, program)| of_process(*did, *pid, program))
            .collect();
        assert_eq!(whole(&records).is_ok(), *expected, "{marks:?}");
    }
    for (pid, program) in [(1, "/bin/b"), (2, "/bin/a")] {
        let found = whole(&of_process(LOADED, pid, program));
        assert_eq!(found, Err(Unusable::Launcher), "{pid} {program}");
    }
}
