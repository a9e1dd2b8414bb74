//! What the operator sets, and the parameters the core is built from.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::band::Band;

/// How much a node takes part in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// In everything.
    #[default]
    Public,
    /// Talks only to trusted peers: asks nobody, tells nobody, exchanges no links.
    Private,
    /// Neither asks for peers nor tells of them nor exchanges links; dials whom it knows.
    DiscoveryOff,
}

impl Mode {
    /// Whether peers are told of, asked for and exchanged.
    #[must_use]
    pub const fn discovers(self) -> bool {
        matches!(self, Self::Public)
    }
}

/// What the operator sets, not yet checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much the node takes part in.
    pub mode: Mode,
    /// Fewest links. 0 to `expected`.
    pub min: usize,
    /// Links wished for. 1 to 500; 0 for a node that keeps no links of its own.
    pub expected: usize,
    /// Most links. `expected` to 500.
    pub max: usize,
    /// Links to look after at least once in this time, give or take a fifth. 1 s to 1 day.
    #[serde(with = "humantime_serde")]
    pub maintenance_period: Duration,
    /// Dials under way. 1 to 64.
    pub dials_max: usize,
    /// Most outbound links to one network group (IPv4 /16, IPv6 /32). At least 1.
    pub outbound_per_group_max: usize,
    /// Outbound links remembered to be dialled first after a restart. 0 to 8.
    pub anchors: usize,
    /// How long a link must have lasted to become an anchor.
    #[serde(with = "humantime_serde")]
    pub anchor_age: Duration,
    /// Trusted peers. At most 64.
    pub trusted_max: usize,
    /// An address that is not in use is tried once in this time, give or take a fifth.
    #[serde(with = "humantime_serde")]
    pub feeler_period: Duration,
    /// The wait after the first failed dial of a trusted peer; doubled for each further one.
    #[serde(with = "humantime_serde")]
    pub redial_min: Duration,
    /// The longest wait between two dials of a trusted peer.
    #[serde(with = "humantime_serde")]
    pub redial_max: Duration,
    /// The shortest wait between two rounds of visits to seeds; doubled for each that taught
    /// nothing.
    #[serde(with = "humantime_serde")]
    pub seek_min: Duration,
    /// The longest such wait.
    #[serde(with = "humantime_serde")]
    pub seek_max: Duration,

    /// Addresses in the book. 64 to 65,536.
    pub book_max: usize,
    /// The book is written once in this time.
    #[serde(with = "humantime_serde")]
    pub save_period: Duration,
    /// Whether private addresses may be dialled.
    pub allow_private: bool,

    /// Some neighbour, a random one, is asked for peers once in this time, give or take a fifth.
    #[serde(with = "humantime_serde")]
    pub ask_period: Duration,
    /// Shortest time between two questions to one neighbour, kept by both.
    #[serde(with = "humantime_serde")]
    pub ask_gap: Duration,
    /// How long an answer is waited for.
    #[serde(with = "humantime_serde")]
    pub ask_timeout: Duration,
    /// Records wished for and given. 1 to 50.
    pub records_max: u32,
    /// A neighbour that asks again within this time gets the same answer.
    #[serde(with = "humantime_serde")]
    pub answer_lasts: Duration,

    /// An exchange of links is proposed once in this time, give or take a fifth; zero for never.
    #[serde(with = "humantime_serde")]
    pub swap_period: Duration,
    /// How old a link must be to be given away.
    #[serde(with = "humantime_serde")]
    pub swap_age_min: Duration,
    /// Shortest time between two exchanges that are agreed to.
    #[serde(with = "humantime_serde")]
    pub swap_linger: Duration,
    /// Shortest time between two exchanges with one neighbour.
    #[serde(with = "humantime_serde")]
    pub swap_requester_gap: Duration,
    /// How long each step of an exchange is waited for, its dial included.
    #[serde(with = "humantime_serde")]
    pub swap_deadline: Duration,
    /// Largest share of links gained by exchange within an hour, in thousandths of the outbound
    /// ones. 1,000 lifts the cap.
    pub swap_share_max: u16,
    /// Oldest outbound links that are never given away.
    pub swap_protected: usize,

    /// A neighbour that has said nothing for this long is pinged, give or take a fifth.
    #[serde(with = "humantime_serde")]
    pub ping_period: Duration,
    /// Shortest time that a ping is waited for, however near the neighbour is.
    #[serde(with = "humantime_serde")]
    pub ping_timeout_min: Duration,
    /// Longest time that a ping is waited for, however far the neighbour is.
    #[serde(with = "humantime_serde")]
    pub ping_timeout_max: Duration,
    /// Pings in a row without an answer after which a neighbour is given up. 1 to 10.
    pub ping_misses_max: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Public,
            min: 8,
            expected: 16,
            max: 64,
            maintenance_period: Duration::from_mins(2),
            dials_max: 8,
            outbound_per_group_max: 1,
            anchors: 2,
            anchor_age: Duration::from_mins(10),
            trusted_max: 64,
            feeler_period: Duration::from_mins(2),
            redial_min: Duration::from_secs(1),
            redial_max: Duration::from_mins(1),
            seek_min: Duration::from_secs(1),
            seek_max: Duration::from_mins(10),
            book_max: 4096,
            save_period: Duration::from_mins(1),
            allow_private: false,
            ask_period: Duration::from_mins(5),
            ask_gap: Duration::from_secs(10),
            ask_timeout: Duration::from_secs(10),
            records_max: 50,
            answer_lasts: Duration::from_hours(1),
            swap_period: Duration::from_mins(2),
            swap_age_min: Duration::from_mins(2),
            swap_linger: Duration::from_secs(30),
            swap_requester_gap: Duration::from_mins(10),
            swap_deadline: Duration::from_secs(10),
            swap_share_max: 250,
            swap_protected: 2,
            ping_period: Duration::from_secs(30),
            ping_timeout_min: Duration::from_secs(1),
            ping_timeout_max: Duration::from_secs(10),
            ping_misses_max: 3,
        }
    }
}

impl Config {
    /// The profile of short-lived test networks: everything happens within seconds.
    #[must_use]
    pub fn fast() -> Self {
        Self {
            min: 3,
            expected: 6,
            max: 9,
            maintenance_period: Duration::from_secs(2),
            anchor_age: Duration::from_secs(5),
            feeler_period: Duration::from_secs(2),
            redial_max: Duration::from_secs(5),
            seek_max: Duration::from_secs(10),
            save_period: Duration::from_secs(2),
            ask_period: Duration::from_secs(10),
            ask_gap: Duration::from_secs(1),
            ask_timeout: Duration::from_secs(5),
            answer_lasts: Duration::from_secs(5),
            swap_period: Duration::from_secs(8),
            swap_age_min: Duration::from_secs(4),
            swap_linger: Duration::from_secs(2),
            swap_requester_gap: Duration::from_secs(10),
            swap_deadline: Duration::from_secs(5),
            // An hour is longer than such a network lives.
            swap_share_max: 1000,
            ping_period: Duration::from_secs(2),
            ping_timeout_max: Duration::from_secs(3),
            ..Self::default()
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        let band = Band::new(self.min, self.expected, self.max)?;
        let count = |key, given, min, max| {
            let sound = (min..=max).contains(&given);
            if sound { Ok(()) } else { Err(ConfigError::Number { key, given, min, max }) }
        };
        count("dials_max", self.dials_max, 1, 64)?;
        count("outbound_per_group_max", self.outbound_per_group_max, 1, usize::MAX)?;
        count("anchors", self.anchors, 0, 8)?;
        count("trusted_max", self.trusted_max, 0, 64)?;
        count("book_max", self.book_max, 64, 65_536)?;
        count("records_max", usize::try_from(self.records_max).unwrap_or(usize::MAX), 1, 50)?;
        count("swap_share_max", self.swap_share_max.into(), 0, 1000)?;
        count("swap_protected", self.swap_protected, 0, 500)?;
        count("ping_misses_max", self.ping_misses_max.into(), 1, 10)?;
        self.check_times()?;
        Ok(Params { config: self, band })
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_hours(24);
        const MINUTE: Duration = Duration::from_mins(1);
        const SHORT: Duration = Duration::from_millis(100);
        let time = |key, given: Duration, min: Duration, max: Duration| {
            let sound = (min..=max).contains(&given);
            if sound { Ok(()) } else { Err(ConfigError::Time { key, given, min, max }) }
        };
        time("maintenance_period", self.maintenance_period, SECOND, DAY)?;
        time("anchor_age", self.anchor_age, Duration::ZERO, DAY)?;
        time("feeler_period", self.feeler_period, SECOND, DAY)?;
        time("redial_min", self.redial_min, SHORT, self.redial_max)?;
        time("redial_max", self.redial_max, SHORT, DAY)?;
        time("seek_min", self.seek_min, SHORT, self.seek_max)?;
        time("seek_max", self.seek_max, SHORT, DAY)?;
        time("save_period", self.save_period, SECOND, DAY)?;
        time("ask_period", self.ask_period, SECOND, DAY)?;
        time("ask_gap", self.ask_gap, SHORT, self.ask_period)?;
        time("ask_timeout", self.ask_timeout, SHORT, DAY)?;
        time("answer_lasts", self.answer_lasts, Duration::ZERO, DAY)?;
        if !self.swap_period.is_zero() {
            time("swap_period", self.swap_period, SECOND, DAY)?;
        }
        time("swap_age_min", self.swap_age_min, Duration::ZERO, DAY)?;
        time("swap_linger", self.swap_linger, Duration::ZERO, DAY)?;
        time("swap_requester_gap", self.swap_requester_gap, Duration::ZERO, DAY)?;
        time("swap_deadline", self.swap_deadline, SHORT, MINUTE)?;
        time("ping_period", self.ping_period, SECOND, DAY)?;
        time("ping_timeout_min", self.ping_timeout_min, SHORT, self.ping_timeout_max)?;
        time("ping_timeout_max", self.ping_timeout_max, SHORT, MINUTE)
    }
}

/// A setting that the operator has to change.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ConfigError {
    /// A number is out of bounds.
    #[error("{key} is {given}, must be {min} to {max}")]
    Number {
        /// Which.
        key: &'static str,
        /// The value found.
        given: usize,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// A time is out of bounds.
    #[error("{key} is {given:?}, must be {min:?} to {max:?}")]
    Time {
        /// Which.
        key: &'static str,
        /// The value found.
        given: Duration,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
}

/// Settings that passed [`Config::check`].
#[derive(Clone, Debug)]
pub struct Params {
    config: Config,
    band: Band,
}

impl Params {
    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How many links there should be.
    #[must_use]
    pub const fn band(&self) -> Band {
        self.band
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_profiles_are_sound() {
        assert!(Config::default().check().is_ok());
        assert!(Config::fast().check().is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_bounds() {
        let key = |config: Config| match config.check() {
            Err(ConfigError::Number { key, .. } | ConfigError::Time { key, .. }) => key,
            Ok(_) => "nothing",
        };
        let sound = Config::default;
        assert_eq!(key(Config { min: 17, ..sound() }), "min");
        assert_eq!(key(Config { max: 15, ..sound() }), "max");
        assert_eq!(key(Config { dials_max: 0, ..sound() }), "dials_max");
        assert_eq!(key(Config { records_max: 51, ..sound() }), "records_max");
        assert_eq!(key(Config { swap_share_max: 1001, ..sound() }), "swap_share_max");
        assert_eq!(key(Config { ask_gap: Duration::from_hours(1), ..sound() }), "ask_gap");
        assert_eq!(key(Config { swap_period: Duration::ZERO, ..sound() }), "nothing");
    }
}
