//! What an issuer asks of a request that can be told without computing.

use std::cmp::Ordering;

use super::history::History;
use crate::aggregation::{Issued, Key, Refusal, RefusalCode, Request, TICKETS_MAX, Winner};
use crate::{Amount, Channel, Interval, WinProbability};

/// What an aggregate is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Plan {
    /// The indices that it stands for.
    pub(super) interval: Interval,
    /// What it is worth.
    pub(super) amount: Amount,
    /// The earlier aggregates that are among the tickets.
    pub(super) covered: Vec<Key>,
}

/// Whether `channel` is in the life of which the request is.
pub(super) fn standing(request: &Request, channel: &Channel) -> Result<(), Refusal> {
    let code = if !channel.is_redeemable() {
        RefusalCode::Closed
    } else if request.epoch != channel.epoch {
        RefusalCode::Epoch
    } else {
        return Ok(());
    };
    Err(Refusal::new(code))
}

/// Whether there are no more tickets than a request may have.
pub(super) fn count(request: &Request) -> Result<usize, Refusal> {
    let count = request.tickets.len();
    if count > TICKETS_MAX { Err(Refusal::new(RefusalCode::TooMany)) } else { Ok(count) }
}

/// What becomes of the request if its tickets have won.
pub(super) fn plan(
    request: &Request,
    channel: &Channel,
    history: &History,
    probability_min: WinProbability,
) -> Result<Plan, Refusal> {
    let tickets = &request.tickets;
    each(tickets, channel, probability_min)?;
    let interval = span(tickets)?;
    let (covered, free) = beside(tickets, &interval, channel, history)?;
    Ok(Plan { interval, amount: sum(tickets, free)?, covered })
}

/// Looks at each ticket and the one before it.
fn each(tickets: &[Winner], channel: &Channel, min: WinProbability) -> Result<(), Refusal> {
    let mut end = None;
    for (place, ticket) in tickets.iter().enumerate() {
        let first = ticket.interval.first();
        let code = if end.is_some_and(|end| first < end) {
            RefusalCode::Order
        } else if first < channel.index {
            RefusalCode::Redeemed
        } else if ticket.probability.approx_cmp(min) == Ordering::Less {
            RefusalCode::TooUnlikely
        } else {
            end = Some(ticket.interval.end());
            continue;
        };
        return Err(Refusal::at(code, place));
    }
    Ok(())
}

/// From the first index to the last.
fn span(tickets: &[Winner]) -> Result<Interval, Refusal> {
    let mut tickets = tickets.iter().map(|it| it.interval).enumerate();
    let (_, first) = tickets.next().ok_or(Refusal::new(RefusalCode::Empty))?;
    tickets.try_fold(first, |interval, (place, next)| {
        interval.covering(&next).map_err(|_| Refusal::at(RefusalCode::TooWide, place))
    })
}

/// Which earlier aggregates are among the tickets, and what the channel has beside all others.
fn beside(
    tickets: &[Winner],
    interval: &Interval,
    channel: &Channel,
    history: &History,
) -> Result<(Vec<Key>, Amount), Refusal> {
    let (mut covered, mut others) = (Vec::new(), history.worth(channel));
    for issued in history.overlapping(channel, interval) {
        if !is_among(tickets, issued) {
            let theirs = issued.ticket.body.interval;
            let place = tickets.iter().position(|it| it.interval.overlaps(&theirs));
            let index = place.and_then(|place| u16::try_from(place).ok());
            return Err(Refusal { index, ..Refusal::new(RefusalCode::Overlaps) });
        }
        covered.push(issued.key());
        others = others.saturating_sub(issued.ticket.body.amount.get());
    }
    let free = channel.balance.get().checked_sub(others).map(Amount::new);
    match free {
        Some(Ok(free)) => Ok((covered, free)),
        Some(Err(_)) | None => Err(Refusal::new(RefusalCode::Balance)),
    }
}

/// Whether an aggregate is one of the tickets, which are in order. That its signature and indices are
/// there is enough: with anything else changed it would be signed by nobody.
fn is_among(tickets: &[Winner], issued: &Issued) -> bool {
    let interval = issued.ticket.body.interval;
    let place = tickets.binary_search_by_key(&interval.first(), |it| it.interval.first());
    place.ok().and_then(|place| tickets.get(place)).is_some_and(|ticket| {
        ticket.interval == interval && ticket.signature == issued.ticket.signature
    })
}

/// What the tickets are worth, at most `free`.
fn sum(tickets: &[Winner], free: Amount) -> Result<Amount, Refusal> {
    let mut tickets = tickets.iter().enumerate();
    tickets.try_fold(Amount::ZERO, |sum, (place, ticket)| {
        let sum = sum.checked_add(ticket.amount).filter(|sum| *sum <= free);
        sum.ok_or(Refusal::at(RefusalCode::Balance, place))
    })
}
