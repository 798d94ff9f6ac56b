//! End-to-end tests: real binaries, brokers, rsync and Ruby.
#![expect(
    clippy::print_stdout,
    reason = "figures for who runs a test with --nocapture; the lint's leave ends at test functions"
)]
#![expect(
    clippy::unwrap_used,
    reason = "the lint's leave for tests ends at functions that are not tests themselves"
)]

mod bounded;
mod broker_contract;
mod broker_outage;
mod broker_rabbitmq;
mod brokers;
mod bundle;
mod bundles;
mod by_hand;
mod callbacks;
mod cancel;
mod child_ends;
mod cli;
mod consumer_timeout;
mod deaths;
mod destinations;
mod differential;
mod disk;
mod filters;
mod foreign_messages;
mod happy;
mod hung;
mod kept;
mod large;
mod listener;
mod manager;
mod minitest;
mod network;
mod only_failures;
mod options;
mod order;
mod output;
mod parts;
mod poison;
mod printing;
mod rails;
mod rakefile;
mod repositories;
mod rerun;
mod retries;
mod rspec;
mod ruby_children;
mod samples;
mod schedule;
mod security;
mod seen;
mod selection;
mod sharing;
mod sick;
mod sick_slots;
mod sim;
mod sleep;
mod suites;
mod surroundings;
mod sync;
mod taken;
mod tidy;
mod trace;
mod trees;
mod unit;
mod warm;
