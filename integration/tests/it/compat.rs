//! Configurations as users of the original have them, of both generations, taken as they are.

use std::{fs, path::Path};

use integration::{home::Home, project::Project, run};

const GREEN: &str = "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n";
const CLASS: &str = "class Mine < Gorgon::DefaultCallbacks\nend\nGorgon.callbacks = Mine.new\n";

/// The Ruby files that a configuration names.
fn scripts(text: &str) -> impl Iterator<Item = &str> {
    text.split('"')
        .filter(|word| word.ends_with(".rb") && !word.contains('*') && !word.contains('\n'))
}

#[test]
fn the_samples_of_both_generations_run_unchanged() {
    let samples =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/gorgon-proto/testdata/samples");
    let mut seen = 0;
    for entry in fs::read_dir(&samples).unwrap().flatten() {
        let name = entry.file_name();
        let Ok(text) = fs::read_to_string(entry.path().join("gorgon.json")) else {
            continue;
        };
        let home = Home::new();
        let project = Project::of(&home, &[("gorgon.json", &text), ("spec/a_spec.rb", GREEN)]);
        for script in scripts(&text) {
            let class = text.contains(&format!("\"callbacks_class_file\": \"{script}\""));
            project.write(script, if class { CLASS } else { "puts 'called'\n" });
        }
        let run = run::run(&home, &project, &["--local=1", "spec/a_spec.rb"]);
        if name == "init-sample-2015" {
            // It lacks a comma, also in the original.
            run.exited(3).says(&["comma"]);
        } else {
            run.exited(0).reported(&["spec/a_spec.rb"]);
        }
        home.assert_nothing_left();
        seen += 1;
    }
    assert_eq!(seen, 6);
}
