//! Packets that came: opened on the pool, then delivered or passed on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{self, BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, FuturesUnordered};
use libp2p_identity::PeerId;
use tokio_util::sync::DropGuard;
use transport::pool::PoolError;

use super::indices;
use super::shared::{Mixed, Outlets, Shared, add, say};
use crate::engine::{Delivered, Onward, Verdict};
use crate::failure::FailureCode;

/// Packets of one job, from whom each came, and what is to be done with it.
type Opened = (Vec<PeerId>, Result<Vec<Verdict>, PoolError>);

/// Runs until the relay stops; what was taken for the pool by then is done. `opened` is dropped after
/// the last packet was shown to the replay guard.
pub(super) async fn run(
    shared: Arc<Shared>,
    outlets: Outlets,
    stream: BoxStream<'static, (PeerId, Bytes)>,
    opened: DropGuard,
) {
    let fill = shared.packets.fill(stream, &shared.stop);
    let open = open(&shared, &outlets);
    future::join(fill, open).await;
    drop(opened);
}

async fn open(shared: &Arc<Shared>, outlets: &Outlets) {
    let (batch_max, jobs_max) = (shared.params.msg().batch_max, shared.params.msg().batches_max);
    let mut jobs: FuturesUnordered<BoxFuture<'static, Opened>> = FuturesUnordered::new();
    loop {
        let may_start = jobs.len() < jobs_max && !shared.stop.is_cancelled();
        if jobs.is_empty() && !may_start {
            return;
        }
        tokio::select! {
            biased;
            Some((peers, verdicts)) = jobs.next() => settle(shared, outlets, peers, verdicts).await,
            () = shared.stop.cancelled(), if may_start => {}
            packets = shared.packets.take(batch_max), if may_start => {
                let peers = packets.iter().map(|(peer, _)| *peer).collect();
                jobs.push(inbound(Arc::clone(shared), packets).map(|it| (peers, it)).boxed());
            }
        }
    }
}

async fn inbound(
    shared: Arc<Shared>,
    packets: Vec<(PeerId, Bytes)>,
) -> Result<Vec<Verdict>, PoolError> {
    indices::reserved(&shared).await;
    let work = move |shared: &Shared| shared.engine.inbound(packets, shared.now());
    shared.compute(work).await
}

async fn settle(
    shared: &Shared,
    outlets: &Outlets,
    peers: Vec<PeerId>,
    verdicts: Result<Vec<Verdict>, PoolError>,
) {
    let verdicts = match verdicts {
        Ok(verdicts) => verdicts,
        Err(error) => {
            add(&shared.tallies.unopened, peers.len());
            return tracing::warn!(%error, packets = peers.len(), "packets were not opened");
        }
    };
    for (peer, verdict) in peers.into_iter().zip(verdicts) {
        let entry = match verdict {
            Verdict::Deliver(delivered) => {
                let Delivered { message, reply } = *delivered;
                let tag = message.tag();
                if !shared.tags.takes(tag) {
                    shared.tallies.untaken.fetch_add(1, Ordering::Relaxed);
                    reply.not_taken(FailureCode::NotTaken)
                } else if !shared.mailbox.offer(peer, message) {
                    shared.tallies.undelivered.fetch_add(1, Ordering::Relaxed);
                    reply.not_taken(FailureCode::Overloaded)
                } else {
                    reply.taken()
                }
            }
            Verdict::Forward(onward) => {
                let Onward { to, frame, reply } = *onward;
                match shared.mix(outlets, to, frame).await {
                    Mixed::Yes => reply.taken(),
                    // Whoever sent it was told already.
                    Mixed::No => continue,
                }
            }
            Verdict::Refuse { reply, reason } => {
                tracing::debug!(%peer, ?reason, "a packet was refused");
                reply
            }
            Verdict::Drop(reason) => {
                tracing::trace!(%peer, ?reason, "a packet was dropped");
                continue;
            }
        };
        say(outlets, (peer, entry)).await;
    }
}
