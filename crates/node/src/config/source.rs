//! Where a value came from, and which key it is for.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::Config;

/// One key of the configuration: `section.key`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct KeyPath {
    /// Name of the section.
    pub section: &'static str,
    /// Name of the key in it.
    pub key: &'static str,
}

impl KeyPath {
    /// Every key, in the order of the manual.
    pub fn all() -> impl Iterator<Item = Self> {
        Config::MANUAL.iter().flat_map(|section| {
            section.keys.iter().map(|key| Self { section: section.name, key: key.name })
        })
    }

    /// The key that is written `section.key`, if there is one.
    pub fn find(path: &str) -> Option<Self> {
        let (section, key) = path.split_once('.')?;
        Self::all().find(|known| known.section == section && known.key == key)
    }

    /// The environment variable that sets it: `MESHWORK_<SECTION>__<KEY>`.
    pub fn variable(self) -> String {
        format!("MESHWORK_{}__{}", self.section, self.key).to_ascii_uppercase()
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.section, self.key)
    }
}

/// Where a value came from, weakest first.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// Nobody set it.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// The line, from 1; absent when the trouble is the file as a whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<usize>,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// An option on the command line.
    Flag {
        /// The option, as `--listen`.
        option: &'static str,
    },
}

/// A path need not be Unicode, JSON must be.
#[expect(clippy::ptr_arg, reason = "serde passes a reference to the field")]
fn lossy<S: Serializer>(path: &PathBuf, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line: Some(line) } => write!(out, "{}:{line}", path.display()),
            Self::File { path, line: None } => path.display().fmt(out),
            Self::Environment { variable } => out.write_str(variable),
            Self::Flag { option } => out.write_str(option),
        }
    }
}
