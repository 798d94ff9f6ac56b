//! How RSpec finds its files: its pattern below its default path, as its options and the helpers that they load say.

use std::path::{Path, PathBuf};

use gorgon_process::patient;

use crate::glob::Tree;

/// RSpec's own pattern: one link to a directory is followed on the way.
pub(super) const RSPEC_PATTERN: &str = "**{,/*/**}/*_spec.rb";
pub(super) const RSPEC_PATH: &str = "spec";
/// Files with options of RSpec in a project, the later ones win.
const RSPEC_FILES: [&str; 2] = [".rspec", ".rspec-local"];
/// Files with options of RSpec for all projects of a user, below `$XDG_CONFIG_HOME` and below `$HOME`: the first that is
/// there counts. Those of a project win.
const OF_THE_USER: [&str; 2] = ["rspec/options", ".rspec"];
/// Where a project names the libraries that it uses.
const NAME_LIBRARIES: [&str; 7] = [
    "Rakefile",
    "rakefile",
    "Rakefile.rb",
    "rakefile.rb",
    "Gemfile",
    "gems.rb",
    "spec/spec_helper.rb",
];
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
    /// The project has files that match. An option `--pattern` alone does not show RSpec: Test::Unit has one, too.
    is_there: bool,
}

impl Rspec {
    /// Reads its options; tells whether those of this command name a pattern.
    pub(super) fn of(root: &Path, options: &[String]) -> (Self, bool) {
        let mut rspec = Self {
            path: RSPEC_PATH.to_owned(),
            pattern: RSPEC_PATTERN.to_owned(),
            exclude: String::new(),
            words: Vec::new(),
            is_there: false,
        };
        for file in option_files(root, options, &|name| std::env::var_os(name)) {
            let bytes = patient::read(&file).unwrap_or_default();
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
        rspec.is_there = root.join(&rspec.path).is_dir() || root.join(RSPEC_FILES[0]).is_file();
        let named = named && rspec.is_there;
        (rspec, named)
    }

    /// Returns these options without those that it has taken to find its files.
    pub(super) fn options_left(&self, words: &[String]) -> Vec<String> {
        if !self.is_there {
            return words.to_vec();
        }
        let mut left = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let is_own = |option: &&&str| match word.strip_prefix(**option) {
                Some(rest) => rest.is_empty() || rest.starts_with('=') || **option == "-P",
                None => false,
            };
            match ["--pattern", "-P", "--exclude-pattern"].iter().find(is_own) {
                Some(option) if word == option => drop(words.next()),
                Some(_) => {}
                None => left.push(word.clone()),
            }
        }
        left
    }

    /// Tells whether the project speaks of RSpec: in options for it, or where it names its libraries.
    pub(super) fn is_used(&self, root: &Path) -> bool {
        let has_options = RSPEC_FILES.iter().any(|file| root.join(file).is_file());
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        let specifications = entries.map(|it| it.path());
        let mut named = specifications
            .filter(|path| path.extension().is_some_and(|it| it == "gemspec"))
            .chain(NAME_LIBRARIES.iter().map(|name| root.join(name)));
        has_options
            || self.path != RSPEC_PATH
            || self.pattern != RSPEC_PATTERN
            || named.any(|path| {
                let text = patient::read(&path).unwrap_or_default();
                String::from_utf8_lossy(&text)
                    .to_lowercase()
                    .contains("rspec")
            })
    }

    /// Tells whether nothing names its files, and it finds none where it looks.
    pub(super) fn finds_nothing(&self, tree: &Tree) -> bool {
        let is_own = self.pattern == RSPEC_PATTERN;
        is_own
            && self
                .paths()
                .all(|path| tree.expand(&[self.glob(path)]).files.is_empty())
    }

    /// Takes the patterns of a Rakefile's task, which gives them to RSpec.
    pub(super) fn take_patterns(&mut self, patterns: &[String]) {
        if !patterns.is_empty() {
            self.pattern = patterns.join(",");
        }
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

/// The files with options that RSpec reads, the later ones win. `--options` names one that it reads instead.
pub(super) fn option_files(
    root: &Path,
    options: &[String],
    variable: &dyn Fn(&str) -> Option<std::ffi::OsString>,
) -> Vec<PathBuf> {
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let named = match word.as_str() {
            "-O" | "--options" => words.next().map(String::as_str),
            word => word.strip_prefix("--options="),
        };
        if let Some(named) = named {
            return vec![root.join(named)];
        }
    }
    let directory = |name| {
        variable(name)
            .filter(|it| !it.is_empty())
            .map(PathBuf::from)
    };
    let home = directory("HOME");
    let configuration =
        directory("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let of_user = [configuration, home].into_iter().zip(OF_THE_USER);
    let mut of_user = of_user.filter_map(|(directory, name)| Some(directory?.join(name)));
    let first = of_user.find(|path| path.is_file());
    first
        .into_iter()
        .chain(RSPEC_FILES.map(|name| root.join(name)))
        .collect()
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
