use super::*;

type File = (f64, Option<Pieces>);

/// Files as `seconds`, or `seconds:load:piece,piece…` where their pieces are known.
fn files(text: &str) -> Vec<File> {
    let number = |text: &str| text.parse::<f64>().unwrap();
    let file = |text: &str| {
        let words: Vec<&str> = text.split(':').collect();
        let pieces = words.get(2).map(|pieces| Pieces {
            load: number(words[1]),
            pieces: (0..)
                .zip(pieces.split(','))
                .map(|(n, seconds)| Piece {
                    tests: vec![format!("{n:02}")],
                    seconds: number(seconds),
                })
                .collect(),
        });
        (number(words[0]), pieces)
    };
    text.split_whitespace().map(file).collect()
}

fn parts(text: &str, splitting: Splitting) -> (Vec<File>, Vec<Vec<Piece>>) {
    let files = files(text);
    let whole: Vec<Whole<'_>> = wholes(&files);
    let parts = split(&whole, splitting);
    (files, parts)
}

fn wholes(files: &[File]) -> Vec<Whole<'_>> {
    files
        .iter()
        .map(|(seconds, pieces)| Whole {
            seconds: *seconds,
            pieces: pieces.as_ref(),
        })
        .collect()
}

/// The parts of each file as `tests=seconds`.
#[track_caller]
fn check(text: &str, splitting: Splitting, expected: &str) {
    let (_, parts) = parts(text, splitting);
    let shown: Vec<String> = parts
        .iter()
        .map(|parts| {
            let parts = parts.iter();
            let parts = parts.map(|part| format!("{}={:.1}", part.tests.join("+"), part.seconds));
            parts.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(shown.join(" | "), expected, "{text}");
}

fn pieces(count: usize, seconds: f64) -> String {
    vec![seconds.to_string(); count].join(",")
}

#[test]
fn a_file_over_the_limit_is_cut_into_parts_of_the_limit() {
    let over = Splitting::Over(2.0);
    check("4:0:1,1,1,1", over, "00+02=2.0 01+03=2.0");
    check("4:0:3,0.5,0.5", over, "00=3.0 01+02=1.0");
    check("2:0:1,1", over, "");
    check("4", over, "");
    check("5:0:5", over, "");
    check("4:0:1,1,1,1", Splitting::Never, "");
}

#[test]
fn no_test_is_lost_or_doubled() {
    for count in [2, 3, 17, 400] {
        let text = format!("{}:1:{}", count + 1, pieces(count, 1.0));
        for splitting in [
            Splitting::Over(0.5),
            Splitting::Over(7.0),
            Splitting::Automatic { slots: 3 },
        ] {
            let (_, parts) = parts(&text, splitting);
            let mut tests: Vec<&String> = parts[0].iter().flat_map(|part| &part.tests).collect();
            assert!(parts[0].iter().all(|part| !part.tests.is_empty()));
            assert!(tests.is_empty() || tests.len() == count, "{splitting:?}");
            tests.sort();
            tests.dedup();
            assert!(tests.is_empty() || tests.len() == count, "{splitting:?}");
        }
    }
}

#[test]
fn automatically_a_file_is_split_only_where_the_job_gets_shorter() {
    let automatic = |slots| Splitting::Automatic { slots };
    let is_split = |text: &str, slots| {
        let (_, parts) = parts(text, automatic(slots));
        parts.iter().map(Vec::len).collect::<Vec<_>>()
    };
    let ten = format!("10:0:{}", pieces(10, 1.0));
    // Eight of a kind fill four slots, five do not.
    assert_eq!(is_split(&format!("{ten} ").repeat(8), 4), [0; 8]);
    assert!(
        is_split(&format!("{ten} ").repeat(5), 4)
            .iter()
            .any(|n| *n > 0)
    );
    assert_eq!(is_split(&ten, 1), [0]);
    assert_eq!(is_split(&ten, 0), [0]);
    assert!(is_split(&format!("{ten} 1 1"), 4)[0] >= 4);
    // One piece is longer than all the rest: nothing helps.
    assert_eq!(is_split("10:0:9.9,0.1 1 1", 4), [0, 0, 0]);
    // Too little is to be won.
    assert_eq!(is_split("0.09:0:0.03,0.03,0.03", 4), [0]);
}

#[test]
fn the_job_ends_within_three_per_cent_of_the_best_time() {
    let small = " 0.5".repeat(66);
    for (name, text, slots) in [
        ("a giant", format!("66:0.2:{}{small}", pieces(658, 0.1)), 4),
        (
            "two",
            format!("50:0.1:{0} 50:0.1:{0}{small}", pieces(499, 0.1)),
            8,
        ),
        (
            "a long group",
            format!("66:0:20,{}{small}", pieces(460, 0.1)),
            4,
        ),
        ("five", format!("20:0.1:{} ", pieces(199, 0.1)).repeat(5), 4),
        ("all alone", format!("66:0.2:{}", pieces(658, 0.1)), 4),
    ] {
        let (files, parts) = parts(&text, Splitting::Automatic { slots });
        let whole = wholes(&files);
        let total: f64 = whole.iter().map(|file| file.seconds).sum();
        let best = whole
            .iter()
            .map(longest_piece)
            .fold(total / f64::from(u32::try_from(slots).unwrap()), f64::max);
        let ends = makespan(&whole, &parts, slots);
        assert!(ends <= best * 1.03, "{name}: {ends} of {best}");
    }
}
