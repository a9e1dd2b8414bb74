//! What tidy lets pass, read from `xtask/exceptions.toml`: a list that may only shrink.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use serde::Deserialize;

use super::Finding;

/// The file, as an error names it.
pub(super) const LIST: &str = "xtask/exceptions.toml";

/// The whole list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Exceptions {
    /// Lines allowed to a file, by path.
    pub(super) files: BTreeMap<String, usize>,
    /// Lines allowed to a function, by `path::name`.
    pub(super) functions: BTreeMap<String, usize>,
    pub(super) foreign: Foreign,
    #[serde(skip)]
    text: String,
}

/// Names in the documents that belong to others.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Foreign {
    pub(super) names: Vec<String>,
    /// Documents that are about others' names, and so are not searched for ours.
    pub(super) pages: Vec<String>,
}

impl Exceptions {
    /// # Errors
    /// When the list is missing or malformed.
    pub(super) fn read() -> anyhow::Result<Self> {
        let text = fs::read_to_string(LIST).with_context(|| format!("cannot read {LIST}"))?;
        Self::parse(&text).context(LIST)
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(Self { text: text.to_owned(), ..toml::from_str(text)? })
    }

    /// A complaint about an entry of the list itself.
    pub(super) fn complaint(&self, entry: &str, what: String) -> Finding {
        let quoted = format!("\"{entry}\"");
        let line = self.text.lines().position(|line| line.contains(&quoted));
        Finding::new(LIST, line.map_or(1, |before| before.saturating_add(1)), what)
    }
}
