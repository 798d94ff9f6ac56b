//! Messages that are larger than the broker takes: less of them arrives, and the job ends.

use integration::{
    cluster::Cluster,
    gate::Gate,
    project::Project,
    wait::{secs, until},
};

/// What RabbitMQ is told to take.
const LIMIT_BYTES: u32 = 262_144;

fn cluster(limit_bytes: u32) -> Cluster {
    let cluster = Cluster::with_own_broker(&[("a", 1)]);
    cluster.node().max_message_size(limit_bytes);
    cluster
}

#[test]
fn a_file_whose_failures_are_larger_than_the_broker_takes_has_its_verdict() {
    let cluster = cluster(LIMIT_BYTES);
    let spec = "RSpec.describe('a') {
      400.times { |n| it(\"fails #{n}\") { raise \"BEGIN#{'x' * 40_000}END\" } }
    }\n";
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", spec)]);
    let run = cluster.run(&project, &[]);
    run.exited(1).reported(&["spec/a_spec.rb"]).says(&[
        "BEGINx",
        "xEND",
        "bytes left out",
        "max_message_size",
    ]);
    assert_eq!(run.junit().counts()["spec/a_spec.rb"].failed, 400);
    assert_eq!(run.events("item_started").len(), 1);
    assert_eq!(run.events("item_redelivered").len(), 0);
    cluster.assert_nothing_left();
}

#[test]
fn a_file_with_more_tests_than_the_broker_takes_names_of_has_not_passed() {
    let cluster = cluster(20_000);
    let spec =
        "RSpec.describe('a') { 400.times { |n| it(\"holds #{n}\") { expect(1).to eq 1 } } }\n";
    let project = Project::of(
        cluster.home(),
        &[
            ("spec/a_spec.rb", spec),
            (
                "spec/b_spec.rb",
                "RSpec.describe('b') { it('holds') { expect(1).to eq 1 } }\n",
            ),
        ],
    );
    cluster.run(&project, &[]).exited(1).says(&[
        "400 passed",
        "the broker takes no message of the size of its results",
        "max_message_size",
        "2 files: 1 passed, 1 failed",
    ]);
    cluster.assert_nothing_left();
}

#[test]
fn a_worker_of_which_the_broker_takes_nothing_leaves_and_its_file_runs_elsewhere() {
    let cluster = cluster(LIMIT_BYTES);
    let gate = Gate::open(cluster.home());
    let spec =
        "require_relative '../gate'\nRSpec.describe('a') { it('waits') { Gate.pass('a') } }\n";
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", spec)]);
    gate.write_into(&project);
    let run = cluster.begin(&project, &[]);
    let visit = gate.next();
    let limit = |bytes: u32| cluster.node().max_message_size(bytes);
    // A channel keeps the limit that it began with.
    limit(10);
    cluster.node().eval(
        "[rabbit_networking:close_connection(C, \"test\") || C <- rabbit_networking:connections(), \
         [{client_properties, P}] <- [rabbit_networking:connection_info(C, [client_properties])], \
         re:run(io_lib:format(\"~p\", [P]), \"gorgon-worker [^m]\") =/= nomatch], ok.",
    );
    until("the worker to give up", secs(30), || {
        let logs = cluster.logs();
        let told = |(_, log): &(String, String)| log.contains("not even take the least");
        if logs.iter().any(told) {
            Ok(())
        } else {
            Err(logs)
        }
    });
    limit(LIMIT_BYTES);
    drop(visit);
    gate.next_within(secs(60)).expect("it runs again").release();
    run.finished(secs(60))
        .exited(0)
        .reported(&["spec/a_spec.rb"]);
    cluster.assert_nothing_left();
}

#[test]
fn what_a_suite_hook_and_a_callback_print_is_cut_for_a_broker_that_takes_little() {
    let cluster = cluster(20_000);
    let spec = "RSpec.configure { |c| c.after(:suite) do
        puts 'y' * 60_000
        raise 'hook down'
      end }
      RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n";
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", spec)]);
    cluster
        .run(&project, &[])
        .exited(1)
        .says(&["hook down", "bytes left out"]);
    let callbacks = "class C < Gorgon::DefaultCallbacks
      def after_sync
        puts 'z' * 60_000
        raise 'sync down'
      end
    end
    Gorgon.callbacks = C.new\n";
    project.write("callbacks.rb", callbacks);
    project.write(
        "gorgon.json",
        r#"{ "files": ["spec/*_spec.rb"], "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#,
    );
    cluster.run(&project, &[]).exited(3).says(&["sync down"]);
    cluster.assert_nothing_left();
}

#[test]
fn a_job_definition_larger_than_the_broker_takes_is_one_error() {
    let cluster = cluster(2_000);
    let spec = "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n";
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", spec)]);
    let name = "x".repeat(4_000);
    cluster
        .run(&project, &["--", "--example", &name])
        .exited(3)
        .says(&["the job definition", "max_message_size"]);
    cluster.assert_nothing_left();
}
