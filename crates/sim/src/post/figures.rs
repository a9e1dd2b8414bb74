//! What is asked of a run, and what it reached.

use super::report::Report;
use crate::figures::Figure;
use crate::report::number;

/// The figures of one run, with those that bind under its circumstances.
pub(crate) fn judge(report: &Report, title: &'static str) -> Vec<Figure> {
    let Report { fate, words, cost, conduct, .. } = report;
    let handed_on = if report.is_calm() { 3.0 } else { 10.0 };
    let untrue = u64::try_from(words.untrue.len()).unwrap_or(u64::MAX) + words.kept_untrue;
    let of_owed = "— share delivered, recipient there at some time 10 min before expiry";
    let of_stayed = "— share delivered, recipient there for 10 min at a stretch";
    let transmissions = "— times handed on, receipts included, to the shortest greedy ways";
    let mut figures = vec![Figure::title(title)];
    // Of what expires sooner nothing is owed to anybody.
    if fate.owed > 0 {
        figures.push(Figure::at_least(of_owed, 0.99, fate.owed_share));
        figures.push(Figure::noted(of_stayed, fate.stayed_share));
    }
    figures.extend([
        Figure::exactly("— given to an application again", 0, fate.duplicates),
        Figure::at_most(transmissions, handed_on, cost.transmissions),
        Figure::noted("— copies put into mailboxes, of each", cost.puts),
    ]);
    figures.extend(hops(report));
    figures.extend([
        Figure::exactly("— untrue words to senders, but for those of droppers", 0, untrue),
        Figure::exactly("— honest nodes charged", 0, conduct.charged),
    ]);
    figures
}

/// How far it was, and how long it took.
pub(crate) fn hops(report: &Report) -> Vec<Figure> {
    let speed = &report.speed;
    let (hops, direct) = (&speed.hops, &speed.direct);
    vec![
        Figure::at_most("— hops, median", 4.0, number(hops.p50)),
        Figure::at_most("— hops, 99 of 100", 6.0, number(hops.p99)),
        Figure::noted("— milliseconds to who is there, median", number(direct.p50)),
        Figure::noted("— milliseconds to who is there, 99 of 100", number(direct.p99)),
    ]
}
