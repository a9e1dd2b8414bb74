//! Tickets that won, on their way to the disk.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use relay::accounts::Incoming;
use tickets::AcknowledgedTicket;
use tickets::aggregation::EarnError;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::link::{Ending, Link};
use super::settling::Settler;

/// Most tickets that are being kept at a time. While so many are, the relay checks no more
/// acknowledgements.
const KEEPING_MAX: usize = 256;

/// How soon a ticket is offered again that could not be kept.
const RETRY_MIN: Duration = Duration::from_millis(50);

/// How late.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Keeps what is earned.
#[derive(Clone, Debug)]
pub(super) struct Purse {
    pub(super) link: Link,
    pub(super) incoming: Arc<Incoming>,
    pub(super) settler: Settler,
}

impl Purse {
    /// Keeps tickets until there are no more, or the swarm has ended.
    pub(super) async fn fill(&self, mut earned: mpsc::Receiver<AcknowledgedTicket>) {
        let (mut keeping, mut is_open) = (FuturesUnordered::new(), true);
        while is_open || !keeping.is_empty() {
            tokio::select! {
                ticket = earned.recv(), if is_open && keeping.len() < KEEPING_MAX => match ticket {
                    Some(ticket) => keeping.push(self.keep(ticket)),
                    None => is_open = false,
                },
                Some(kept) = keeping.next() => if let Err(ending) = kept {
                    tracing::error!(%ending, "a ticket that was earned is not kept");
                }
            }
        }
    }

    /// Offers a ticket to the wallet until it is taken, or never will be.
    async fn keep(&self, ticket: AcknowledgedTicket) -> Result<(), Ending> {
        let body = *ticket.ticket().body();
        let (channel, epoch, index) = (body.channel, body.epoch, body.interval.first());
        let mut wait = RETRY_MIN;
        loop {
            let error = match self.link.earn(ticket.clone()).await? {
                Ok(()) => {
                    self.incoming.kept(&channel, epoch, index);
                    self.settler.note(channel);
                    return Ok(());
                }
                Err(error) => error,
            };
            match error {
                EarnError::Store(_) | EarnError::Full { .. } => {
                    tracing::warn!(%channel, %index, %error, "a ticket waits to be kept");
                    sleep(wait).await;
                    wait = wait.saturating_mul(2).min(RETRY_MAX);
                }
                EarnError::NotOurs
                | EarnError::TooLate { .. }
                | EarnError::Taken { .. }
                | EarnError::Aggregate { .. } => {
                    tracing::warn!(%channel, %index, %error, "a ticket is worth nothing");
                    self.link.counts.add("tickets_worthless", 1);
                    self.incoming.kept(&channel, epoch, index);
                    self.incoming.released(&channel, epoch, body.amount);
                    return Ok(());
                }
            }
        }
    }
}
