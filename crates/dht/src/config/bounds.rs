//! The two checks that every section is made of.

use std::time::Duration;

use crate::error::ConfigError;

/// Key, value, least, most.
type Row<T> = (&'static str, T, T, T);

/// Checks numbers, in the order of the rows: one that bounds others comes before them.
pub(super) fn numbers<const N: usize>(rows: [Row<u64>; N]) -> Result<(), ConfigError> {
    match rows.into_iter().find(|(_, given, min, max)| !(min..=max).contains(&given)) {
        Some((key, given, min, max)) => Err(ConfigError::Number { key, given, min, max }),
        None => Ok(()),
    }
}

/// Checks times, likewise.
pub(super) fn times<const N: usize>(rows: [Row<Duration>; N]) -> Result<(), ConfigError> {
    match rows.into_iter().find(|(_, given, min, max)| !(min..=max).contains(&given)) {
        Some((key, given, min, max)) => Err(ConfigError::Time { key, given, min, max }),
        None => Ok(()),
    }
}

/// A count as a row has it.
pub(super) fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
