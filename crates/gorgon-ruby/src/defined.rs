//! Whether the user's files can define a callback: to start Ruby costs more than to read them.

use crate::settings::{Callback, RubySettings};

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
    "alias_method",
    "delegat",
    "method_missing",
    "send",
    "const_get",
];

/// Returns whether the callback may be defined: by a file of its own, or by the callbacks file. In doubt it may.
#[must_use]
pub fn may_define(settings: &RubySettings, callback: Callback) -> bool {
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
        Ok(bytes) => text_may_define(&String::from_utf8_lossy(&bytes), callback.name()),
        // Ruby says what is wrong with it.
        Err(_) => true,
    }
}

fn text_may_define(text: &str, name: &str) -> bool {
    if text.contains(name) || OPENINGS.iter().any(|word| text.contains(word)) {
        return true;
    }
    let (mut ours, mut used, mut requires) = (Vec::new(), Vec::new(), false);
    let lines = text.lines().map(str::trim_start);
    let code = lines.filter(|line| !line.starts_with('#'));
    for statement in code.flat_map(|line| line.split(';')).map(str::trim) {
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
            if !is_library(rest) {
                return true;
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

/// Returns whether what follows `require` names a library, and not a file of the project: ` 'open4'`.
fn is_library(text: &str) -> bool {
    let text = text.trim_start().trim_start_matches('(').trim_start();
    let quoted = text
        .strip_prefix('\'')
        .and_then(|rest| rest.split_once('\''))
        .or_else(|| text.strip_prefix('"')?.split_once('"'));
    let Some((path, rest)) = quoted else {
        return false;
    };
    let ends = uncommented(rest).trim();
    let ends = ["if ", "unless ", "rescue "]
        .iter()
        .any(|it| ends.starts_with(it))
        || matches!(ends, "" | ")" | "}" | "end");
    ends && !path.starts_with(['/', '.', '~']) && !path.contains("#{")
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
            let may = text_may_define(text, "before_originate");
            assert_eq!(may, expected, "{text}");
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
            ("require('a') # of b\n::Gorgon.callbacks = A.new()\n", false),
            (
                "%w[sync].each { |n| A.define_singleton_method(\"after_#{n}\") { } }\nGorgon.callbacks = A.new\n",
                true,
            ),
        ] {
            let may = text_may_define(&format!("{class}{end}"), "before_originate");
            assert_eq!(may, expected, "{end}");
        }
    }
}
