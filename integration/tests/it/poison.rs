//! Files that take down what runs them, again and again: lost after three attempts, and the job goes on.

use std::time::Duration;

use integration::{
    cluster::Cluster,
    home::Home,
    processes,
    project::Project,
    run::{self, Finished, Run},
    wait::secs,
};

/// Finds the processes of a program that serve this job here, and kills them.
const POISON: &str = r#"
def poison(program)
  Dir.glob('/proc/[0-9]*/cmdline').each do |path|
    words = File.binread(path).split("\0") rescue next
    pairs = words.each_cons(2).to_a
    next unless File.basename(words[0].to_s) == program
    next unless pairs.include?(['--job', ENV['GORGON_JOB_ID']]) && pairs.include?(['--workspace', Dir.pwd])
    next if program == 'gorgon-worker' && !pairs.include?(['--worker-id', ENV['GORGON_WORKER_ID']])
    Process.kill(:KILL, path[/\d+/].to_i)
  end
  sleep
end

def poison_listener
  pid = Process.pid
  until File.basename(File.binread("/proc/#{pid}/cmdline").split("\0")[0].to_s) == 'gorgon-listener'
    pid = File.binread("/proc/#{pid}/stat")[/\) \S (\d+)/, 1].to_i
  end
  Process.kill(:KILL, pid)
  sleep
end
"#;
const GREEN: &str = "RSpec.describe('x') { it('holds') { expect(1).to eq 1 } }\n";
const GREENS: [&str; 4] = [
    "spec/c_spec.rb",
    "spec/d_spec.rb",
    "spec/e_spec.rb",
    "spec/f_spec.rb",
];
const LISTENER: &str = "gorgon-listener";
const A: &str = "spec/a_spec.rb";
const B: &str = "spec/b_spec.rb";

/// Files that pass, and these that kill the program.
fn project(home: &Home, poisoned: &[&str], program: &str) -> Project {
    let project = Project::of(home, &[("poison.rb", POISON)]);
    for file in GREENS {
        project.write(file, GREEN);
    }
    let act = match program {
        LISTENER => "poison_listener".to_owned(),
        _ => format!("poison('{program}')"),
    };
    let text = format!(
        "require_relative '../poison'\nRSpec.describe('p') {{ it('kills') {{ {act} }} }}\n"
    );
    for file in poisoned {
        project.write(file, &text);
    }
    project
}

/// Asserts that these are lost after three attempts, and that the others passed.
fn lost(run: &Finished, poisoned: &[&str]) {
    run.exited(1).says(&[
        "each attempt was lost: on ",
        &format!("{} lost", poisoned.len()),
    ]);
    for file in GREENS {
        run.verdict(file, "passed");
    }
    for file in poisoned {
        run.verdict(file, "lost");
        assert_eq!(run.file(file)["attempts"], 3, "{:#?}", run.file(file));
    }
}

fn finished(run: Run, what: &str) -> Finished {
    let run = run.finished(secs(120));
    println!("{what}: lost three times after {:?}", run.took);
    run
}

#[test]
fn a_file_that_kills_its_worker_is_lost_in_place_and_the_slots_go_on() {
    let home = Home::new();
    for (slots, poisoned) in [("--local=1", &[A][..]), ("--local=2", &[A, B])] {
        let project = project(&home, poisoned, "gorgon-worker");
        let run = finished(run::start(&home, &project, &[slots]), "worker, in place");
        lost(&run, poisoned);
        assert!(
            run.events("host_left")
                .iter()
                .all(|left| left["reason"] == "done")
        );
        home.assert_nothing_left();
    }
}

/// Two files, each in a message with small ones: the deaths of those two messages are no fault of the slot.
#[test]
fn files_that_kill_their_workers_in_bundles_are_lost_and_the_slot_goes_on() {
    let home = Home::new();
    let project = project(&home, &[], "gorgon-worker");
    let mut times: Vec<String> = Vec::new();
    for n in 0..30 {
        let file = format!("spec/small{n:02}_spec.rb");
        let act = if n == 4 || n == 17 {
            "require_relative '../poison'; poison('gorgon-worker')"
        } else {
            ""
        };
        project.write(
            &file,
            &format!("RSpec.describe('{n}') {{ it('x') {{ {act} }} }}\n"),
        );
        times.push(format!("{file:?}: 0.001"));
    }
    project.write("times.json", &format!("{{{}}}", times.join(",")));
    project.write("gorgon.json", r#"{"runtime_file": "times.json"}"#);
    let run = finished(
        run::start(&home, &project, &["--local=1", "spec/small*"]),
        "worker, in bundles",
    );
    run.exited(1).says(&["28 passed, 2 lost"]);
    // The others are not blamed.
    assert_eq!(run.file("spec/small05_spec.rb")["attempts"], 1);
    home.assert_nothing_left();
}

/// Whoever watches the end of a Ruby process dies with it: nobody saw whether the hooks of the suite raised.
#[test]
fn an_end_of_a_suite_that_nobody_saw_fails_the_run() {
    for (act, how) in [
        ("poison('gorgon-worker')", "SIGKILL"),
        (
            "Process.kill(:KILL, Process.ppid); sleep",
            "its preloader died",
        ),
    ] {
        let home = Home::new();
        let project = project(&home, &[], "gorgon-worker");
        let hook = format!(
            "require_relative '../poison'\nRSpec.configure {{ |c| c.after(:suite) {{ {act} }} }}\n"
        );
        project.write("spec/c_spec.rb", &format!("{hook}{GREEN}"));
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(1).says(&[
            "4 passed",
            "end of the Ruby child",
            &format!(
                "its worker ended ({how}) before it had seen whether the hooks at the end of the suite were done"
            ),
        ]);
        home.assert_nothing_left();
    }
}

/// Before anybody was told that it has begun.
#[test]
fn a_file_that_kills_its_worker_at_once_is_lost_with_the_host_named() {
    let home = Home::new();
    let at_once = POISON.replace("Process.kill(:KILL, path", "yield(path");
    let callbacks = format!(
        "{at_once}
class Finds < Gorgon::DefaultCallbacks
  def before_start
    poison('gorgon-worker') {{ |pid| $worker = pid }}
  end
end
Gorgon.callbacks = Finds.new
"
    )
    .replace("\n  sleep\n", "\n");
    let project = Project::of(
        &home,
        &[
            ("callbacks.rb", &callbacks),
            (
                "gorgon.json",
                r#"{ "files": ["spec/*_spec.rb"], "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#,
            ),
            (A, "Process.kill(:KILL, $worker)\nsleep\n"),
        ],
    );
    for file in GREENS {
        project.write(file, GREEN);
    }
    let run = finished(
        run::start(&home, &project, &["--local=1"]),
        "worker, at once",
    );
    lost(&run, &[A]);
    let message = run.file(A)["errors"].to_string();
    assert!(!message.contains("unknown host"), "{message}");
    home.assert_nothing_left();
}

#[test]
fn a_file_that_kills_its_manager_is_lost_in_place() {
    let home = Home::new();
    let project = project(&home, &[A], "gorgon-worker-manager");
    let run = finished(
        run::start(&home, &project, &["--local=1"]),
        "manager, in place",
    );
    // Two deaths are forgiven; by the third nothing else is left to do.
    lost(&run, &[A]);
    home.assert_nothing_left();
}

#[test]
fn a_file_that_kills_its_worker_is_lost_with_the_hosts_named() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    for program in ["gorgon-worker", "gorgon-worker-manager"] {
        let project = project(cluster.home(), &[A], program);
        let run = finished(cluster.begin(&project, &["spec"]), program);
        lost(&run, &[A]);
        let message = run.file(A)["errors"].to_string();
        assert!(
            message.contains("on a") || message.contains("on b"),
            "{message}"
        );
        cluster.assert_nothing_left();
    }
}

#[test]
fn a_slot_in_which_workers_die_of_three_files_leaves_the_job() {
    let home = Home::new();
    let three = [A, B, "spec/g_spec.rb"];
    let project = project(&home, &three, "gorgon-worker");
    let run = finished(
        run::start(&home, &project, &["--local=1"]),
        "three files in one slot",
    );
    run.exited(3).says(&[
        "workers of slot 1 died again and again, last: SIGKILL",
        "4 passed",
        "Files not run",
        "no host could run the job",
    ]);
    assert_eq!(run.events("item_finished").len(), GREENS.len());
    home.assert_nothing_left();
}

#[test]
fn a_file_that_kills_its_listener_is_lost_however_often_that_is_started_again() {
    let hosts = ["a", "b"];
    let mut cluster = Cluster::start(&hosts.map(|host| (host, 1)));
    let project = project(cluster.home(), &[A], LISTENER);
    let run = cluster.begin(&project, &["spec"]);
    let mut deaths = 0;
    // As systemd does; also of the last death, which may end the job.
    let mut runs = true;
    while runs {
        runs = run.runs_for(Duration::from_millis(100));
        for host in hosts {
            if !processes::runs(cluster.host(host).pid()) {
                deaths += 1;
                cluster.restart_host(host);
            }
        }
    }
    let run = finished(run, LISTENER);
    lost(&run, &[A]);
    assert_eq!(deaths, 3);
    cluster.run(&project, &[GREENS[0]]).exited(0);
    cluster.assert_nothing_left();
}

#[test]
fn a_file_that_kills_its_listener_is_lost_in_place() {
    let home = Home::new();
    let project = project(&home, &[A], LISTENER);
    let run = finished(run::start(&home, &project, &["--local=1"]), "in place");
    lost(&run, &[A]);
    home.assert_nothing_left();
}
