//! What ran before in the same Ruby child: files that cannot be loaded after others, and rows of files
//! that run once more.

use super::play::{check, settings};

#[test]
fn a_file_that_cannot_be_loaded_after_tests_of_others_is_loaded_once_more_in_a_fresh_child() {
    let begins = [
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
        ("c1 passed 1:1", ""),
        ("c1 done", "finish 1 pass"),
        ("ok", "ack 1"),
        ("item 2", "start 2; run c1 2"),
        ("c1 error", ""),
        ("c1 done", "end c1"),
        ("c1 finished", ""),
        ("c1 exited 0", "fork c2 rspec"),
        ("c2 ready", "run c2 2"),
    ];
    let warning = "it cannot be loaded after tests of other files have run in its Ruby process (error: no such file), \
                   and was loaded once more in a fresh one; it followed f1_spec.rb";
    let passed = format!("finish 2 pass, {warning}");
    let mut play = begins.to_vec();
    play.extend([
        ("c2 passed 1:1", ""),
        ("c2 done", &passed),
        ("ok", "ack 2"),
        ("item 3", "start 3; run c2 3"),
    ]);
    check(settings(), &play);
    // Once is enough, and only that counts.
    let mut play = begins.to_vec();
    play.extend([("c2 error", ""), ("c2 done", "finish 2 fail")]);
    check(settings(), &play);
}

#[test]
fn a_file_that_cannot_be_loaded_after_others_without_tests_is_not_loaded_again() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 error", ""),
            ("c1 done", "finish 1 fail"),
            ("ok", "ack 1"),
            ("item 2", "start 2; run c1 2"),
            ("c1 error", ""),
            ("c1 done", "finish 2 fail after 1"),
        ],
    );
}

#[test]
fn a_file_that_brings_no_test_after_tests_of_others_is_loaded_once_more_in_a_fresh_child() {
    let begins = [
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
        ("c1 other minitest", "fork c2 minitest"),
        ("c2 ready", "run c2 1"),
        ("c2 passed 1:1", ""),
        ("c2 done", "finish 1 pass"),
        ("ok", "ack 1"),
        ("item 2", "start 2; run c2 2"),
        ("c2 done", "end c2"),
        ("c2 finished", ""),
        ("c2 exited 0", "fork c3 minitest"),
        ("c3 ready", "run c3 2"),
    ];
    let told = "finish 2 pass, it brings no test after tests of other files have run in its Ruby process, \
                and was loaded once more in a fresh one; it followed f1_spec.rb";
    for ends in [
        &[("c3 passed 1:1", ""), ("c3 done", told)][..],
        // It has none.
        &[("c3 done", "finish 2 pass")],
    ] {
        check(settings(), &[&begins[..], ends].concat());
    }
}

#[test]
fn what_ran_before_a_file_that_fails_is_told() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("item 2", "start 2; run c1 2"),
            ("c1 done", "finish 2 pass"),
            ("ok", "ack 2"),
            ("item 3", "start 3; run c1 3"),
            ("c1 failed 1:1", ""),
            ("c1 done", "finish 3 fail after 1,2"),
            ("ok", "ack 3"),
            ("item 4", "start 4; run c1 4"),
            ("c1 loading", ""),
            ("c1 killed", "finish 4 crash after 1,2,3"),
        ],
    );
}

#[test]
fn a_row_of_files_runs_in_one_fresh_child_and_tells_what_fails_in_each() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("item 9!<1,2", "start 9; end c1"),
            ("c1 finished", ""),
            ("c1 exited 0", "fork c2 rspec"),
            ("c2 ready", "run c2 1"),
            ("c2 passed 1:1", ""),
            ("c2 done", "run c2 2"),
            ("c2 failed 1:2", ""),
            ("c2 error", ""),
            ("c2 done", "run c2 9"),
            ("c2 failed 1:1", ""),
            ("c2 done", "finish 9 fail after 1,2, 1  0, 2 1:2 1"),
            ("ok", "ack 9"),
        ],
    );
}

#[test]
fn no_file_of_a_row_is_run_that_lies_outside_the_project() {
    for before in ["/etc/1", "../1", "2,a/../../1"] {
        let item = format!("item 9!<{before}");
        check(settings(), &[(item.as_str(), "start 9; finish 9 fail")]);
    }
}

#[test]
fn a_file_of_which_it_is_known_that_it_has_no_tests_is_not_loaded_again() {
    let begins = [
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
        ("c1 other minitest", "fork c2 minitest"),
        ("c2 ready", "run c2 1"),
        ("c2 passed 1:1", ""),
        ("c2 done", "finish 1 pass"),
        ("ok", "ack 1"),
        ("item 2", "start 2; run c2 2"),
        ("c2 empty", ""),
        ("c2 done", "finish 2 pass"),
    ];
    check(settings(), &begins);
}

#[test]
fn a_row_of_files_that_breaks_is_not_gone_on_with_in_another_child() {
    let begins = [
        ("item 9!<1,2", "start 9; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
    ];
    for ends in [
        &[("c1 done spent", "end c1; finish 9 fail, 1  0")][..],
        &[
            ("c1 done", "run c1 2"),
            ("c1 loading", ""),
            ("c1 killed", "finish 9 crash after 1, 1  0"),
        ],
        &[
            ("c1 done", "run c1 2"),
            ("c1 killed", "finish 9 fail after 1, 1  0"),
        ],
        &[
            ("c1 done", "run c1 2"),
            ("c1 other minitest", "finish 9 fail after 1, 1  0"),
        ],
    ] {
        let mut play = begins.to_vec();
        play.extend(ends);
        check(settings(), &play);
    }
    // Before the first one there is nothing to be broken.
    let mut play = begins.to_vec();
    play.extend([("c1 killed", "fork c2 rspec"), ("c2 ready", "run c2 1")]);
    check(settings(), &play);
}
