use super::*;

fn message(tag: u64, bytes: usize) -> Publish {
    Publish::to_queue("q", vec![b'x'; bytes], tag)
}

/// Performs the words of `script` on a window and tells what came of each:
/// `pN` push with tag N, `uN` push an unhurried one, `s` send what the window lets, `aN`/`AN` confirm tag N/up to N,
/// `rN` return number N, `lost`.
fn check(script: &str, expected: &str) {
    let now = Instant::now();
    let mut window = Window::default();
    let mut told = Vec::new();
    for word in script.split_whitespace() {
        let number = || word[1..].parse::<u64>().unwrap();
        let settled = match word.as_bytes()[0] {
            b'p' => {
                window.push(message(number(), 10));
                Vec::new()
            }
            b'u' => {
                window.push(Publish {
                    unhurried: true,
                    ..message(number(), 10)
                });
                Vec::new()
            }
            b's' => {
                while let Some((_, message)) = window.next(now) {
                    told.push(format!("send {}", message.tag));
                }
                Vec::new()
            }
            b'a' => window.confirmed(number(), false),
            b'A' => window.confirmed(number(), true),
            b'r' => {
                window.returned(number());
                Vec::new()
            }
            _ => {
                window.lost();
                Vec::new()
            }
        };
        for one in settled {
            let what = match one.fate {
                Fate::Routed => "ok",
                Fate::RoutedUnhurried => "ok, unhurried",
                Fate::Unroutable => "unroutable",
                Fate::TooLarge => "too large",
            };
            told.push(format!("{what} {}", one.tag));
        }
    }
    told.push(if window.is_empty() { "empty" } else { "open" }.to_owned());
    assert_eq!(told.join(", "), expected, "{script}");
}

#[test]
fn messages_end_once_whatever_the_broker_says() {
    let table = [
        ("p7 s a1", "send 7, ok 7, empty"),
        ("p7 s", "send 7, open"),
        ("u7 s a1", "send 7, ok, unhurried 7, empty"),
        ("u7 s r1 a1", "send 7, unroutable 7, empty"),
        ("p7", "open"),
        ("p7 s a1 a1", "send 7, ok 7, empty"),
        ("p7 s a2 a1", "send 7, ok 7, empty"),
        (
            "p1 p2 p3 s a2 A3",
            "send 1, send 2, send 3, ok 2, ok 1, ok 3, empty",
        ),
        ("p1 p2 p3 s A2", "send 1, send 2, send 3, ok 1, ok 2, open"),
        (
            "p1 p2 s r2 a2 a1",
            "send 1, send 2, unroutable 2, ok 1, empty",
        ),
        ("p5 s r9 a1", "send 5, ok 5, empty"),
        // After a loss the unconfirmed come first, in order, with new delivery tags.
        (
            "p1 p2 p3 s a2 lost s A2",
            "send 1, send 2, send 3, ok 2, send 1, send 3, ok 1, ok 3, empty",
        ),
        (
            "p1 s lost p2 s A2",
            "send 1, send 1, send 2, ok 1, ok 2, empty",
        ),
        // A return of the lost connection does not count for the next.
        ("p1 s r1 lost s a1", "send 1, send 1, ok 1, empty"),
    ];
    for (script, expected) in table {
        check(script, expected);
    }
}

#[test]
fn the_window_is_bounded_in_messages_and_bytes() {
    let now = Instant::now();
    // size of each, how many of 2,000 fit
    let table = [
        (0, 1_000),
        (10, 1_000),
        (BYTES / 4, 4),
        (BYTES / 4 + 1, 3),
        (BYTES, 1),
        (BYTES + 1, 1),
    ];
    for (size, fits) in table {
        let mut window = Window::default();
        for tag in 0..(fits as u64 + 5) {
            window.push(message(tag, size));
        }
        let mut sent = 0;
        while window.next(now).is_some() {
            sent += 1;
        }
        assert_eq!(sent, fits, "{size} bytes");
        let half = (fits as u64).div_ceil(2);
        for tag in 1..half {
            assert_eq!(window.confirmed(tag, false).len(), 1);
            assert!(window.next(now).is_none(), "{size} bytes, {tag} confirmed");
        }
        assert_eq!(window.confirmed(half, false).len(), 1);
        assert!(window.next(now).is_some(), "{size} bytes");
    }
}

#[test]
fn what_no_broker_takes_is_settled_at_once() {
    let mut window = Window::default();
    let settled = window.push(message(3, Publish::LIMIT_BYTES + 1));
    assert_eq!(
        settled,
        Some(Settled {
            tag: 3,
            fate: Fate::TooLarge,
            then_ack: None,
        })
    );
    assert!(window.is_empty());
    assert_eq!(window.push(message(4, 1)), None);
}

#[test]
fn a_missing_exchange_ends_its_own_messages_only() {
    let now = Instant::now();
    let mut window = Window::default();
    window.push(message(1, 1));
    window.push(Publish::to_exchange("gone", "", "x", 2));
    window.push(Publish::to_exchange("here", "", "x", 3));
    while window.next(now).is_some() {}
    let settled = window.give_up_unknown(|name| name == "here");
    assert_eq!(
        settled,
        vec![Settled {
            tag: 2,
            fate: Fate::Unroutable,
            then_ack: None,
        }]
    );
    window.lost();
    assert_eq!(
        window
            .next(now)
            .map(|(number, message)| (number, message.tag)),
        Some((1, 1))
    );
    assert_eq!(
        window
            .next(now)
            .map(|(number, message)| (number, message.tag)),
        Some((3, 3))
    );
}

#[test]
fn a_confirm_is_overdue_after_ten_seconds_and_a_large_one_later() {
    let start = Instant::now();
    let mut window = Window::default();
    assert_eq!(window.overdue_at(), None);
    window.push(message(1, 10));
    assert_eq!(window.overdue_at(), None);
    assert!(window.next(start).is_some());
    assert_eq!(window.overdue_at(), Some(start + CONFIRM));
    let later = start + Duration::from_secs(60);
    window.restart_clocks(later);
    assert_eq!(window.overdue_at(), Some(later + CONFIRM));
    window.confirmed(1, false);
    window.push(message(2, 10 << 20));
    assert!(window.next(start).is_some());
    assert_eq!(
        window.overdue_at(),
        Some(start + CONFIRM + Duration::from_secs(10))
    );
}

#[test]
fn what_the_broker_finds_too_large_is_given_up_and_not_tried_again() {
    let now = Instant::now();
    let fill = || {
        let mut window = Window::default();
        for (tag, bytes) in [(1, 10), (2, 3_000), (3, 20), (4, 2_000)] {
            window.push(message(tag, bytes));
        }
        while window.next(now).is_some() {}
        window
    };
    let too_large = |tag| Settled {
        tag,
        fate: Fate::TooLarge,
        then_ack: None,
    };
    assert_eq!(Window::default().give_up_too_large(None), []);

    let mut window = fill();
    assert_eq!(window.give_up_too_large(None), [too_large(2)]);
    window.lost();
    let left: Vec<_> = std::iter::from_fn(|| window.next(now).map(|(_, m)| m.tag)).collect();
    assert_eq!(left, [1, 3, 4]);

    let mut window = fill();
    let settled = window.give_up_too_large(Some(1_000));
    assert_eq!(settled, [too_large(2), too_large(4)]);
    assert_eq!(window.push(message(5, 1_001)), Some(too_large(5)));
    assert_eq!(window.push(message(6, 1_000)), None);

    // Words that cannot be true give up one message all the same.
    let mut window = fill();
    assert_eq!(window.give_up_too_large(Some(9_000)), [too_large(2)]);
}
