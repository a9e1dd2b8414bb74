//! What ends without an answer: packets that nobody acknowledged, and frames that came back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use tokio::sync::mpsc;
use transport::timer::{self, execute_on_tick};

use super::shared::{Outlets, Shared};
use crate::failure::FailureCode;

/// Frames that came back and are not looked at yet.
pub(super) const RETURNED_MAX: usize = 1_024;
/// How late a time-out may be.
const PERIOD: Duration = Duration::from_millis(50);

/// A packet that came back from its link.
pub(super) struct Returned {
    pub(super) peer: PeerId,
    pub(super) frame: Bytes,
    pub(super) code: FailureCode,
}

/// Runs until the relay stops.
pub(super) async fn run(
    shared: Arc<Shared>,
    outlets: Outlets,
    returned: mpsc::Receiver<Returned>,
    seed: [u8; 32],
) {
    let returns = async {
        let mut returned = returned;
        while let Some(Some(returned)) = shared.stop.run_until_cancelled(returned.recv()).await {
            let Returned { peer, frame, code } = returned;
            let news = shared.engine.undelivered(peer, &frame, code);
            // Where a packet of somebody else goes is not this node's choice.
            if code == FailureCode::Unreachable && !news.outcomes.is_empty() {
                shared.liveness.failed(peer, shared.now());
            }
            shared.tell(&outlets, news).await;
        }
    };
    let schedule = timer::Config { period: PERIOD, ..timer::Config::default() }.check();
    let schedule = schedule.expect("the period is within its bounds");
    let expiry = execute_on_tick(schedule, seed, shared.stop.clone(), |_| async {
        if shared.engine.next_deadline().is_some_and(|due| due <= shared.now()) {
            let news = shared.compute(|shared| shared.engine.expire(shared.now())).await;
            shared.tell(&outlets, news.unwrap_or_default()).await;
        }
    });
    futures::future::join(returns, expiry).await;
}
