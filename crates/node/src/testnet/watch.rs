//! How a network is doing, in one line.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gossip::Band;

use super::checks::{View, Views};

/// How a network is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What it is going through.
    pub phase: &'static str,
    /// For how long.
    pub elapsed: Duration,
    /// Nodes that live.
    pub nodes: usize,
    /// Nodes with as many links as they should have.
    pub in_band: usize,
    /// Fewest, average and most links.
    pub links: (usize, f64, usize),
    /// Exchanges of links so far.
    pub swaps: u64,
}

impl Progress {
    pub(super) fn of(phase: &'static str, elapsed: Duration, views: &Views, band: Band) -> Self {
        let links = || views.values().map(View::links);
        let within = |links: &usize| (band.min..=band.max).contains(links);
        let sum: u32 = links().map(|links| u32::try_from(links).unwrap_or(u32::MAX)).sum();
        let nodes = u32::try_from(views.len()).unwrap_or(u32::MAX).max(1);
        Self {
            phase,
            elapsed,
            nodes: views.len(),
            in_band: links().filter(within).count(),
            links: (
                links().min().unwrap_or(0),
                f64::from(sum) / f64::from(nodes),
                links().max().unwrap_or(0),
            ),
            swaps: swaps(views),
        }
    }
}

/// Exchanges in all: two take part in each.
pub(super) fn swaps(views: &Views) -> u64 {
    let done = views.values().filter_map(|view| view.swaps.get(DONE));
    done.sum::<u64>().div_ceil(2)
}

/// Why others did not come about, as one side or both told, the most frequent first.
pub(super) fn no_swaps(views: &Views) -> String {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, count) in views.values().flat_map(|view| &view.swaps) {
        if reason != DONE {
            *reasons.entry(reason).or_default() += count;
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().map(|(reason, count)| (count, reason)).collect();
    reasons.sort_unstable_by(|a, b| b.cmp(a));
    let reasons: Vec<_> =
        reasons.iter().map(|(count, reason)| format!("{count} {reason}")).collect();
    if reasons.is_empty() { String::new() } else { format!("; not: {}", reasons.join(", ")) }
}

/// The outcome of an exchange that took place.
const DONE: &str = "done";

impl fmt::Display for Progress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, elapsed, nodes, in_band, links: (least, average, most), swaps } = self;
        let seconds = elapsed.as_secs_f32();
        write!(
            out,
            "{phase:<6} ...    {seconds:>6.2} s  links {least} to {most}, {average:.1} on average; \
             {in_band} of {nodes} in their band; {swaps} exchanged"
        )
    }
}
