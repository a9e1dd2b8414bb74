//! What the operator sets of the book.

use std::time::Duration;

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Most items held. 1 to 4,194,304. The default leaves room for two books of 0x-Mesh, which
    /// end at 100,000.
    pub items_max: usize,
    /// Cells that are kept up to date for those who ask: enough for about 0.7 times as many
    /// differences. 32 to 1,048,576.
    pub cells: usize,
    /// How long the key of an epoch is in use. 1 s to 1 day.
    pub epoch: Duration,
}

/// What the book is made with. Only [`Config::check`] makes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Params {
    pub(super) items_max: usize,
    pub(super) cells: usize,
    pub(super) epoch: Duration,
}

/// What is wrong with a [`Config`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// No room, or more than the memory of a node should go for.
    #[error("items_max is {given}, must be 1 to {ITEMS_MAX}")]
    ItemsMax {
        /// As configured.
        given: usize,
    },
    /// Fewer cells than a first block has, or too many to keep up to date.
    #[error("cells is {given}, must be {CELLS_MIN} to {CELLS_MAX}")]
    Cells {
        /// As configured.
        given: usize,
    },
    /// Too short to be worth a sketch, or so long that items are made under a known key.
    #[error("epoch is {given:?}, must be 1 s to 1 day")]
    Epoch {
        /// As configured.
        given: Duration,
    },
}

const ITEMS_MAX: usize = 1 << 22;
const CELLS_MIN: usize = 32;
const CELLS_MAX: usize = 1 << 20;

impl Config {
    /// Checks all values.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        let Self { items_max, cells, epoch } = self;
        if !(1..=ITEMS_MAX).contains(&items_max) {
            return Err(ConfigError::ItemsMax { given: items_max });
        }
        if !(CELLS_MIN..=CELLS_MAX).contains(&cells) {
            return Err(ConfigError::Cells { given: cells });
        }
        if !(Duration::from_secs(1)..=Duration::from_hours(24)).contains(&epoch) {
            return Err(ConfigError::Epoch { given: epoch });
        }
        Ok(Params { items_max, cells, epoch })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { items_max: 200_000, cells: 16_384, epoch: Duration::from_mins(10) }
    }
}
