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
/// Those before one that is being redeemed stay out, for the ledger will pass them, and those within
/// another. One that is in doubt or too unlikely ends the batch, or begins another one after it: what
/// stands for its index would be the end of it. The channel has to hold what a batch is worth beside
/// what comes before it, which is paid first.
pub(super) fn select<'a>(
    held: impl Iterator<Item = &'a Held> + Clone,
    view: &View,
    terms: &Terms,
) -> Vec<&'a Held> {
    let on_their_way = held.clone().filter(|held| held.mark == Mark::BeingRedeemed);
    let passed = on_their_way.map(|held| held.ticket.body.interval.end()).max();
    let (passed, mut end) = (passed.unwrap_or_default(), view.floor());
    let below = terms.below.unwrap_or(TicketIndex::MAX);
    let mut chosen: Vec<&Held> = Vec::new();
    let mut sum = Amount::ZERO;
    for ticket in held.take_while(|held| held.ticket.body.interval.end() <= below) {
        let body = &ticket.ticket.body;
        if body.interval.first() < end {
            continue;
        }
        end = body.interval.end();
        let total = sum.checked_add(body.amount).filter(|total| *total <= view.channel.balance);
        let likely = body.probability.approx_cmp(terms.probability_min) != Ordering::Less;
        if ticket.mark != Mark::Untouched || !likely || body.interval.first() < passed {
            if is_worth_it(&chosen, view.channel.balance, &terms.prerequisites) {
                return chosen;
            }
            chosen.clear();
            let Some(total) = total else { return chosen };
            sum = total;
            continue;
        }
        let wide = chosen
            .first()
            .is_some_and(|first| first.ticket.body.interval.covering(&body.interval).is_err());
        let Some(total) = total.filter(|_| !wide && chosen.len() < TICKETS_MAX) else { break };
        sum = total;
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
    if chosen.len() < 2 {
        return false;
    }
    if tickets_min.is_none() && permille_min.is_none() {
        return true;
    }
    let plain = chosen.iter().map(|held| &held.ticket.body).filter(|body| !body.is_aggregate());
    // At most the balance, and an amount is of 84 bits.
    let plain = plain.fold(0_u128, |sum, body| sum.saturating_add(body.amount.get()));
    let valuable =
        |permille: u16| plain.saturating_mul(1000) >= balance.get().saturating_mul(permille.into());
    tickets_min.is_some_and(|min| chosen.len() >= min) || permille_min.is_some_and(valuable)
}
