//! Processor time of this process.

use std::fs;

use crate::{Failure, number};

/// Seconds that all threads of this process, those that have ended too, have kept a processor busy.
///
/// # Errors
/// Where the system is not Linux.
pub(crate) fn seconds() -> Result<f64, Failure> {
    /// What a tick is on every architecture of Linux that matters.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<usize>()?;
    }
    Ok(number(ticks) / TICKS_PER_SECOND)
}

/// Runs `work`. What came of it, and the processor time that it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(T, f64), Failure> {
    let start = seconds()?;
    let outcome = work()?;
    Ok((outcome, seconds()? - start))
}
