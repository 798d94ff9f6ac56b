//! Thousands of histories of one job in virtual time: one verdict an item, and an end.

use integration::sim::{Weather, World};

const CALM: Weather = Weather {
    items: 12,
    workers: 3,
    kills: 0,
    cuts: 0,
    restarts: 0,
    retries: 0,
    cancel: false,
};

fn check(seeds: std::ops::Range<u64>, weather: impl Fn(u64) -> Weather) {
    for seed in seeds {
        let weather = weather(seed);
        if let Err(wrong) = World::new(seed, weather).run(weather) {
            panic!("seed {seed}, {weather:?}: {wrong}");
        }
    }
}

#[test]
fn a_calm_job_is_complete() {
    check(0..200, |_| CALM);
}

#[test]
fn killed_workers_lose_no_item() {
    check(0..1500, |seed| Weather {
        kills: 1 + (seed % 4) as u32,
        ..CALM
    });
}

#[test]
fn cut_connections_lose_no_item() {
    check(0..1500, |seed| Weather {
        cuts: 1 + (seed % 5) as u32,
        ..CALM
    });
}

#[test]
fn a_broker_that_forgets_loses_no_item() {
    check(0..1500, |seed| Weather {
        restarts: 1 + (seed % 2) as u32,
        ..CALM
    });
}

#[test]
fn everything_at_once_loses_no_item() {
    check(0..2000, |seed| Weather {
        items: 5 + (seed % 20) as u32,
        workers: 1 + (seed % 5) as u32,
        kills: (seed % 4) as u32,
        cuts: (seed % 3) as u32,
        restarts: 0,
        retries: 0,
        cancel: false,
    });
}

#[test]
fn failed_tests_are_tried_again_whatever_dies() {
    let retries = |seed: u64| 1 + (seed % 3) as u32;
    check(0..1500, |seed| Weather {
        items: 3 + (seed % 12) as u32,
        workers: 1 + (seed % 4) as u32,
        retries: retries(seed),
        kills: (seed / 2 % 3) as u32,
        cuts: (seed / 3 % 3) as u32,
        cancel: seed % 7 == 0,
        ..CALM
    });
    check(0..700, |seed| Weather {
        retries: retries(seed),
        restarts: 1 + (seed % 2) as u32,
        ..CALM
    });
}

#[test]
fn a_cancel_ends_any_of_it() {
    check(0..1500, |seed| Weather {
        kills: (seed % 3) as u32,
        cuts: (seed % 2) as u32,
        cancel: true,
        ..CALM
    });
}
