//! The same files over RabbitMQ, with a listener that has served the unchanged tree before.

use super::{Bench, figure::Figure, timing, trivial};
use crate::cluster::Cluster;
use timing::Timed;

/// 300 files on one host with two slots.
///
/// # Errors
/// When a command fails.
pub fn rows(bench: &Bench) -> Result<Vec<Figure>, String> {
    let cluster = Cluster::start(&[("bench", 2)]);
    let place = trivial::project(bench, 300);
    let ours = Timed::originator(["-q"]).with("GORGON_BROKER_URL", cluster.url());
    let plain = Timed::new(["rspec", "spec"]);
    let [ours, plain] = timing::in_turn(bench, bench.runs, [(&ours, &*place), (&plain, &place)])?;
    let what = format!("300 trivial files, warm RabbitMQ: {ours:.2} s");
    Ok(vec![Figure::new(what, "rspec", ours / plain, 1.5)])
}
