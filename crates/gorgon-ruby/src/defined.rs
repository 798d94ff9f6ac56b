//! Whether the user's files can define a callback: to start Ruby costs more than to read them.

use crate::defined::bodies::without_bodies;
use crate::settings::{Callback, RubySettings};

mod bodies;

/// Words in a callbacks file that may bring in a method that does not stand in it.
const OPENINGS: [&str; 13] = [
    "load",
    "LOAD_PATH",
    "$:",
    "eval",
    "include",
    "extend",
    "prepend",
    "define_",
    "delegat",
    "method",
    "ERB",
    "send",
    "const_get",
];

/// Libraries that define no callbacks: those that come with Ruby, and what callbacks files of the Ruby gem require.
const LIBRARIES: [&str; 37] = [
    "English",
    "benchmark",
    "bigdecimal",
    "bundler",
    "bundler/setup",
    "csv",
    "date",
    "digest",
    "digest/md5",
    "erb",
    "etc",
    "fileutils",
    "forwardable",
    "gorgon",
    "io/console",
    "json",
    "logger",
    "net/http",
    "open3",
    "open4",
    "openssl",
    "optparse",
    "ostruct",
    "pathname",
    "pp",
    "psych",
    "rbconfig",
    "rubygems",
    "securerandom",
    "set",
    "shellwords",
    "socket",
    "stringio",
    "tempfile",
    "time",
    "timeout",
    "tmpdir",
];

/// What a `require` may bring in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Required {
    /// Any library that is not known may define callbacks.
    Callbacks,
    /// A library defines callbacks only where no class of the file has them.
    ClassesAtMost,
}

/// Returns whether the callback may be defined: by a file of its own, or by the callbacks file and what that
/// loads. In doubt it may.
#[must_use]
pub fn may_define(settings: &RubySettings, callback: Callback) -> bool {
    may(settings, callback, Required::Callbacks)
}

/// As [`may_define`], but trusts a library that the callbacks file requires not to define it.
pub(crate) fn project_may_define(settings: &RubySettings, callback: Callback) -> bool {
    may(settings, callback, Required::ClassesAtMost)
}

fn may(settings: &RubySettings, callback: Callback, required: Required) -> bool {
    let callbacks = &settings.callbacks;
    let own = match callback {
        Callback::AfterSync => &callbacks.after_sync,
        Callback::BeforeCreatingWorkers => &callbacks.before_creating_workers,
        Callback::BeforeStart => &callbacks.before_start,
        Callback::AfterComplete => &callbacks.after_complete,
        Callback::AfterCreatingWorkers => &callbacks.after_creating_workers,
        // The older layout has neither.
        Callback::BeforeOriginate | Callback::AfterJobFinishes => &None,
    };
    if own.is_some() {
        return true;
    }
    let Some(file) = &callbacks.callbacks_class_file else {
        return false;
    };
    match gorgon_process::patient::read(&settings.directory.join(file)) {
        Ok(bytes) => text_may_define(&String::from_utf8_lossy(&bytes), callback.name(), required),
        // Ruby says what is wrong with it.
        Err(_) => true,
    }
}

fn text_may_define(text: &str, name: &str, required: Required) -> bool {
    let code = uncommented_lines(text);
    if code.iter().any(|line| line.contains(name)) {
        return true;
    }
    // A method of another callback runs in another process, or after this one was looked for.
    let code = without_bodies(&code);
    let opens = |line: &&str| OPENINGS.iter().any(|word| line.contains(word));
    if code.iter().any(opens) {
        return true;
    }
    let (mut ours, mut used, mut requires) = (Vec::new(), Vec::new(), false);
    for statement in code.iter().flat_map(|line| line.split(';')).map(str::trim) {
        let class = statement.strip_prefix("class");
        if let Some(class) = class.filter(|rest| !rest.starts_with(is_of_name)) {
            match class_of_default(class) {
                Some(class) => ours.push(class),
                // Opened again, or of another parent: what it has may stand elsewhere.
                None => return true,
            }
        } else if statement.split(|c| !is_of_name(c)).any(|it| it == "Gorgon") {
            match class_set(statement) {
                Some(class) => used.push(class),
                None => return true,
            }
        }
        for (place, word) in statement.match_indices("require") {
            let rest = &statement[place + word.len()..];
            if rest.starts_with(char::is_alphabetic) {
                continue;
            }
            match library(rest) {
                Some(known) if LIBRARIES.contains(&known) => {}
                Some(_) if required == Required::ClassesAtMost => {}
                Some(_) | None => return true,
            }
            requires = true;
        }
    }
    // Callbacks of a library: it may set them, or have their class.
    (used.is_empty() && requires) || used.iter().any(|class| !ours.contains(class))
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the class that derives straight from ours: ` A < Gorgon::DefaultCallbacks`.
fn class_of_default(text: &str) -> Option<&str> {
    let (class, parent) = uncommented(text).split_once('<')?;
    (parent.trim().trim_start_matches("::") == "Gorgon::DefaultCallbacks").then_some(class.trim())
}

/// Returns the class whose callbacks are set: `Gorgon.callbacks = A.new`.
fn class_set(statement: &str) -> Option<&str> {
    let set = statement.trim_start_matches("::");
    let set = set.strip_prefix("Gorgon.callbacks")?.trim_start();
    let (class, rest) = set.strip_prefix('=')?.split_once(".new")?;
    matches!(uncommented(rest).trim(), "" | "()").then_some(class.trim())
}

/// Returns the library that follows `require`; none where it may be a file of the project: ` 'open4'`.
fn library(text: &str) -> Option<&str> {
    let text = text.trim_start().trim_start_matches('(').trim_start();
    let (path, rest) = text
        .strip_prefix('\'')
        .and_then(|rest| rest.split_once('\''))
        .or_else(|| text.strip_prefix('"')?.split_once('"'))?;
    let ends = uncommented(rest).trim();
    let ends = ["if ", "unless ", "rescue "]
        .iter()
        .any(|it| ends.starts_with(it))
        || matches!(ends, "" | ")" | "}" | "end");
    (ends && !path.starts_with(['/', '.', '~']) && !path.contains("#{")).then_some(path)
}

/// Returns the lines that are no comment as a whole.
fn uncommented_lines(text: &str) -> Vec<&str> {
    let is_code = |line: &&str| {
        let line = line.trim_start();
        // In a text over several lines Ruby runs what stands in `#{}`.
        !line.starts_with('#') || line.starts_with("#{")
    };
    text.lines().filter(is_code).collect()
}

fn uncommented(text: &str) -> &str {
    text.split('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ruby_is_started_only_for_a_file_that_may_define_the_callback() {
        let class =
            "require 'open4'\nclass A < Gorgon::DefaultCallbacks\n  def before_start; end\nend\n";
        let table = [
            ("", false),
            ("class A < ::Gorgon::DefaultCallbacks; end", false),
            ("class A < Base\nend", true),
            ("class A < Company::DefaultCallbacks\nend", true),
            ("class A\nend", true),
            (
                "class A < Gorgon::DefaultCallbacks\ndef before_originate\nend",
                true,
            ),
            ("require './lib/base'", true),
            ("require File.join(x)", true),
            ("require_relative 'x'", true),
            ("require 'company_callbacks'", true),
            (
                "require 'company'\nGorgon.callbacks = Company::Callbacks.new",
                true,
            ),
            ("A.class_eval { }", true),
            ("Dir['./lib/*.rb'].each { |f| require f }", true),
            ("%w[base].each { |f| require \"./lib/#{f}\" }", true),
            ("%w[./base].each(&method(:require))", true),
            ("begin; require './lib/base'; end", true),
            ("require 'lib/' + base", true),
            ("$: << 'lib'; require 'base'", true),
            ("Bundler.require", true),
            (
                "A = Gorgon::DefaultCallbacks.new\nGorgon::callbacks = A",
                true,
            ),
            ("module Gorgon\nself.callbacks = A.new\nend", true),
            ("# Gorgon requires it\nrequired = 1", false),
        ];
        for (text, expected) in table {
            let may = text_may_define(text, "before_originate", Required::Callbacks);
            assert_eq!(may, expected, "{text}");
        }
        let body = "  require File.expand_path('config/environment')\n  Company.load!";
        for (method, expected) in [
            ("def before_creating_workers # once", false),
            ("def helper", true),
            ("def initialize", true),
            ("def before_creating_workers; new.y", true),
        ] {
            let text = format!(
                "# before_originate is not there\nclass A < Gorgon::DefaultCallbacks\n {method}\n{body}\n end\nend\nGorgon.callbacks = A.new\n"
            );
            let may = text_may_define(&text, "before_originate", Required::Callbacks);
            assert_eq!(may, expected, "{method}");
        }
        for (end, expected) in [
            ("Gorgon.callbacks = A.new\n", false),
            ("  Gorgon.callbacks=A.new # ours\n", false),
            ("Gorgon.callbacks = B.new\n", true),
            ("Gorgon.callbacks = $callbacks\n", true),
            (
                "Gorgon.callbacks = A.new.tap { |it| Company.mix(it) }\n",
                true,
            ),
            ("require \"#{__dir__}/a\"\nGorgon.callbacks = A.new\n", true),
            ("require('a') # of b\n::Gorgon.callbacks = A.new()\n", true),
            (
                "require('json') # of b\n::Gorgon.callbacks = A.new()\n",
                false,
            ),
            (
                "%w[sync].each { |n| A.define_singleton_method(\"after_#{n}\") { } }\nGorgon.callbacks = A.new\n",
                true,
            ),
        ] {
            let text = format!("{class}{end}");
            let may = text_may_define(&text, "before_originate", Required::Callbacks);
            assert_eq!(may, expected, "{end}");
        }
    }

    #[test]
    fn the_example_of_the_readme_starts_ruby_for_what_it_defines_alone() {
        let readme = include_str!("../../../README.md");
        let (_, example) = readme.split_once("```ruby\nclass Callbacks").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let text = format!("class Callbacks{example}");
        let started = Callback::ALL.map(Callback::name).into_iter();
        let started = started.filter(|name| text_may_define(&text, name, Required::Callbacks));
        let started: Vec<_> = started.collect();
        assert_eq!(started, ["before_creating_workers", "before_start"]);
    }

    #[test]
    fn a_library_may_define_callbacks_but_is_trusted_where_rails_is_loaded_by_us() {
        let text = "require 'company'\nclass A < Gorgon::DefaultCallbacks\nend\nGorgon.callbacks = A.new\n";
        assert!(text_may_define(text, "before_start", Required::Callbacks));
        assert!(!text_may_define(
            text,
            "before_start",
            Required::ClassesAtMost
        ));
    }
}
