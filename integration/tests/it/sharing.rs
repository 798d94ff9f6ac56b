//! Jobs that share the slots of a host, each file held at the gate until the test lets it go.

use std::time::Duration;

use gorgon_process::signals::Signal;
use integration::{
    cluster::Cluster,
    gate::{Gate, Visit},
    home::Home,
    project::Project,
    run::{Finished, RUN_LIMIT, Run},
};
use serde_json::{Value, json};

/// While a process lives between these callbacks, nobody else on the host has its number.
const ONE_AT_A_TIME: &str = "
class Hooks < Gorgon::DefaultCallbacks
  def mine; File.join(ENV.fetch('NUMBERS'), \"n#{ENV['TEST_ENV_NUMBER']}\"); end
  def before_start; File.open(mine, File::CREAT | File::EXCL).close; end
  def after_complete; File.delete(mine); end
end
Gorgon.callbacks = Hooks.new
";

/// A project of so many files, each of which comes to the gate under the project's name, with
/// these callbacks.
fn project(home: &Home, gate: &Gate, name: &str, files: usize, callbacks: &str) -> Project {
    let project = Project::empty(home);
    let numbers = home.path().join("numbers");
    std::fs::create_dir_all(&numbers).unwrap();
    let config = json!({
        "files": ["spec/*_spec.rb"],
        "env": { "NUMBERS": numbers },
        "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } },
    });
    project.write("gorgon.json", &config.to_string());
    project.write("callbacks.rb", callbacks);
    gate.write_into(&project);
    for nth in 0..files {
        let text = format!(
            "require_relative '../gate'\nRSpec.describe('{nth}') {{ it('waits') {{ Gate.pass('{name}') }} }}\n"
        );
        project.write(&format!("spec/s{nth:02}_spec.rb"), &text);
    }
    project
}

/// How long the gate is watched before the run is looked at again.
const LOOK: Duration = Duration::from_millis(20);

/// Who waits at the gate, in the order in which they came. No two have one TEST_ENV_NUMBER.
struct Room<'a> {
    gate: &'a Gate,
    waiting: Vec<Visit>,
}

impl<'a> Room<'a> {
    fn of(gate: &'a Gate) -> Self {
        let waiting = Vec::new();
        Self { gate, waiting }
    }

    /// The next one comes.
    fn comes(&mut self) {
        let visit = self.gate.next();
        let number = &visit.who.test_env_number;
        let twin = self
            .waiting
            .iter()
            .find(|it| it.who.test_env_number == *number);
        assert!(twin.is_none(), "{visit:?} and {twin:?} have one number");
        self.waiting.push(visit);
    }

    fn count(&self, name: &str) -> usize {
        let names = self.waiting.iter().filter(|visit| visit.who.name == name);
        names.count()
    }

    /// The one that has waited longest.
    fn take(&mut self, name: &str) -> Visit {
        let at = self.waiting.iter().position(|it| it.who.name == name);
        self.waiting
            .remove(at.unwrap_or_else(|| panic!("nobody of {name} waits")))
    }

    /// Lets one file of a job go until another job has so many at the gate: each that ends makes
    /// room for one, of whichever job.
    fn until(&mut self, goes: &str, comes: &str, count: usize) {
        let mut items = 0;
        while self.count(comes) < count {
            self.take(goes).release();
            self.comes();
            items += 1;
            assert!(items < 20, "{goes} gives no slot to {comes}");
        }
    }

    /// Lets all files go as they come, until the run ends.
    fn let_all_go(&mut self, run: Run) -> Finished {
        self.waiting.drain(..).for_each(Visit::release);
        while run.runs_for(Duration::ZERO) {
            if let Some(visit) = self.gate.next_within(LOOK) {
                visit.release();
            }
        }
        run.finished(RUN_LIMIT)
    }
}

fn joined(run: &Run) -> usize {
    let event = run.event("host_joined", |event| event["event"] == "host_joined");
    event["slots"].as_array().unwrap().len()
}

/// Nothing of it looks like a loss: each file ran once.
fn all_ran_once(run: &Finished, files: usize) {
    run.exited(0);
    assert_eq!(run.events("item_redelivered").len(), 0, "{}", run.stderr);
    assert_eq!(run.events("item_finished").len(), files);
    let left = run.events("host_left");
    assert!(left.iter().all(|left| left["reason"] == "done"), "{left:?}");
}

#[test]
fn a_second_job_gets_half_of_the_slots_at_the_ends_of_items_and_the_first_grows_again() {
    let cluster = Cluster::start(&[("shared", 4)]);
    let gate = Gate::open(cluster.home());
    let first = project(cluster.home(), &gate, "first", 24, ONE_AT_A_TIME);
    let second = project(cluster.home(), &gate, "second", 7, ONE_AT_A_TIME);
    let mut room = Room::of(&gate);

    let one = cluster.begin(&first, &[]);
    for _ in 0..4 {
        room.comes();
    }
    assert_eq!(joined(&one), 4, "a job alone has all");
    let two = cluster.begin(&second, &[]);
    assert_eq!(joined(&two), 0, "what runs is not cut off");
    room.until("first", "second", 2);
    // Each has its half now, whoever ends an item.
    for _ in 0..3 {
        for name in ["first", "second"] {
            room.take(name).release();
            room.comes();
            assert_eq!((room.count("first"), room.count("second")), (2, 2));
        }
    }
    // The second one has two files left: what is idle there is of use to the first.
    for expected in [(2, 2), (2, 2), (3, 1)] {
        room.take("second").release();
        room.comes();
        assert_eq!((room.count("first"), room.count("second")), expected);
    }
    room.take("second").release();
    room.comes();
    assert_eq!(room.count("first"), 4, "it has grown again");
    all_ran_once(&two.finished(RUN_LIMIT), 7);
    all_ran_once(&room.let_all_go(one), 24);
    cluster.assert_nothing_left();
}

#[test]
fn a_job_that_finds_no_slot_says_so_and_gets_one_at_the_end_of_the_first_item() {
    let cluster = Cluster::start(&[("narrow", 1)]);
    let gate = Gate::open(cluster.home());
    let first = project(cluster.home(), &gate, "first", 24, ONE_AT_A_TIME);
    let second = project(cluster.home(), &gate, "second", 3, ONE_AT_A_TIME);
    let mut room = Room::of(&gate);

    let one = cluster.begin(&first, &[]);
    room.comes();
    let two = cluster.begin(&second, &[]);
    assert_eq!(joined(&two), 0);
    room.until("first", "second", 1);
    // They take turns: none waits for the end of the other.
    room.until("second", "first", 1);
    let two = {
        let mut ends = Room::of(&gate);
        room.waiting.into_iter().for_each(Visit::release);
        ends.let_all_go(two)
    };
    all_ran_once(&two, 3);
    assert!(
        two.stderr.contains("waiting for a slot of narrow"),
        "{}",
        two.stderr
    );
    all_ran_once(&Room::of(&gate).let_all_go(one), 24);
    cluster.assert_nothing_left();
}

#[test]
fn what_a_cancelled_job_had_is_the_other_ones_and_a_manager_that_dies_shares_anew() {
    let cluster = Cluster::start(&[("shared", 2)]);
    let gate = Gate::open(cluster.home());
    let first = project(cluster.home(), &gate, "first", 24, "");
    let second = project(cluster.home(), &gate, "second", 24, "");
    let mut room = Room::of(&gate);

    let one = cluster.begin(&first, &[]);
    let started = one.event("job_started", |event| event["event"] == "job_started");
    let job = started["job"].as_str().unwrap().to_owned();
    room.comes();
    room.comes();
    let two = cluster.begin(&second, &[]);
    joined(&two);
    room.until("first", "second", 1);

    // Its number may be another's only when its processes have ended.
    let dies = room.take("first");
    let managers = cluster.home().processes();
    let mut managers = managers.iter();
    let manager =
        managers.find(|it| it.program == "gorgon-worker-manager" && it.arguments.contains(&job));
    manager.expect("the first job's manager").kill_9();
    dies.closed_within(RUN_LIMIT);
    room.comes();
    assert_eq!(room.count("second"), 2, "what it had is free");
    let anew = |event: &Value| event["event"] == "host_joined" && event["slots"] == json!([]);
    one.event("another manager", anew);
    room.until("second", "first", 1);

    one.signal(Signal::Int);
    room.take("first").closed_within(RUN_LIMIT);
    room.comes();
    assert_eq!(room.count("second"), 2);
    one.finished(RUN_LIMIT).exited(130);
    all_ran_once(&room.let_all_go(two), 24);
    cluster.assert_nothing_left();
}
