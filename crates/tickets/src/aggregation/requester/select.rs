//! Which tickets are worth an aggregate.

use std::cmp::Ordering;

use crate::aggregation::core::errands::View;
use crate::aggregation::{Held, Mark, Prerequisites, TICKETS_MAX};
use crate::{Amount, TicketIndex, WinProbability};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) below: Option<TicketIndex>,
    pub(super) prerequisites: Prerequisites,
    pub(super) probability_min: WinProbability,
}

/// The tickets of a batch out of all that are held of a channel and its epoch, ascending; none if it
/// is not worth the trouble.
///
/// Those before one that is being redeemed stay out, for the ledger will pass them; those that are
/// in doubt, too unlikely, or within another; and all from where they are worth more than the
/// channel has.
pub(super) fn select<'a>(
    held: impl Iterator<Item = &'a Held> + Clone,
    view: &View,
    terms: &Terms,
) -> Vec<&'a Held> {
    let on_their_way = held.clone().filter(|held| held.mark == Mark::BeingRedeemed);
    let passed = on_their_way.map(|held| held.ticket.body.interval.end()).max();
    let mut from = passed.unwrap_or_default().max(view.floor());
    let below = terms.below.unwrap_or(TicketIndex::MAX);
    let mut chosen: Vec<&Held> = Vec::new();
    let mut sum = Amount::ZERO;
    for ticket in held {
        let body = &ticket.ticket.body;
        let likely = body.probability.approx_cmp(terms.probability_min) != Ordering::Less;
        let free = ticket.mark == Mark::Untouched && likely;
        if !free || body.interval.first() < from || body.interval.end() > below {
            continue;
        }
        let total = sum.checked_add(body.amount).filter(|total| *total <= view.channel.balance);
        let wide = chosen
            .first()
            .is_some_and(|first| first.ticket.body.interval.covering(&body.interval).is_err());
        let Some(total) = total.filter(|_| !wide && chosen.len() < TICKETS_MAX) else { break };
        (sum, from) = (total, body.interval.end());
        chosen.push(ticket);
    }
    if is_worth_it(&chosen, view.channel.balance, &terms.prerequisites) {
        chosen
    } else {
        Vec::new()
    }
}

fn is_worth_it(chosen: &[&Held], balance: Amount, prerequisites: &Prerequisites) -> bool {
    let Prerequisites { tickets_min, permille_min } = *prerequisites;
    if tickets_min.is_none() && permille_min.is_none() {
        return true;
    }
    let plain = chosen.iter().map(|held| &held.ticket.body).filter(|body| !body.is_aggregate());
    // At most the balance, and an amount is of 84 bits.
    let plain = plain.fold(0_u128, |sum, body| sum.saturating_add(body.amount.get()));
    let valuable =
        |permille: u16| plain.saturating_mul(1000) >= balance.get().saturating_mul(permille.into());
    tickets_min.is_some_and(|min| chosen.len() >= min)
        || (chosen.len() > 1 && permille_min.is_some_and(valuable))
}
