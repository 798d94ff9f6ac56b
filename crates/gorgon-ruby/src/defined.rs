//! Whether the user's files can define a callback: to start Ruby costs more than to read them.

use crate::settings::{Callback, RubySettings};

/// Words in a callbacks file that may bring in a method that does not stand in it.
const OPENINGS: [&str; 11] = [
    "require_relative",
    "load",
    "eval",
    "include",
    "extend",
    "prepend",
    "define_method",
    "method_missing",
    "autoload",
    "send(",
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
    for line in text.lines().map(str::trim_start) {
        if let Some(class) = line.strip_prefix("class ") {
            // Opened again, or of another parent: what it has may stand elsewhere.
            match class.split_once('<') {
                Some((class, parent)) if is_default(parent) => ours.push(class.trim()),
                Some(_) | None => return true,
            }
        } else if let Some((_, object)) = line.split_once("Gorgon.callbacks") {
            let object = object.trim_start_matches([' ', '=']);
            used.push(object.split(['.', ' ', '(']).next().unwrap_or_default());
        } else if let Some(path) = line.strip_prefix("require") {
            // A file of the project.
            if !path.trim_start_matches([' ', '(']).starts_with(['\'', '"']) || path.contains("./")
            {
                return true;
            }
            requires = true;
        }
    }
    // Callbacks of a library: it may set them, or have their class.
    (used.is_empty() && requires) || used.iter().any(|class| !ours.contains(class))
}

fn is_default(parent: &str) -> bool {
    let parent = parent.split([';', '#']).next().unwrap_or_default();
    parent.trim().trim_start_matches("::") == "Gorgon::DefaultCallbacks"
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
        ] {
            let may = text_may_define(&format!("{class}{end}"), "before_originate");
            assert_eq!(may, expected, "{end}");
        }
    }
}
