//! What a file costs over RSpec itself: the slope from few files to many on one worker, against the slope of a
//! loop inside one Ruby.

use super::{Bench, figure::Figure, timing, trivial};
use timing::Timed;

const FEW: usize = 100;
const MANY: usize = 700;

/// Loads and runs each file in one world, with RSpec's own formatter.
const LOOP: &str = "
  require 'rspec/core'
  require 'rspec/expectations'
  RSpec::Core::Runner.disable_autorun!
  config, world = RSpec.configuration, RSpec.world
  config.output_stream = File.open(File::NULL, 'w')
  config.add_formatter('progress')
  Dir['spec/*_spec.rb'].sort.each do |file|
    load File.expand_path(file)
    world.ordered_example_groups.each { |group| group.run(config.reporter) }
    world.example_groups.clear
  end
";

/// The overhead of a file.
///
/// # Errors
/// When a command fails.
pub fn rows(bench: &Bench) -> Result<Vec<Figure>, String> {
    let (few, many) = (trivial::project(bench, FEW), trivial::project(bench, MANY));
    let ours = Timed::originator(["--local=1", "-q"]);
    let plain = Timed::new(["ruby", "-e", LOOP]);
    let commands = [
        (&ours, &*few),
        (&ours, &many),
        (&plain, &few),
        (&plain, &many),
    ];
    let [ours_few, ours_many, few, many] = timing::in_turn(bench, bench.runs, commands)?;
    let a_file = |few: f64, many: f64| (many - few) / (MANY - FEW) as f64 * 1000.0;
    let (ours, plain) = (a_file(ours_few, ours_many), a_file(few, many));
    let what = format!("overhead a file: {ours:.2} ms - {plain:.2} ms");
    Ok(vec![Figure::new(what, "ms", ours - plain, 0.5)])
}
