//! One peer is asked by one sync at a time: what it has is not fetched twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use futures::lock::{Mutex as Lane, OwnedMutexGuard};
use futures_timer::Delay;
use machine::PeerId;

/// Which peers are being asked. Clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    /// As many as syncs have sessions, or wait for one.
    by_peer: Arc<Mutex<BTreeMap<PeerId, Arc<Lane<()>>>>>,
}

impl Lanes {
    /// Waits until nobody else asks `peer`. What others fetched of it meanwhile is known then, and
    /// comparing costs next to nothing. `None` after `patience`: there may be peers to ask at once.
    ///
    /// # Cancel safety
    /// Dropped, it has taken nothing.
    pub(super) async fn alone_with(
        &self,
        peer: PeerId,
        patience: Duration,
    ) -> Option<OwnedMutexGuard<()>> {
        let waiting = self.lane(peer).lock_owned();
        match select(waiting, Delay::new(patience)).await {
            Either::Left((alone, _)) => Some(alone),
            Either::Right(((), _)) => None,
        }
    }

    fn lane(&self, peer: PeerId) -> Arc<Lane<()>> {
        let mut by_peer = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        // Who holds a lane, or waits for it, has it as well.
        by_peer.retain(|_, lane| Arc::strong_count(lane) > 1);
        Arc::clone(by_peer.entry(peer).or_default())
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::{FutureExt as _, poll};

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn two_syncs_ask_one_peer_one_after_the_other() {
        let (lanes, peer) = (Lanes::default(), PeerId::random());
        block_on(async {
            let first = lanes.alone_with(peer, LONG).await;
            let other = lanes.clone();
            let mut second = Box::pin(other.alone_with(peer, LONG));
            assert!(poll!(&mut second).is_pending());
            assert!(lanes.alone_with(PeerId::random(), LONG).now_or_never().is_some());
            drop(first);
            let second = second.await;
            assert!(second.is_some());
            drop(second);
        });
        lanes.lane(PeerId::random());
        assert_eq!(lanes.by_peer.lock().expect("nobody panicked").len(), 1, "others are forgotten");
    }

    #[test]
    fn who_is_not_let_through_does_not_wait_for_ever() {
        let (lanes, peer) = (Lanes::default(), PeerId::random());
        let first = block_on(lanes.alone_with(peer, LONG));
        assert!(block_on(lanes.alone_with(peer, Duration::ZERO)).is_none());
        drop(first);
    }
}
