//! The user's callbacks: each in its place, once where once is right, in both layouts.

mod failing;

use integration::{
    cluster::Cluster,
    gate::Gate,
    home::Home,
    project::Project,
    run::{self, Finished},
};

const SPEC: &str = "RSpec.describe('x') { it('holds') { expect(1).to eq 1 } }\n";

/// A callbacks class of which each method appends its name to a log.
fn class(log: &str) -> String {
    let names = [
        "before_originate",
        "after_sync",
        "before_creating_workers",
        "before_start",
        "after_creating_workers",
        "after_complete",
        "after_job_finishes",
    ];
    let methods: Vec<_> = names
        .iter()
        .map(|name| format!("  def {name}; log('{name}'); end"))
        .collect();
    format!(
        "class C < Gorgon::DefaultCallbacks\n  def log(name); File.write('{log}', name + \"\\n\", mode: 'a'); nil; end\n{}\nend\n\
         Gorgon.callbacks = C.new\n",
        methods.join("\n")
    )
}

const CONFIG: &str = r#"{ "files": ["spec/*_spec.rb"], "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;

fn lines(home: &Home) -> Vec<String> {
    let log = std::fs::read_to_string(home.path().join("callbacks.log")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

const ORDER: [&str; 7] = [
    "before_originate",
    "after_sync",
    "before_creating_workers",
    "before_start",
    "after_complete",
    "after_creating_workers",
    "after_job_finishes",
];

#[test]
fn one_worker_runs_all_seven_in_order_in_place_and_over_rabbitmq() {
    let home = Home::new();
    let log = home.path().join("callbacks.log").display().to_string();
    let files = [
        ("gorgon.json", CONFIG),
        ("callbacks.rb", &class(&log)),
        ("spec/a_spec.rb", SPEC),
        ("spec/b_spec.rb", SPEC),
    ];
    run::run(&home, &Project::of(&home, &files), &["--local=1"]).exited(0);
    assert_eq!(lines(&home), ORDER);
    home.assert_nothing_left();

    let cluster = Cluster::start(&[("a", 1)]);
    let log = cluster
        .home()
        .path()
        .join("callbacks.log")
        .display()
        .to_string();
    let files = [
        ("gorgon.json", CONFIG),
        ("callbacks.rb", &class(&log)),
        ("spec/a_spec.rb", SPEC),
        ("spec/b_spec.rb", SPEC),
    ];
    cluster
        .run(&Project::of(cluster.home(), &files), &[])
        .exited(0);
    cluster.assert_nothing_left();
    assert_eq!(lines(cluster.home()), ORDER);
}

/// Each start of Ruby appends a line to a log.
const COUNTED: &str = r#"{ "files": ["spec/*_spec.rb"],
  "ruby": ["sh", "-c", "echo ruby >> /HOME/starts; exec ruby \"$@\"", "sh"],
  "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;

#[test]
fn ruby_is_started_for_the_callbacks_that_there_are_and_none_of_them_is_missed() {
    let home = Home::new();
    let log = home.path().join("callbacks.log").display().to_string();
    let config = COUNTED.replace("/HOME", &home.path().display().to_string());
    let all = class(&log);
    let methods = all.replace("class C < Gorgon::DefaultCallbacks", "module M");
    let methods = methods.replace("Gorgon.callbacks = C.new\n", "");
    let class = |body: &str| {
        format!("class C < Gorgon::DefaultCallbacks\n{body}\nend\nGorgon.callbacks = C.new\n")
    };
    let define = format!(
        "  %w[before_ after_].product(%w[originate sync creating_workers start complete job_finishes]).map(&:join).each do |name|\n    \
         define_method(name) {{ File.write('{log}', name + \"\\n\", mode: 'a'); nil }} if Gorgon::DefaultCallbacks.method_defined?(name)\n  end"
    );
    let body = "require File.expand_path('lib/app')";
    let usual = class(&format!(
        "  # Not after_sync: nothing is installed.\n  def before_creating_workers   # load it once\n    {body}\n  end"
    ));
    let initialize = class(&format!("  def initialize\n    {body}\n  end"));
    let reopen = all.replace(
        "class C < Gorgon::DefaultCallbacks",
        "class Gorgon::DefaultCallbacks",
    );
    let reopen = reopen.replace("Gorgon.callbacks = C.new\n", "");
    let mixed = class("  include M");
    // callbacks.rb, lib/app.rb, how often Ruby is started, what ran.
    let table: [(&str, &str, usize, &[&str]); 7] = [
        (&usual, "", 1, &[]),
        (&class("  def before_start; end"), &all, 1, &[]),
        (&all, "", 4, &ORDER),
        (
            &format!("require_relative 'lib/app'\n{mixed}"),
            &methods,
            4,
            &ORDER,
        ),
        (&initialize, &reopen, 4, &ORDER),
        (&class(&define), "", 4, &ORDER),
        ("load 'lib/app.rb'\n", &all, 4, &ORDER),
    ];
    for (callbacks, library, starts, ran) in table {
        let files = [
            ("gorgon.json", config.as_str()),
            ("callbacks.rb", callbacks),
            ("lib/app.rb", library),
            ("spec/a_spec.rb", SPEC),
        ];
        for name in ["starts", "callbacks.log"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        let project = Project::of(&home, &files);
        run::run(&home, &project, &["--local=1"]).exited(0);
        assert_eq!(lines(&home), ran, "{callbacks}");
        let started = std::fs::read_to_string(home.path().join("starts")).unwrap();
        assert_eq!(started.lines().count(), starts, "{callbacks}");
    }
    home.assert_nothing_left();
}

#[test]
fn callbacks_and_tests_know_their_host_and_how_many_slots_it_has() {
    const NAMES: &str = "ENV.values_at('GORGON_HOST', 'GORGON_SLOTS', 'GORGON_WORKER_ID').inspect";
    let files = |home: &Home| {
        let log = home.path().join("callbacks.log").display().to_string();
        let written = format!("name + ' ' + {NAMES} + \"\\n\"");
        let callbacks = class(&log).replace("name + \"\\n\"", &written);
        let spec = format!(
            "RSpec.describe('x') {{ it('tells') {{ File.write('{log}', 'test ' + {NAMES} + \"\\n\", mode: 'a') }} }}\n"
        );
        Project::of(
            home,
            &[
                ("gorgon.json", CONFIG),
                ("callbacks.rb", &callbacks),
                ("spec/a_spec.rb", &spec),
            ],
        )
    };
    let expected = |host: &str, slots: &str, worker: &str| -> Vec<String> {
        let here = format!("{host}, {slots}");
        [
            "before_originate [nil, nil, nil]".to_owned(),
            format!("after_sync [{here}, nil]"),
            format!("before_creating_workers [{here}, nil]"),
            format!("before_start [{here}, {worker}]"),
            format!("test [{here}, {worker}]"),
            format!("after_complete [{here}, {worker}]"),
            format!("after_creating_workers [{here}, nil]"),
            "after_job_finishes [nil, nil, nil]".to_owned(),
        ]
        .into()
    };
    let home = Home::new();
    let config = CONFIG.replace("{ \"files\"", "{ \"host_name\": \"here\", \"files\"");
    let project = files(&home);
    project.write("gorgon.json", &config);
    run::run(&home, &project, &["--local=3"]).exited(0);
    assert_eq!(lines(&home), expected("\"here\"", "\"3\"", "\"1\""));
    let cluster = Cluster::start(&[("a", 2)]);
    cluster.run(&files(cluster.home()), &[]).exited(0);
    cluster.assert_nothing_left();
    assert_eq!(lines(cluster.home()), expected("\"a\"", "\"2\"", "\"1\""));
}

/// Others made a database for every core to run one small file: <https://github.com/rails/rails/issues/36807>.
#[test]
fn never_more_workers_start_than_there_are_items() {
    let home = Home::new();
    let log = home.path().join("callbacks.log").display().to_string();
    let project = Project::of(
        &home,
        &[
            ("gorgon.json", CONFIG),
            ("callbacks.rb", &class(&log)),
            ("spec/a_spec.rb", SPEC),
        ],
    );
    run::run(&home, &project, &["--local=8"]).exited(0);
    assert_eq!(lines(&home), ORDER);
    let project = Project::fixture(&home, "one-file");
    run::run(&home, &project, &["--local=8", "spec/a_spec.rb"])
        .exited(0)
        .reported(&["spec/a_spec.rb"]);
    let starts = project.read("starts.log");
    assert_eq!(starts.lines().count(), 1, "{starts}");
    home.assert_nothing_left();
}

/// Projects of before 2014 name a file for each callback, and `sync_exclude` one level up:
/// <https://github.com/nulogy/Gorgon/blob/v0.3.1/gorgon.json.sample>,
/// <https://github.com/nulogy/Gorgon/blob/v0.3.1/lib/gorgon/callback_handler.rb>.
fn older_layout(home: &Home, run: impl Fn(&Project) -> Finished, hosts: usize) {
    let project = Project::fixture(home, "old-callback-layout");
    // Each file waits until every host has one: else one might run them all before the other begins.
    let spec = format!(
        "600.times {{ File.readlines(ENV['LOG']).count(\"before_start\\n\") < {hosts} ? sleep(0.05) : break }}\n{}",
        project.read("spec/a_spec.rb")
    );
    for name in ["a", "b", "c", "d"] {
        project.write(&format!("spec/{name}_spec.rb"), &spec);
    }
    let run = run(&project);
    run.exited(0);
    for (file, counts) in run.junit().counts() {
        assert_eq!((counts.passed, counts.total()), (2, 2), "{file}");
    }
    let started: std::collections::BTreeSet<_> = run
        .events("item_started")
        .iter()
        .map(|event| {
            (
                event["hostname"].to_string(),
                event["worker_id"].to_string(),
            )
        })
        .collect();
    let log = project.read("callbacks.log");
    let lines: Vec<_> = log.lines().collect();
    let count = |name: &str| lines.iter().filter(|line| **line == name).count();
    assert_eq!(count("after_sync"), hosts, "{log}");
    assert_eq!(count("before_creating_workers"), hosts, "{log}");
    assert_eq!(count("before_start"), started.len(), "{log}");
    assert_eq!(count("after_complete"), started.len(), "{log}");
    if hosts == 1 {
        assert_eq!(
            &lines[..3],
            ["after_sync", "before_creating_workers", "before_start"]
        );
        assert_eq!(lines.last(), Some(&"after_complete"), "{log}");
    }
}

#[test]
fn the_older_layout_of_a_file_for_each_callback_still_works() {
    for slots in ["--local=1", "--local=2"] {
        let home = Home::new();
        older_layout(
            &home,
            |project| run::run(&home, project, &[slots, "--sync"]),
            1,
        );
        home.assert_nothing_left();
    }
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    older_layout(cluster.home(), |project| cluster.run(project, &[]), 2);
    cluster.assert_nothing_left();
}

#[test]
fn each_child_has_the_environment_of_its_slot() {
    let home = Home::new();
    let project = Project::empty(&home);
    let spec = "RSpec.describe('x') { it('tells') { File.write('seen', ENV.values_at('GORGON_WORKER_ID', \
                'TEST_ENV_NUMBER', 'PARALLEL_WORKERS').inspect + \"\\n\", mode: 'a'); expect(ENV['GORGON_JOB_ID']).to be } }\n";
    for name in ["a", "b", "c"] {
        project.write(&format!("spec/{name}_spec.rb"), spec);
    }
    run::run(&home, &project, &["--local=1"]).exited(0);
    assert_eq!(project.read("seen"), "[\"1\", \"\", \"1\"]\n".repeat(3));
}
