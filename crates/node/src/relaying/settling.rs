//! Tickets are traded when there are many, and paid before their channel is closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use machine::Instant;
use tickets::aggregation::{AggregateError, ChannelError, Mark, Prerequisites, RedeemError};
use tickets::ledger::Replica;
use tickets::{ChannelId, ChannelStatus, TicketIndex};
use tokio::sync::Mutex as Turn;
use tokio::time::{MissedTickBehavior, interval};
use transport::clock::Clock;

use super::link::{Ending, Link, Paid, Trade, Traded};
use super::reaching::Reacher;
use crate::config::Tickets;

/// How often it is looked whether a channel is due. In that time some thousand tickets come at most,
/// and one trade takes 500 of them.
const LOOK: Duration = Duration::from_secs(1);

/// When a channel is looked at again whose last tickets may still be waited for: the accounts wait
/// five seconds for an index that was skipped.
const AGAIN: Duration = Duration::from_secs(7);

/// How soon it is tried again after a refusal, and how late.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_mins(10);

/// Most channels that are settled at a time.
const SETTLING_MAX: usize = 8;

/// Trades tickets, and has them paid. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Settler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    link: Link,
    reacher: Reacher,
    replica: Replica,
    relay: relay::Relay,
    tickets: Tickets,
    clock: Clock,
    /// Channels that something is done about soon. Bounded by the channels that pay this node.
    due: Mutex<BTreeMap<ChannelId, Due>>,
    /// Of one channel only one thing is done at a time.
    turns: Mutex<BTreeMap<ChannelId, Arc<Turn<()>>>>,
}

/// When something is done about a channel.
#[derive(Clone, Copy, Debug)]
struct Due {
    from: Instant,
    /// After how long it is tried again, if it fails.
    retry: Duration,
    /// Whether it is looked at once more when there was nothing to do.
    again: bool,
    /// Up to where tickets were being redeemed when the node was cut short.
    resume: Option<TicketIndex>,
}

/// Whether something is left to be done about a channel.
enum Settled {
    Yes,
    /// At once: there was more than fits one trade.
    More,
    /// Not yet worth the trouble.
    NotYet,
    /// Later; after this time, if the issuer named one.
    Failed(Option<Duration>),
}

impl Settler {
    pub(super) fn new(
        link: Link,
        reacher: Reacher,
        replica: Replica,
        relay: relay::Relay,
        tickets: Tickets,
    ) -> Self {
        let (due, turns, clock) = (Mutex::default(), Mutex::default(), Clock::start());
        let shared = Shared { link, reacher, replica, relay, tickets, clock, due, turns };
        Self { shared: Arc::new(shared) }
    }

    /// There is something new about a channel that pays this node: a ticket, or its end.
    pub(super) fn note(&self, channel: ChannelId) {
        let from = self.shared.clock.now();
        let new = Due { from, retry: RETRY_MIN, again: true, resume: None };
        self.due().entry(channel).or_insert(new).again = true;
    }

    /// Trades tickets of a channel for one, if that is worth the trouble.
    ///
    /// # Cancel safety
    /// What was begun goes on.
    pub(super) async fn aggregate(
        &self,
        channel: ChannelId,
        prerequisites: Prerequisites,
    ) -> Result<Traded, Ending> {
        let shared = &self.shared;
        let turn = self.turn(channel);
        let _turn = turn.lock().await;
        let issuer = shared.replica.read(|state| state.peer_of(&state.channel(&channel)?.source));
        if let Some(issuer) = issuer {
            // If it cannot be reached, the question comes back and says so.
            shared.reacher.reach(issuer).await;
        }
        let below = shared.relay.settle(&channel);
        shared.link.aggregate(Trade { channel, below, prerequisites }).await
    }

    /// Has the tickets of a channel paid.
    ///
    /// # Cancel safety
    /// What was begun goes on.
    pub(super) async fn redeem(&self, channel: ChannelId) -> Result<Paid, Ending> {
        // What is paid puts an end to tickets with lower indices, which may still come. When the channel
        // ends there is no time to wait for them.
        let is_open = self.status(&channel) == Some(ChannelStatus::Open);
        let below = is_open.then(|| self.shared.relay.settle(&channel));
        self.redeem_below(channel, below).await
    }

    async fn redeem_below(
        &self,
        channel: ChannelId,
        below: Option<TicketIndex>,
    ) -> Result<Paid, Ending> {
        let turn = self.turn(channel);
        let _turn = turn.lock().await;
        self.shared.link.redeem(channel, below).await
    }

    /// Settles what is due, again and again. Ends with the swarm.
    pub(super) async fn run(&self) {
        if self.resume().await.is_err() {
            return;
        }
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut settling = FuturesUnordered::new();
        loop {
            tokio::select! {
                _ = look.tick() => {
                    let room = SETTLING_MAX.saturating_sub(settling.len());
                    for (channel, due) in self.take_due(room) {
                        settling.push(async move { (channel, due, self.settle(channel, due).await) });
                    }
                }
                Some((channel, due, settled)) = settling.next() => match settled {
                    Ok(settled) => self.put_back(channel, due, &settled),
                    Err(Ending) => return,
                }
            }
        }
    }

    /// What was cut short is taken up again: whether the ledger has paid is seen when it is asked once
    /// more.
    async fn resume(&self) -> Result<(), Ending> {
        let held = self.shared.link.look(|core| {
            let channels = core.channels().copied();
            let resume = |channel| {
                let marked = core.held(&channel).filter(|held| held.mark == Mark::BeingRedeemed);
                (channel, marked.map(|held| held.ticket.body.interval.end()).max())
            };
            channels.map(resume).collect::<Vec<_>>()
        });
        for (channel, resume) in held.await? {
            self.note(channel);
            if let Some(due) = self.due().get_mut(&channel) {
                due.resume = resume;
            }
        }
        Ok(())
    }

    fn take_due(&self, most: usize) -> Vec<(ChannelId, Due)> {
        let now = self.shared.clock.now();
        let mut due = self.due();
        due.extract_if(.., |_, due| due.from <= now).take(most).collect()
    }

    fn put_back(&self, channel: ChannelId, was: Due, settled: &Settled) {
        let now = self.shared.clock.now();
        let done = Due { resume: None, ..was };
        let next = match settled {
            Settled::Yes => return,
            Settled::More => Due { from: now, ..done },
            Settled::NotYet if was.again => Due { from: now.after(AGAIN), again: false, ..done },
            Settled::NotYet => return,
            Settled::Failed(wait) => {
                let wait = wait.unwrap_or(was.retry).clamp(LOOK, RETRY_MAX);
                let retry = was.retry.saturating_mul(2).min(RETRY_MAX);
                Due { from: now.after(wait), retry, ..was }
            }
        };
        let mut due = self.due();
        // A ticket that came meanwhile makes nothing due earlier.
        let again = next.again || due.contains_key(&channel);
        due.insert(channel, Due { again, ..next });
    }

    /// Does what is due about a channel.
    async fn settle(&self, channel: ChannelId, due: Due) -> Result<Settled, Ending> {
        if due.resume.is_some() {
            let (paid, outcome) = self.redeem_below(channel, due.resume).await?;
            tracing::info!(%channel, ?paid, ?outcome, "goes on redeeming");
            match outcome {
                Ok(()) | Err(RedeemError::Channel(ChannelError::Closed)) => {}
                Err(_) => return Ok(Settled::Failed(None)),
            }
        }
        match self.status(&channel) {
            Some(ChannelStatus::Open) if self.shared.tickets.auto => {
                let Tickets { threshold, ratio, .. } = self.shared.tickets;
                let prerequisites = Prerequisites {
                    tickets_min: Some(threshold.try_into().unwrap_or(usize::MAX)),
                    permille_min: Some(permille(ratio)),
                };
                self.trade(channel, prerequisites).await
            }
            Some(ChannelStatus::PendingToClose { .. }) => self.close_out(channel).await,
            // Nothing is to be had from a channel that is closed.
            Some(ChannelStatus::Open | ChannelStatus::Closed) | None => Ok(Settled::Yes),
        }
    }

    async fn trade(
        &self,
        channel: ChannelId,
        prerequisites: Prerequisites,
    ) -> Result<Settled, Ending> {
        Ok(match self.aggregate(channel, prerequisites).await? {
            Ok(Some(traded)) => {
                let (replaced, amount) = (traded.replaced, traded.ticket.body.amount);
                tracing::info!(%channel, replaced, %amount, "tickets were traded for one");
                Settled::More
            }
            Ok(None) => Settled::NotYet,
            Err(error) => {
                tracing::info!(%channel, %error, "tickets are not traded now");
                Settled::Failed(retry_after(&error))
            }
        })
    }

    /// The channel ends: trades what can be, and has everything paid while there is time.
    async fn close_out(&self, channel: ChannelId) -> Result<Settled, Ending> {
        if self.shared.tickets.auto {
            let two = Prerequisites { tickets_min: Some(2), permille_min: None };
            // Without it each ticket is paid by itself, which costs more, and is as good.
            self.trade(channel, two).await?;
        }
        let (paid, outcome) = self.redeem(channel).await?;
        if paid.tickets > 0 {
            let (tickets, amount) = (paid.tickets, paid.amount);
            tracing::info!(%channel, tickets, %amount, "was paid before the channel closes");
        }
        Ok(match outcome {
            Ok(()) => Settled::NotYet,
            Err(RedeemError::Channel(_)) => Settled::Yes,
            Err(error) => {
                tracing::warn!(%channel, %error, "a channel closes that was not paid in full");
                Settled::Failed(None)
            }
        })
    }

    fn status(&self, channel: &ChannelId) -> Option<ChannelStatus> {
        self.shared.replica.read(|state| state.channel(channel).map(|it| it.status))
    }

    fn turn(&self, channel: ChannelId) -> Arc<Turn<()>> {
        let mut turns = self.shared.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(channel).or_default())
    }

    fn due(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Due>> {
        // Nothing under the lock panics.
        self.shared.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share as thousandths, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the configuration has it between 0 and 1"
)]
fn permille(ratio: f64) -> u16 {
    ((ratio * 1000.0).ceil() as u16).clamp(1, 1000)
}

/// When the issuer wants to be asked again, if it said so.
fn retry_after(error: &AggregateError) -> Option<Duration> {
    match error {
        AggregateError::Refused { refusal, .. } => refusal.retry_after,
        _ => None,
    }
}
