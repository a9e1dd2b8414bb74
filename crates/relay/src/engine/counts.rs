//! How often what happened.

use std::collections::BTreeMap;

/// Counts by name.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub(crate) fn add(&mut self, name: &'static str) {
        let count = self.0.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        self.0.iter().map(|(name, count)| (*name, *count)).collect()
    }
}
