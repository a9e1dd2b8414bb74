//! With which peers packets can be exchanged, and since when they were not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p::PeerId;
use machine::Instant;
use tokio::sync::Notify;
use tokio::time::timeout;
use transport::clock::Clock;

use super::link::Pipe;

/// The peers with which packets can be exchanged. Bounded by the connection limits. Clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    known: Arc<Mutex<BTreeMap<PeerId, Known>>>,
    /// There is one more.
    news: Arc<Notify>,
    clock: Clock,
}

/// Both protocols have to run before a packet is of use: the answer to it goes over the other one.
#[derive(Clone, Copy, Debug)]
struct Known {
    msg: bool,
    ack: bool,
    used: Instant,
}

impl Default for Peers {
    fn default() -> Self {
        Self { known: Arc::default(), news: Arc::default(), clock: Clock::start() }
    }
}

impl Peers {
    /// A protocol runs with a peer.
    pub(crate) fn joined(&self, peer: PeerId, pipe: Pipe) {
        let used = self.clock.now();
        let new = Known { msg: false, ack: false, used };
        *self.lock().entry(peer).or_insert(new).of(pipe) = true;
        self.news.notify_waiters();
    }

    /// It does not any more.
    pub(crate) fn left(&self, peer: PeerId, pipe: Pipe) {
        let mut known = self.lock();
        let Some(of_peer) = known.get_mut(&peer) else { return };
        *of_peer.of(pipe) = false;
        if !of_peer.msg && !of_peer.ack {
            known.remove(&peer);
        }
    }

    /// Something was sent or came.
    pub(crate) fn used(&self, peer: &PeerId) {
        if let Some(known) = self.lock().get_mut(peer) {
            known.used = self.clock.now();
        }
    }

    /// Whether packets can be exchanged.
    pub(crate) fn has(&self, peer: &PeerId) -> bool {
        self.lock().get(peer).is_some_and(|known| known.msg && known.ack)
    }

    /// For how long nothing was exchanged with a peer with which something could be.
    pub(super) fn idle(&self, peer: &PeerId) -> Option<Duration> {
        let used = self.lock().get(peer)?.used;
        Some(self.clock.now().since(used))
    }

    /// Waits until packets can be exchanged with one of several; whether they can.
    pub(super) async fn wait_for_any(&self, peers: &[PeerId], patience: Duration) -> bool {
        let there = async {
            loop {
                let mut news = std::pin::pin!(self.news.notified());
                // Told from now on, so that nothing is missed between the look and the wait.
                news.as_mut().enable();
                if peers.iter().any(|peer| self.has(peer)) {
                    return;
                }
                news.await;
            }
        };
        timeout(patience, there).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerId, Known>> {
        // Nothing under the lock panics.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(&mut self, pipe: Pipe) -> &mut bool {
        match pipe {
            Pipe::Msg => &mut self.msg,
            Pipe::Ack => &mut self.ack,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_are_exchanged_where_both_protocols_run() {
        let (peers, peer) = (Peers::default(), PeerId::random());
        peers.joined(peer, Pipe::Msg);
        assert!(!peers.has(&peer), "no answer could come");
        assert!(!peers.wait_for_any(&[peer], Duration::from_millis(1)).await);
        let both = [PeerId::random(), peer];
        let wait = peers.wait_for_any(&both, Duration::from_secs(20));
        let join = async { peers.joined(peer, Pipe::Ack) };
        assert!(tokio::join!(wait, join).0);
        assert!(peers.idle(&peer).is_some());
        peers.left(peer, Pipe::Msg);
        assert!(!peers.has(&peer));
        peers.left(peer, Pipe::Ack);
        assert_eq!(peers.idle(&peer), None);
    }
}
