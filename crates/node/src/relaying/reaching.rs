//! Links to those whom a packet is for, or who issued tickets: dialled when they are needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use handshake::{DialError, Dialer, RejectCode, SessionKind};
use libp2p::PeerId;
use machine::{Instant, Undelivered};
use tickets::ledger::Replica;
use tokio::sync::mpsc;
use tokio::time::timeout;
use transport::clock::Clock;

use super::link::{Ask, Link, Pipe, Returned};
use super::peers::Peers;

/// Longest time for a dial and the handshake.
const DIAL_PATIENCE: Duration = Duration::from_secs(8);

/// Longest time until packets can be exchanged on a connection that is there.
const JOIN_PATIENCE: Duration = Duration::from_secs(2);

/// How often a peer is dialled with which there is, or was, a connection on which they are not.
const DIALS: usize = 3;

/// How long a peer is not dialled again. What is for it meanwhile cannot be delivered, and its sender
/// is told at once.
const REST: Duration = Duration::from_secs(2);

/// Peers that are remembered as resting. Over it, those that have rested are forgotten.
const RESTS_MAX: usize = 1_024;

/// Most peers that are dialled for packets at a time.
const PEERS_MAX: usize = 64;

/// Most frames that wait for one of them.
const FRAMES_MAX: usize = 64;

/// Dials peers that announced on the ledger where they are. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Reacher {
    dialer: Dialer,
    replica: Replica,
    peers: Peers,
    clock: Clock,
    /// When the last attempt to reach a peer ended.
    rests: Arc<Mutex<BTreeMap<PeerId, Instant>>>,
}

impl Reacher {
    pub(super) fn new(dialer: Dialer, replica: Replica, peers: Peers) -> Self {
        Self { dialer, replica, peers, clock: Clock::start(), rests: Arc::default() }
    }

    /// Sees to it that packets can be exchanged with a peer; whether they can. Takes half a minute at
    /// most, and mostly no time.
    pub(super) async fn reach(&self, peer: PeerId) -> bool {
        if self.peers.has(&peer) {
            return true;
        }
        let now = self.clock.now();
        if self.rests().get(&peer).is_some_and(|ended| now.since(*ended) < REST) {
            return false;
        }
        let reached = self.dial(peer).await;
        self.rest(peer);
        reached
    }

    async fn dial(&self, peer: PeerId) -> bool {
        let addresses = self.replica.read(|state| {
            let account = state.account(&state.account_of(&peer)?)?;
            Some(account.announcement.as_ref()?.addresses.clone())
        });
        let addresses = addresses.unwrap_or_default();
        for _ in 0..DIALS {
            let dialled = self.dialer.dial(peer, addresses.clone(), SessionKind::Direct);
            match timeout(DIAL_PATIENCE, dialled).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) if is_there(&error) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "cannot be reached for packets");
                    return false;
                }
                Err(_elapsed) => return false,
            }
            // What was there may have been about to end.
            if self.peers.wait_for_any(&[peer], JOIN_PATIENCE).await {
                return true;
            }
        }
        false
    }

    fn rest(&self, peer: PeerId) {
        let now = self.clock.now();
        let mut rests = self.rests();
        if rests.len() >= RESTS_MAX {
            rests.retain(|_, ended| now.since(*ended) < REST);
        }
        rests.insert(peer, now);
    }

    fn rests(&self) -> MutexGuard<'_, BTreeMap<PeerId, Instant>> {
        // Nothing under the lock panics.
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is a connection, or was a moment ago.
fn is_there(error: &DialError) -> bool {
    match error {
        DialError::AlreadyConnected => true,
        DialError::Refused(refusal) => refusal.code() == Some(RejectCode::Duplicate),
        _ => false,
    }
}

/// Frames that came back because there was no link.
pub(super) struct Returns {
    link: Link,
    reacher: Reacher,
    relay: relay::Relay,
    waiting: BTreeMap<PeerId, Vec<(Pipe, Bytes)>>,
    attempts: FuturesUnordered<BoxFuture<'static, (PeerId, bool)>>,
}

impl Returns {
    pub(super) fn new(link: Link, reacher: Reacher, relay: relay::Relay) -> Self {
        let (waiting, attempts) = (BTreeMap::new(), FuturesUnordered::new());
        Self { link, reacher, relay, waiting, attempts }
    }

    /// Sends what comes back once more, when there is a link. Ends with the swarm.
    pub(super) async fn run(mut self, mut returned: mpsc::Receiver<Returned>) {
        loop {
            tokio::select! {
                back = returned.recv() => match back {
                    Some(back) => self.take_back(back),
                    None => return,
                },
                Some((peer, reached)) = self.attempts.next() => {
                    for (pipe, frame) in self.waiting.remove(&peer).unwrap_or_default() {
                        if !reached {
                            let cause = Undelivered::NotConnected;
                            self.give_up(Returned { pipe, peer, frame, cause });
                        } else if self.link.ask(Ask::Send(pipe, peer, frame)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    fn take_back(&mut self, back: Returned) {
        let is_known = self.waiting.contains_key(&back.peer);
        let is_lost = back.cause != Undelivered::NotConnected;
        if is_lost || (!is_known && self.waiting.len() >= PEERS_MAX) {
            return self.give_up(back);
        }
        let frames = self.waiting.entry(back.peer).or_default();
        if frames.len() >= FRAMES_MAX {
            return self.give_up(Returned { cause: Undelivered::OutboxFull, ..back });
        }
        frames.push((back.pipe, back.frame));
        if !is_known {
            let (reacher, peer) = (self.reacher.clone(), back.peer);
            self.attempts.push(async move { (peer, reacher.reach(peer).await) }.boxed());
        }
    }

    fn give_up(&self, back: Returned) {
        let Returned { pipe, peer, frame, cause } = back;
        match pipe {
            Pipe::Msg => self.relay.undelivered(peer, frame, cause),
            Pipe::Ack => self.link.counts.add("acknowledgements_undelivered", 1),
        }
    }
}
