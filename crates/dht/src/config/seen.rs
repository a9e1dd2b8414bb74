//! Which messages came before.

use serde::{Deserialize, Serialize};

use super::bounds::{count, numbers};
use crate::error::ConfigError;

/// Which messages came before. An entry lasts as long as its message.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeenConfig {
    /// Messages remembered in all.
    pub entries_max: usize,
    /// Messages remembered that one link brought first, and letters likewise; beyond that its new
    /// ones are refused, and nobody else's.
    pub entries_per_link_max: usize,
    /// Delivered letters remembered, so that the application gets none twice. As many as
    /// messages: a letter is remembered for up to a day, and 12 a second fill this.
    pub letters_max: usize,
    /// Changes that wait to be written to the store; beyond that every new message is refused.
    pub unwritten_max: usize,
}

impl Default for SeenConfig {
    fn default() -> Self {
        Self {
            entries_max: 1_048_576,
            entries_per_link_max: 131_072,
            letters_max: 1_048_576,
            unwritten_max: 65_536,
        }
    }
}

impl SeenConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let entries = count(self.entries_max);
        numbers([
            ("seen.entries_max", entries, 16, 16_777_216),
            ("seen.entries_per_link_max", count(self.entries_per_link_max), 1, entries),
            ("seen.letters_max", count(self.letters_max), 16, 16_777_216),
            ("seen.unwritten_max", count(self.unwritten_max), 16, 16_777_216),
        ])
    }
}
