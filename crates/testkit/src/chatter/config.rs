//! Settings as written, and the parameters a core is built from.

use std::time::Duration;

use super::{ConfigError, ITEMS_LIMIT};

/// Settings, unchecked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most items in one answer, both ways. 1 to [`ITEMS_LIMIT`].
    pub items_max: u16,
    /// Shortest time between two asks of one peer. Zero sets no pace.
    pub ask_gap: Duration,
    /// How long an answer may take. More than zero.
    pub answer_timeout: Duration,
    /// Peers whose pace is remembered. At least one; with fewer than there are links, an honest
    /// asker may forget its own pace.
    pub paces_max: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            items_max: 1024,
            ask_gap: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(10),
            paces_max: 1024,
        }
    }
}

impl Config {
    /// Turns settings into parameters.
    ///
    /// # Errors
    ///
    /// The first value found out of range.
    pub fn check(self) -> Result<Params, ConfigError> {
        if !(1..=ITEMS_LIMIT).contains(&self.items_max) {
            return Err(ConfigError::ItemsMax { given: self.items_max });
        }
        if self.answer_timeout.is_zero() {
            return Err(ConfigError::AnswerTimeout);
        }
        if self.paces_max == 0 {
            return Err(ConfigError::PacesMax);
        }
        Ok(Params(self))
    }
}

/// Checked settings. Holding one proves that each is in range.
#[derive(Clone, Debug)]
pub struct Params(Config);

impl Params {
    /// See [`Config::items_max`].
    pub fn items_max(&self) -> u16 {
        self.0.items_max
    }

    /// See [`Config::ask_gap`].
    pub fn ask_gap(&self) -> Duration {
        self.0.ask_gap
    }

    /// See [`Config::answer_timeout`].
    pub fn answer_timeout(&self) -> Duration {
        self.0.answer_timeout
    }

    /// See [`Config::paces_max`].
    pub fn paces_max(&self) -> usize {
        usize::from(self.0.paces_max)
    }
}
