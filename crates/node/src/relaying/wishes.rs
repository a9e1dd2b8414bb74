//! What the operator asks: listed, traded, paid, sent.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use relay::engine::Engine;
use tickets::ChannelId;
use tickets::aggregation::{AggregateError, Prerequisites, RedeemError};
use tickets::ledger::SubmitError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::following::Keeper;
use super::holding;
use super::link::{Ending, Link};
use super::sending::send;
use super::settling::Settler;
use crate::payments::{Settled, Trouble, Wish};

/// Most wishes that are being fulfilled at a time.
const FULFILLING_MAX: usize = 256;

/// Most channels that are settled at a time for one wish.
const SETTLING_MAX: usize = 8;

/// Fulfils wishes. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Clerk {
    pub(super) link: Link,
    pub(super) settler: Settler,
    pub(super) engine: Arc<Engine>,
    pub(super) keeper: Keeper,
    pub(super) relay: relay::Relay,
}

impl Clerk {
    /// Fulfils what is asked, several at a time. Ends when nobody can ask any more.
    pub(super) async fn run(&self, mut wishes: mpsc::Receiver<Wish>) {
        let mut fulfilling = JoinSet::new();
        loop {
            tokio::select! {
                wish = wishes.recv(), if fulfilling.len() < FULFILLING_MAX => match wish {
                    Some(wish) => {
                        let clerk = self.clone();
                        fulfilling.spawn(async move { clerk.fulfil(wish).await });
                    }
                    None => return,
                },
                Some(fulfilled) = fulfilling.join_next() => match fulfilled {
                    // Whoever asked finds the reports at an end.
                    Ok(Ok(()) | Err(Ending)) => {}
                    Err(error) => tracing::error!(%error, "a wish of the operator"),
                }
            }
        }
    }

    async fn fulfil(self, wish: Wish) -> Result<(), Ending> {
        match wish {
            Wish::List { channel, each, reports } => {
                let channels = match channel {
                    Some(channel) => vec![channel],
                    None => holding::channels(&self.link).await?,
                };
                for channel in channels {
                    holding::list(&self.link, channel, each, &reports).await?;
                }
            }
            Wish::Aggregate { channel, reports } => {
                let channels = self.or_all_with(channel, 2).await?;
                let settled = stream::iter(channels).map(|channel| self.aggregate(channel));
                tell(settled.buffer_unordered(SETTLING_MAX), &reports).await?;
            }
            Wish::Redeem { channel, reports } => {
                let channels = self.or_all_with(channel, 1).await?;
                let settled = stream::iter(channels).map(|channel| self.redeem(channel));
                tell(settled.buffer_unordered(SETTLING_MAX), &reports).await?;
            }
            Wish::Send { message, reply } => {
                let terms = *self.engine.terms();
                let sent = send(&self.relay, &self.keeper, terms, message).await.ok_or(Ending)?;
                // Whoever asked may have gone.
                let _gone = reply.send(sent);
            }
        }
        Ok(())
    }

    /// The channel, or all of which so many tickets are held.
    async fn or_all_with(
        &self,
        channel: Option<ChannelId>,
        least: usize,
    ) -> Result<Vec<ChannelId>, Ending> {
        if let Some(channel) = channel {
            return Ok(vec![channel]);
        }
        let have = self.link.look(move |core| {
            let channels = core.channels().copied();
            channels.filter(|channel| core.held(channel).take(least).count() == least).collect()
        });
        have.await
    }

    async fn aggregate(&self, channel: ChannelId) -> Result<Settled, Ending> {
        let two = Prerequisites { tickets_min: Some(2), permille_min: None };
        let traded = self.settler.aggregate(channel, two).await?;
        let (tickets, amount) = match &traded {
            Ok(Some(traded)) => (traded.replaced, traded.ticket.body.amount.get()),
            Ok(None) | Err(_) => (0, 0),
        };
        let trouble = traded.err().map(|error| trouble_of_trade(&error));
        let tickets = u64::try_from(tickets).unwrap_or(u64::MAX);
        Ok(Settled { channel, tickets, amount, trouble })
    }

    async fn redeem(&self, channel: ChannelId) -> Result<Settled, Ending> {
        let (paid, outcome) = self.settler.redeem(channel).await?;
        let trouble = outcome.err().map(|error| trouble_of_pay(&error));
        let tickets = u64::try_from(paid.tickets).unwrap_or(u64::MAX);
        Ok(Settled { channel, tickets, amount: paid.amount.get(), trouble })
    }
}

/// Tells what became of each channel, as long as somebody listens; the rest is done all the same.
async fn tell(
    settled: impl stream::Stream<Item = Result<Settled, Ending>>,
    reports: &mpsc::Sender<Settled>,
) -> Result<(), Ending> {
    let mut settled = std::pin::pin!(settled);
    while let Some(settled) = settled.next().await {
        if reports.send(settled?).await.is_err() {
            tracing::debug!("nobody wants to know what becomes of the tickets");
        }
    }
    Ok(())
}

fn trouble_of_trade(error: &AggregateError) -> Trouble {
    let code = match error {
        AggregateError::Channel(_) => "channel",
        AggregateError::NoPeer => "no_peer",
        AggregateError::Busy | AggregateError::TooMany { .. } => "busy",
        AggregateError::Store(_) => "store",
        AggregateError::Job(_) => "overloaded",
        AggregateError::Undelivered(_) => "unreachable",
        AggregateError::TimedOut => "timed_out",
        AggregateError::Refused { refusal, .. } => refusal.code.name(),
        AggregateError::BadReply(_) => "bad_reply",
        AggregateError::Overtaken { .. } => "overtaken",
        _ => "failed",
    };
    let retry_after = match error {
        AggregateError::Refused { refusal, .. } => refusal.retry_after,
        _ => None,
    };
    Trouble { retry_after, ..Trouble::new(code, error) }
}

fn trouble_of_pay(error: &RedeemError) -> Trouble {
    let code = match error {
        RedeemError::Channel(_) => "channel",
        RedeemError::Busy => "busy",
        RedeemError::Store(_) => "store",
        RedeemError::Job { .. } => "overloaded",
        RedeemError::Ledger { error: SubmitError::Rejected { code, .. }, .. } => code.name(),
        RedeemError::Ledger { .. } => "ledger",
        _ => "failed",
    };
    Trouble::new(code, error)
}
