//! Nodes that pay each other for relaying: channels along a ring, messages over it, and in the end
//! everybody has to the unit what the tickets were worth.

mod books;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, TryFutureExt, ready, try_join_all};
use futures::stream::{self, StreamExt, TryStreamExt};
use libp2p::PeerId;
use rand::RngExt;
use tickets::{Address, Amount};
use tokio::time::{Instant, sleep};

use self::books::{Earned, all_held, conserved, held_by, holdings, same_ledger};
use super::checks::Shortcoming;
use super::phases::PhaseError;
use super::{Member, Testnet};
use crate::config::{Config, LedgerPlace, LedgerServe, LedgerUrl};
use crate::handle::Ending;
use crate::payments::{HeldOf, Outcome, Outgoing, Sent, Tokens, Whom};

/// Most nodes that pay: one keeps the ledger of all of them, and serves no more than 64 others.
pub(super) const PAYERS_MAX: u8 = 60;

/// Fewest nodes of which one can send to another over a third.
const PAYERS_MIN: usize = 3;

/// Most relays of a message.
const RELAYS_MAX: usize = 3;

/// Messages that each node sends over each number of relays.
const MESSAGES: usize = 4;

/// Messages that are under way at a time, over all nodes.
const AT_ONCE: usize = 32;

/// What a node puts into a channel, in thousandths of a token: some thousand times what a message
/// costs.
const DEPOSIT: u32 = 30_000;

/// Longest time for each of the steps.
const PATIENCE: Duration = Duration::from_mins(1);

/// When it is tried again what was refused.
const RETRY: Duration = Duration::from_millis(100);

/// The socket of the ledger in the data directory of the node that keeps it.
const SOCKET: &str = "ledger.sock";

/// What is missing in the payments of a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsettled {
    /// An account that others do not find.
    #[error("{name} has no account on the ledger, or sees not all of the others")]
    Unknown {
        /// Whose.
        name: String,
    },
    /// The ledger does not do what it must.
    #[error("{name} cannot pay: {reason}")]
    Refused {
        /// Who asked for it.
        name: String,
        /// What the ledger said.
        reason: String,
    },
    /// A message that was paid for and did not arrive, or that there was no way for.
    #[error("a message of {name}, with {relays} to relay it: {outcome}")]
    Undelivered {
        /// Who sent it.
        name: String,
        /// Over how many relays.
        relays: u8,
        /// What became of it.
        outcome: String,
    },
    /// A channel by which a node holds other tickets than it earned.
    #[error("{name} holds {have} base units in tickets of a channel, and earned {earned}")]
    Held {
        /// Who.
        name: String,
        /// What its tickets are worth.
        have: u128,
        /// What they should be.
        earned: u128,
    },
    /// Tickets that are not traded for one, or not paid.
    #[error("{name} still holds {tickets} tickets of a channel: {reason}")]
    Left {
        /// Who.
        name: String,
        /// How many.
        tickets: u64,
        /// What went wrong last.
        reason: String,
    },
    /// A node that sees another ledger.
    #[error("{name} sees another ledger than the others")]
    Differs {
        /// Which.
        name: String,
    },
    /// Money came or went.
    #[error("all accounts and channels together had {before} base units, and have {after}")]
    Sum {
        /// Before the first message.
        before: u128,
        /// After the last ticket was paid.
        after: u128,
    },
    /// A node that has more or less than its tickets were worth.
    #[error("{name} has {have} base units, and should have {should}")]
    Balance {
        /// Which.
        name: String,
        /// What it has.
        have: u128,
        /// What it had, and what it earned, and not what others earned of it.
        should: u128,
    },
}

impl Testnet {
    /// How node `number` pays, if it does.
    pub(super) fn payments_of(&self, number: u8, config: &mut Config) {
        config.relay.enabled = (1..=PAYERS_MAX).contains(&number);
        config.relay.delay_max = Duration::from_millis(20);
        let directory = super::member::place_of(&self.plan.directory, 1);
        match number {
            1 => config.ledger.serve = LedgerServe(Some(LedgerPlace::Unix(SOCKET.to_owned()))),
            2..=PAYERS_MAX => {
                let socket = directory.join(SOCKET).display().to_string();
                config.ledger.url = LedgerUrl(Some(LedgerPlace::Unix(socket)));
            }
            _ => {}
        }
    }

    /// Opens channels, sends messages over relays, has the tickets traded and paid, and counts.
    pub(super) async fn pay(&mut self) -> Result<String, PhaseError> {
        let payers = self.nodes().len().min(PAYERS_MAX.into());
        if payers < PAYERS_MIN {
            return Ok(format!("left out: it takes {PAYERS_MIN} nodes to send over one of them"));
        }
        let draws: Vec<usize> = (0..payers).map(|_| self.rng.random_range(2..payers)).collect();
        let nodes = self.nodes().get(..payers).unwrap_or_default();
        let accounts = nodes.iter().map(|node| (node.peer, node.payments.account())).collect();
        self.wait_until(nodes, || ready(all_know(nodes, &accounts)).boxed()).await?;
        let channels = open_channels(nodes, &draws).await?;
        self.wait_until(nodes, || ready(same_ledger(nodes)).boxed()).await?;
        let before = holdings(nodes);
        let price = Config::default().relay.price.0.get();
        let earned = self.send_all(nodes, &accounts, price).await?;
        self.wait_until(nodes, || all_held(nodes, &earned).boxed()).await?;
        let traded = self.trade(nodes).await?;
        self.redeem(nodes).await?;
        self.wait_until(nodes, || ready(same_ledger(nodes)).boxed()).await?;
        conserved(nodes, &before, &earned)?;
        let (tickets, worth) = earned.by_channel.values().fold((0_u64, 0_u128), |all, one| {
            (all.0.saturating_add(one.0), all.1.saturating_add(one.1))
        });
        let worth = Amount::new(worth).map(Tokens).unwrap_or_default();
        Ok(format!(
            "{} messages over up to {} relays by {channels} channels; {tickets} tickets worth \
             {worth}, {} of them traded for {}, all paid; {payers} nodes see one ledger, and it adds up",
            earned.messages,
            relays_max(payers),
            traded.0,
            traded.1,
        ))
    }

    /// Sends messages from every node over each number of relays. All have to arrive.
    async fn send_all(
        &self,
        nodes: &[Member],
        accounts: &BTreeMap<PeerId, Address>,
        price: u128,
    ) -> Result<Earned, PhaseError> {
        let mut messages = Vec::new();
        for (place, from) in nodes.iter().enumerate() {
            for relays in 1..=relays_max(nodes.len()) {
                for round in 0..MESSAGES {
                    // Behind so many on the ring, so that there is a way in any case.
                    let rest = nodes.len().saturating_sub(relays.saturating_add(1)).max(1);
                    let ahead = relays.saturating_add(1).saturating_add(round % rest);
                    let to = nodes.get(place.saturating_add(ahead) % nodes.len());
                    messages.extend(to.map(|to| (from, to.peer, relays)));
                }
            }
        }
        let sending: Vec<BoxFuture<'_, _>> = messages
            .into_iter()
            .map(|(from, to, relays)| {
                let sending = self.send(from, to, u8::try_from(relays).unwrap_or(u8::MAX));
                sending.map_ok(|sent| (from.payments.account(), sent)).boxed()
            })
            .collect();
        let mut sending = stream::iter(sending).buffer_unordered(AT_ONCE);
        let mut earned = Earned::default();
        while let Some((from, sent)) = sending.try_next().await? {
            earned.add(from, &sent, accounts, price);
        }
        Ok(earned)
    }

    /// Sends one message. That there is no way yet costs nothing, and is tried again; whatever else
    /// happens to it is a failure.
    async fn send(&self, from: &Member, to: PeerId, relays: u8) -> Result<Sent, PhaseError> {
        let begun = Instant::now();
        loop {
            let data = Bytes::from_static(b"a message of the test network");
            let sent = from.payments.send(Outgoing { to, data, relays }).await;
            let sent = sent.map_err(|_| Ending)?;
            match &sent.outcome {
                Outcome::Delivered => return Ok(sent),
                Outcome::Unsent(_) if begun.elapsed() < PATIENCE => {}
                other => {
                    let (name, outcome) = (from.name.clone(), format!("{other:?}"));
                    return Err(Unsettled::Undelivered { name, relays, outcome }.into());
                }
            }
            self.pause().await?;
        }
    }

    /// Has tickets traded until of each channel only one is left; how many for how many.
    async fn trade(&self, nodes: &[Member]) -> Result<(u64, u64), PhaseError> {
        let traded = try_join_all(nodes.iter().map(|node| async move {
            let (begun, mut traded) = (Instant::now(), (0_u64, 0_u64));
            loop {
                let mut settled = node.payments.aggregate(None).await.map_err(|_| Ending)?;
                let mut reason = String::new();
                while let Some(one) = settled.recv().await {
                    if one.tickets > 0 {
                        traded.0 = traded.0.saturating_add(one.tickets);
                        traded.1 = traded.1.saturating_add(1);
                    }
                    reason = one.trouble.map_or(reason, |trouble| trouble.reason);
                }
                let held = held_by(&node.payments).await?;
                let Some(most) = held.iter().map(HeldOf::held).max().filter(|most| *most > 1)
                else {
                    return Ok::<_, PhaseError>(traded);
                };
                self.go_on(node, begun, most, reason).await?;
            }
        }));
        let sum = |all: (u64, u64), one: &(u64, u64)| {
            (all.0.saturating_add(one.0), all.1.saturating_add(one.1))
        };
        Ok(traded.await?.iter().fold((0, 0), sum))
    }

    /// Has all tickets paid.
    async fn redeem(&self, nodes: &[Member]) -> Result<(), PhaseError> {
        let paid = try_join_all(nodes.iter().map(|node| async move {
            let begun = Instant::now();
            loop {
                let mut settled = node.payments.redeem(None).await.map_err(|_| Ending)?;
                let mut reason = String::new();
                while let Some(one) = settled.recv().await {
                    reason = one.trouble.map_or(reason, |trouble| trouble.reason);
                }
                let left: u64 = held_by(&node.payments).await?.iter().map(HeldOf::held).sum();
                if left == 0 {
                    return Ok::<_, PhaseError>(());
                }
                self.go_on(node, begun, left, reason).await?;
            }
        }));
        paid.await.map(drop)
    }

    /// Waits before what left `tickets` with `node` is tried again, if there is time for it.
    async fn go_on(
        &self,
        node: &Member,
        begun: Instant,
        tickets: u64,
        reason: String,
    ) -> Result<(), PhaseError> {
        if begun.elapsed() >= PATIENCE {
            return Err(Unsettled::Left { name: node.name.clone(), tickets, reason }.into());
        }
        self.pause().await
    }

    /// Lets a moment pass: of what was refused nobody tells when it would not be any more.
    async fn pause(&self) -> Result<(), PhaseError> {
        match self.enough.run_until_cancelled(sleep(RETRY)).await {
            Some(()) => Ok(()),
            None => Err(PhaseError::Interrupted),
        }
    }

    /// Waits for something that the ledger of the nodes, or what they hold, shows.
    async fn wait_until<'a>(
        &self,
        nodes: &[Member],
        wish: impl Fn() -> BoxFuture<'a, Result<(), Unsettled>> + Send,
    ) -> Result<(), PhaseError> {
        let mut news = stream::select_all(nodes.iter().map(|node| node.payments.news().boxed()));
        let too_long = sleep(PATIENCE);
        tokio::pin!(too_long);
        loop {
            let Err(unsettled) = wish().await else { return Ok(()) };
            tokio::select! {
                Some(()) = news.next() => {}
                () = self.enough.cancelled() => return Err(PhaseError::Interrupted),
                () = &mut too_long => {
                    let shortcoming = Shortcoming::Payments(unsettled);
                    return Err(PhaseError::TooLong { waited: PATIENCE, shortcoming });
                }
            }
        }
    }
}

impl From<Unsettled> for PhaseError {
    fn from(unsettled: Unsettled) -> Self {
        Shortcoming::Payments(unsettled).into()
    }
}

/// Most relays between two of so many nodes.
fn relays_max(nodes: usize) -> usize {
    nodes.saturating_sub(2).min(RELAYS_MAX)
}

/// Every node has its grant, and finds all others.
fn all_know(nodes: &[Member], accounts: &BTreeMap<PeerId, Address>) -> Result<(), Unsettled> {
    let knows_all = |node: &&Member| {
        node.payments.replica().read(|state| {
            let is_known = |(peer, account): (&PeerId, &Address)| {
                let claimed = state.account(account).is_some_and(|account| account.claimed);
                claimed && state.account_of(peer) == Some(*account)
            };
            accounts.iter().all(is_known)
        })
    };
    match nodes.iter().find(|node| !knows_all(node)) {
        Some(node) => Err(Unsettled::Unknown { name: node.name.clone() }),
        None => Ok(()),
    }
}

/// From each node to the next, and to another one that was drawn; how many there are.
async fn open_channels(nodes: &[Member], draws: &[usize]) -> Result<usize, PhaseError> {
    let amount = Tokens::milli(DEPOSIT).0;
    let opened = nodes.iter().zip(draws).enumerate().map(|(place, (node, draw))| async move {
        let mut count = 0_usize;
        for ahead in [1, *draw] {
            let Some(to) = nodes.get(place.saturating_add(ahead) % nodes.len()) else { continue };
            let opened = node.payments.open_channel(&Whom::Peer(to.peer), amount).await;
            opened.map_err(|error| Unsettled::Refused {
                name: node.name.clone(),
                reason: error.to_string(),
            })?;
            count = count.saturating_add(1);
        }
        Ok::<_, PhaseError>(count)
    });
    Ok(try_join_all(opened).await?.into_iter().sum())
}
