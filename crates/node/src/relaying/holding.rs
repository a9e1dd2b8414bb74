//! What is held of tickets, as the operator sees it.

use std::collections::BTreeSet;

use tickets::aggregation::{Core, Mark};
use tickets::{ChannelId, Epoch, IndexOffset, TicketIndex};
use tokio::sync::mpsc;

use super::link::{Ending, Link};
use crate::payments::{Held, HeldOf, HeldTicket, TICKETS_TOLD_MAX, TicketState};

/// Most tickets that the swarm is asked for at a time: it does nothing else meanwhile, for some
/// hundred microseconds.
const PAGE: usize = 4_096;

/// Where a page begins.
type Place = (Epoch, TicketIndex);

/// Which channels there is something to say of.
pub(super) async fn channels(link: &Link) -> Result<Vec<ChannelId>, Ending> {
    link.look(|core| core.channels().copied().collect()).await
}

/// Tells what is held of a channel, and, if asked for, each ticket, as long as somebody listens.
pub(super) async fn list(
    link: &Link,
    channel: ChannelId,
    each: bool,
    reports: &mpsc::Sender<Held>,
) -> Result<(), Ending> {
    let mut sum = link.look(move |core| beginning(core, channel)).await?;
    let (mut all, mut from) = (Vec::new(), Some((Epoch::default(), TicketIndex::ZERO)));
    while let Some(place) = from {
        let (page, next) = link.look(move |core| page(core, channel, place)).await?;
        for ticket in &page {
            add(&mut sum, ticket);
        }
        if each {
            all.extend(page);
        }
        from = next;
    }
    sum.won = sum.value.saturating_add(sum.redeemed).saturating_add(sum.neglected);
    let tickets = all.chunks(TICKETS_TOLD_MAX).map(|part| Held::Tickets(part.to_vec()));
    for part in std::iter::once(Held::Channel(sum)).chain(tickets) {
        if reports.send(part).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What is known of a channel without its tickets.
fn beginning(core: &Core, channel: ChannelId) -> HeldOf {
    let stats = core.stats(channel);
    HeldOf {
        channel,
        value: 0,
        untouched: 0,
        being_aggregated: 0,
        being_redeemed: 0,
        doubtful: 0,
        won: 0,
        redeemed: stats.redeemed,
        neglected: stats.neglected,
    }
}

/// Some tickets from a place on, and where the next ones are.
fn page(core: &Core, channel: ChannelId, from: Place) -> (Vec<HeldTicket>, Option<Place>) {
    let batch = core.batch(&channel);
    let offered: BTreeSet<Place> =
        batch.iter().flat_map(|it| it.indices.iter().map(|index| (it.epoch, *index))).collect();
    let mut page = Vec::new();
    let (epoch, index) = from;
    for held in core.held_from(&channel, epoch, index).take(PAGE) {
        let body = &held.ticket.body;
        let state = match held.mark {
            Mark::BeingRedeemed => TicketState::BeingRedeemed,
            Mark::Doubtful => TicketState::Doubtful,
            Mark::Untouched if offered.contains(&(body.epoch, body.interval.first())) => {
                TicketState::BeingAggregated
            }
            Mark::Untouched => TicketState::Untouched,
        };
        page.push(HeldTicket {
            epoch: body.epoch,
            interval: body.interval,
            amount: body.amount,
            probability: body.probability,
            state,
        });
    }
    let next = match page.last().filter(|_| page.len() >= PAGE) {
        Some(last) => {
            last.interval.first().after(IndexOffset::ONE).ok().map(|index| (last.epoch, index))
        }
        None => core
            .held(&channel)
            .map(|held| held.ticket.body.epoch)
            .find(|of_held| *of_held > epoch)
            .map(|epoch| (epoch, TicketIndex::ZERO)),
    };
    (page, next)
}

fn add(sum: &mut HeldOf, ticket: &HeldTicket) {
    let count = match ticket.state {
        TicketState::Untouched => &mut sum.untouched,
        TicketState::BeingAggregated => &mut sum.being_aggregated,
        TicketState::BeingRedeemed => &mut sum.being_redeemed,
        TicketState::Doubtful => &mut sum.doubtful,
    };
    *count = count.saturating_add(1);
    sum.value = sum.value.saturating_add(ticket.amount.get());
}
