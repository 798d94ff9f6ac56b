//! Real inputs, and the garbled ones that come of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use arbitrary::Unstructured;

use crate::garble::garble;

/// Inputs of one reader.
#[derive(Debug)]
pub struct Corpus {
    name: String,
    inputs: Vec<Vec<u8>>,
}

impl Corpus {
    /// Reads the inputs in `fuzz/corpus/NAME`.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let directory = root().join("fuzz/corpus").join(name);
        let entries = fs::read_dir(&directory);
        let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let inputs = paths.iter().map(|path| fs::read(path).expect("an input"));
        Self::of(name, inputs)
    }

    /// Makes a corpus of these inputs.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn of(name: &str, inputs: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let inputs: Vec<_> = inputs.into_iter().collect();
        assert!(!inputs.is_empty(), "no inputs in {name}");
        let name = name.to_owned();
        Self { name, inputs }
    }

    /// Adds files of the workspace, by their paths from its root.
    ///
    /// # Panics
    /// When one cannot be read.
    #[must_use]
    pub fn and<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        for path in paths {
            let path = root().join(path);
            let input = fs::read(&path);
            self.inputs
                .push(input.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the inputs as they are.
    #[must_use]
    pub fn inputs(&self) -> &[Vec<u8>] {
        &self.inputs
    }

    /// Returns one that is garbled as `decisions` say.
    #[must_use]
    pub fn garbled(&self, decisions: &mut Unstructured<'_>) -> Vec<u8> {
        let one = self.inputs[decisions.choose_index(self.inputs.len()).unwrap_or(0)].clone();
        let other = &self.inputs[decisions.choose_index(self.inputs.len()).unwrap_or(0)];
        garble(one, other, decisions)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
