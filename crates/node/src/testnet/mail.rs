//! A node that is away while others write to it: what they wrote is there, once, when it is back.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::try_join_all;
use libp2p::PeerId;
use rand::RngExt;
use rand::seq::IteratorRandom;
use tokio::time::timeout;

use super::checks::Shortcoming;
use super::phases::PhaseError;
use super::{Member, Testnet};
use crate::messaging::{LetterId, Outcome, SendOptions, Sending};

/// Fewest nodes of which one keeps what another has for a third.
const NODES_MIN: usize = 3;

/// Most nodes that write to the one that is away.
const SENDERS_MAX: usize = 8;

/// Longest time until each message is kept by somebody, and then until each receipt is there.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is wrong with the mail of a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Undelivered {
    /// A message that was not sent at all.
    #[error("{name} cannot write to {to}: {reason}")]
    Unsent {
        /// Who wanted to.
        name: String,
        /// To whom.
        to: String,
        /// Why it could not.
        reason: String,
    },
    /// A message that ended too early, or as it should not.
    #[error("a message of {name} is {outcome}")]
    Ended {
        /// Whose.
        name: String,
        /// What became of it.
        outcome: &'static str,
    },
    /// Messages that nobody keeps, or that have no receipt.
    #[error("messages of {names} are not {wanted}")]
    Missing {
        /// Whose.
        names: String,
        /// What they should be.
        wanted: &'static str,
    },
    /// An inbox with something else in it than what was sent.
    #[error("{name} has {have} messages, {different} of them of the {sent} that were sent")]
    Inbox {
        /// Whose.
        name: String,
        /// How many it has.
        have: usize,
        /// How many different ones of those sent.
        different: usize,
        /// How many were sent.
        sent: usize,
    },
    /// An inbox that cannot be read.
    #[error("the inbox of {name} cannot be read: {reason}")]
    Unread {
        /// Whose.
        name: String,
        /// Why.
        reason: String,
    },
}

/// A message under way.
struct Letter {
    /// Who sent it.
    name: String,
    sending: Sending,
    /// Nodes of which it was heard that they keep it.
    copies: usize,
    /// Whether what is waited for has happened.
    done: bool,
}

impl Testnet {
    /// Kills a node, has others write to it, and starts it again.
    pub(super) async fn mail(&mut self) -> Result<String, PhaseError> {
        let count = self.nodes().len();
        if count < NODES_MIN {
            return Ok(format!(
                "left out: it takes {NODES_MIN} nodes to keep what is for one of them"
            ));
        }
        let place = self.rng.random_range(1..=count);
        let away = self.members.get_mut(place).ok_or(crate::handle::Ending)?;
        away.kill().await;
        let (peer, name) = (away.peer, away.name.clone());
        let others: Vec<usize> = (1..=count).filter(|other| *other != place).collect();
        let senders = others.into_iter().sample(&mut self.rng, SENDERS_MAX);
        let senders = senders.into_iter().filter_map(|at| self.members.get(at));
        let mut letters = try_join_all(senders.map(|from| write(from, peer, &name))).await?;
        self.until(&mut letters, "kept by anybody", |news| matches!(news, Outcome::Stored { .. }))
            .await?;
        self.restart(&BTreeSet::from([peer])).await?;
        self.until(&mut letters, "delivered", |news| *news == Outcome::Delivered).await?;
        let back = self.members.get(place).ok_or(crate::handle::Ending)?;
        all_once(back, &letters).await?;
        let fewest = letters.iter().map(|letter| letter.copies).min().unwrap_or_default();
        Ok(format!(
            "{name} was away: {} messages for it, each kept by at least {fewest} others, were there \
             once when it was back, and each sender has the receipt",
            letters.len(),
        ))
    }

    /// Waits until the same has happened to each of them.
    async fn until(
        &self,
        letters: &mut [Letter],
        wanted: &'static str,
        is: fn(&Outcome) -> bool,
    ) -> Result<(), PhaseError> {
        for letter in &mut *letters {
            letter.done = false;
        }
        let all = try_join_all(letters.iter_mut().map(|letter| letter.until(is)));
        let waited = timeout(PATIENCE, self.enough.run_until_cancelled(all)).await;
        match waited {
            Ok(Some(done)) => Ok(done.map(drop)?),
            Ok(None) => Err(PhaseError::Interrupted),
            Err(_elapsed) => {
                let missing = letters.iter().filter(|letter| !letter.done);
                let names: Vec<_> = missing.map(|letter| letter.name.as_str()).collect();
                let shortcoming = Undelivered::Missing { names: names.join(", "), wanted }.into();
                Err(PhaseError::TooLong { waited: PATIENCE, shortcoming })
            }
        }
    }
}

impl Letter {
    /// Waits until one of its news is what is wanted.
    async fn until(&mut self, is: fn(&Outcome) -> bool) -> Result<(), Undelivered> {
        while let Some(news) = self.sending.next().await {
            if let Outcome::Stored { copies, .. } = news {
                self.copies = self.copies.max(copies);
            }
            if is(&news) {
                self.done = true;
                return Ok(());
            }
            if news.is_end() {
                return Err(self.ended(news.name()));
            }
        }
        Err(self.ended("not heard of any more"))
    }

    fn ended(&self, outcome: &'static str) -> Undelivered {
        Undelivered::Ended { name: self.name.clone(), outcome }
    }
}

async fn write(from: &Member, to: PeerId, name: &str) -> Result<Letter, Undelivered> {
    let text = format!("{} was here", from.name);
    let sending = from.messaging.send(to, text.into(), SendOptions::default()).await;
    let sending = sending.map_err(|error| Undelivered::Unsent {
        name: from.name.clone(),
        to: name.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Letter { name: from.name.clone(), sending, copies: 0, done: false })
}

/// The inbox holds each of them once, and nothing else.
async fn all_once(member: &Member, letters: &[Letter]) -> Result<(), Undelivered> {
    let inbox = member.messaging.inbox(0, usize::MAX).await;
    let inbox = inbox.map_err(|error| Undelivered::Unread {
        name: member.name.clone(),
        reason: error.to_string(),
    })?;
    let have: BTreeSet<LetterId> = inbox.iter().map(|received| received.letter).collect();
    let different = letters.iter().filter(|it| have.contains(&it.sending.letter())).count();
    if inbox.len() == letters.len() && different == letters.len() {
        return Ok(());
    }
    let (name, have, sent) = (member.name.clone(), inbox.len(), letters.len());
    Err(Undelivered::Inbox { name, have, different, sent })
}

impl From<Undelivered> for PhaseError {
    fn from(undelivered: Undelivered) -> Self {
        Shortcoming::Mail(undelivered).into()
    }
}
