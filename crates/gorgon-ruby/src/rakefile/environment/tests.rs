use crate::rakefile::said::of_text;

/// Checks what a Rakefile sets in the environment.
#[track_caller]
fn check_environment(text: &str, expected: &str) {
    let read = of_text(&format!("{text}\nRake::TestTask.new\n"))
        .test
        .unwrap();
    let set = read.environment.iter().map(|it| {
        let sign = if it.unless_set { "||=" } else { "=" };
        format!("{}{sign}{} ", it.name, it.value.as_deref().unwrap_or("nil"))
    });
    let vague = if read.vague { "ask" } else { "" };
    assert_eq!(
        format!("{}{vague}", set.collect::<String>()).trim(),
        expected,
        "{text}"
    );
}

#[test]
fn what_it_sets_in_the_environment_is_read() {
    check_environment("ENV['SHIP'] = 'ketch'", "SHIP=ketch");
    check_environment("ENV[\"SHIP\"] ||= \"ketch\"", "SHIP||=ketch");
    check_environment(
        "ENV['A'] = '1'\nENV['A'] ||= '2'\nENV['B'] = nil",
        "A=1 B=nil",
    );
    check_environment(
        "puts 'x' if ENV['A'] == '1'\nx = ENV['B'] || 'b'\nENV.fetch('C')",
        "",
    );
    // Whether it happens, or to what value, Rake knows.
    check_environment("ENV['A'] = '1' if RUBY_VERSION > '3'", "ask");
    check_environment("if x\n  ENV['A'] = '1'\nend", "ask");
    check_environment("ENV['A'] = \"#{x}\"", "ask");
    check_environment("ENV[name] = '1'", "ask");
    check_environment("ENV.update('A' => '1')", "ask");
    // What a task sets counts if it runs before the tests.
    check_environment("task(:cover) do\n  ENV['A'] = '1'\nend", "");
    check_environment(
        "task(:cover) do\n  ENV['A'] = '1'\nend\ntask test: :cover",
        "A=1",
    );
    check_environment("task(:cover) { ENV['A'] = '1' }\ntask test: :cover", "A=1");
    check_environment(
        "task :cover do\n  ENV['A'] = x\nend\ntask test: :cover",
        "ask",
    );
}
