//! What the node says in base units, as people read it.

use crate::payments::in_tokens;
use crate::printable::Printable;

/// `units` in tokens; as they are if they are none, which no node of this version says.
pub(super) fn tokens(units: &str) -> String {
    units.parse().map_or_else(|_| Printable(units).to_string(), in_tokens)
}

/// The sum of what the node says, in base units. More than any amount may come together.
#[derive(Debug, Default)]
pub(super) struct Sum(u128);

impl Sum {
    pub(super) fn add(&mut self, units: &str) {
        let units = units.parse().unwrap_or_default();
        self.0 = self.0.saturating_add(units);
    }

    /// In tokens.
    pub(super) fn text(&self) -> String {
        in_tokens(self.0)
    }
}
