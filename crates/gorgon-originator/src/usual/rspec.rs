//! How RSpec finds its files: its pattern below its default path, as its options and the helpers that they load say.

use std::path::Path;

use gorgon_process::patient;

/// RSpec's own pattern: one link to a directory is followed on the way.
pub(super) const RSPEC_PATTERN: &str = "**{,/*/**}/*_spec.rb";
pub(super) const RSPEC_PATH: &str = "spec";
/// Files with options of RSpec in a project, the later ones win.
const RSPEC_FILES: [&str; 2] = [".rspec", ".rspec-local"];
/// The variable with options of RSpec, which win.
const RSPEC_VARIABLE: &str = "SPEC_OPTS";

/// How RSpec finds its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rspec {
    pub(super) path: String,
    pattern: String,
    exclude: String,
    /// What its files say.
    words: Vec<String>,
}

impl Rspec {
    /// Reads its options; tells whether those of this command name a pattern.
    pub(super) fn of(root: &Path, options: &[String]) -> (Self, bool) {
        let mut rspec = Self {
            path: RSPEC_PATH.to_owned(),
            pattern: RSPEC_PATTERN.to_owned(),
            exclude: String::new(),
            words: Vec::new(),
        };
        for file in RSPEC_FILES {
            let bytes = patient::read(&root.join(file)).unwrap_or_default();
            for line in String::from_utf8_lossy(&bytes).lines() {
                let words = shell_words::split(line).unwrap_or_default();
                rspec.take(&words);
                rspec.words.extend(words);
            }
        }
        rspec.take_helpers(root, options);
        let variable = std::env::var(RSPEC_VARIABLE).unwrap_or_default();
        let named =
            rspec.take(options) | rspec.take(&shell_words::split(&variable).unwrap_or_default());
        // Test::Unit has an option of that name.
        let is_there = root.join(&rspec.path).is_dir() || root.join(RSPEC_FILES[0]).is_file();
        (rspec, named && is_there)
    }

    /// Takes what the helpers that its options load first say of files, in literals.
    fn take_helpers(&mut self, root: &Path, options: &[String]) {
        let mut words = std::mem::take(&mut self.words);
        words.extend(options.iter().cloned());
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let name = match (word.as_str(), word.strip_prefix("--require=")) {
                ("-r" | "--require", _) => words.next().map(String::as_str),
                (_, Some(name)) => Some(name),
                _ => word.strip_prefix("-r"),
            };
            let Some(name) = name else { continue };
            let places = [&self.path, "lib", ""].map(|it| root.join(it).join(format!("{name}.rb")));
            let text = places.iter().find_map(|place| patient::read(place).ok());
            for line in String::from_utf8_lossy(&text.unwrap_or_default()).lines() {
                self.take_line(line);
            }
        }
    }

    /// Takes `config.pattern = 'X'` and its kind.
    fn take_line(&mut self, line: &str) {
        let words = line.split_once('=').and_then(|(to, value)| {
            let (variable, attribute) = to.trim().split_once('.')?;
            let is_name = variable.chars().all(|it| it.is_alphanumeric() || it == '_');
            let value = value.trim();
            let quote = value.chars().next().filter(|it| matches!(it, '\'' | '"'))?;
            let value = value[1..].split(quote).next()?;
            (is_name && !value.contains("#{")).then_some((attribute, value))
        });
        let Some((attribute, value)) = words else {
            return;
        };
        let (to, more) = match attribute.strip_suffix('+') {
            Some(attribute) => (attribute.trim(), true),
            None => (attribute, false),
        };
        let known = match to {
            "pattern" => &mut self.pattern,
            "exclude_pattern" => &mut self.exclude,
            _ => return,
        };
        if !more {
            known.clear();
        }
        known.push_str(value);
    }

    /// Takes options; tells whether one is a pattern.
    fn take(&mut self, words: &[String]) -> bool {
        let mut is_pattern = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            for option in ["--pattern", "-P", "--exclude-pattern", "--default-path"] {
                let value = match word.strip_prefix(option) {
                    Some("") => words.next().cloned(),
                    Some(value) if option == "-P" => Some(value.to_owned()),
                    Some(value) => value.strip_prefix('=').map(str::to_owned),
                    None => None,
                };
                let Some(value) = value else { continue };
                let value = value.strip_prefix("./").unwrap_or(&value);
                let value = value.trim_end_matches('/').to_owned();
                match option {
                    "--exclude-pattern" => self.exclude = value,
                    "--default-path" => self.path = value,
                    _ => {
                        self.pattern = value;
                        is_pattern = true;
                    }
                }
                break;
            }
        }
        is_pattern
    }

    /// Where it looks: besides below its default path below the project too, unless it would look everywhere there.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let everywhere = self.pattern.split('/').next().unwrap_or_default();
        let project = (!everywhere.contains("**")).then_some("");
        std::iter::once(self.path.as_str()).chain(project)
    }

    /// The glob of its files below a path, put together as RSpec does.
    pub(super) fn glob(&self, path: &str) -> String {
        together(path, &self.pattern)
    }

    pub(super) fn excluded(&self, path: &str) -> Vec<String> {
        let exclude = Some(&self.exclude).filter(|it| !it.is_empty());
        exclude.map(|it| together(path, it)).into_iter().collect()
    }
}

/// Patterns apart by commas are all meant; one that begins with the path is taken as it is.
fn together(path: &str, pattern: &str) -> String {
    let mut patterns = String::new();
    let (mut depth, mut several) = (0, false);
    for character in pattern.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        // Blanks around a comma mean nothing.
        if character == ',' && depth == 0 {
            patterns.truncate(patterns.trim_end().len());
            several = true;
        }
        if !(character == ' ' && patterns.ends_with(',')) {
            patterns.push(character);
        }
    }
    let all = if several {
        format!("{{{patterns}}}")
    } else {
        patterns
    };
    if pattern.starts_with(path) || pattern.starts_with('/') {
        all
    } else {
        format!("{path}/{all}")
    }
}
