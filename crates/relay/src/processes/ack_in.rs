//! What peers say about packets: checked on the pool many at a time, then passed back.

use std::sync::Arc;

use ::wire::Frame as _;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{self, BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, FuturesUnordered};
use libp2p_identity::PeerId;
use transport::pool::PoolError;

use super::shared::{Outlets, Shared, add};
use crate::engine::News;
use crate::wire::{Entries, Entry};

/// Frames of one job. Their entries are checked as one.
const FRAMES_MAX: usize = 8;

/// Runs until the relay stops; what was taken for the pool by then is done.
pub(super) async fn run(
    shared: Arc<Shared>,
    outlets: Outlets,
    stream: BoxStream<'static, (PeerId, Bytes)>,
) {
    let fill = shared.acks.fill(stream, &shared.stop);
    future::join(fill, check(&shared, &outlets)).await;
}

async fn check(shared: &Arc<Shared>, outlets: &Outlets) {
    let jobs_max = shared.params.msg().batches_max;
    let mut jobs: FuturesUnordered<BoxFuture<'static, (usize, Result<News, PoolError>)>> =
        FuturesUnordered::new();
    loop {
        let may_start = jobs.len() < jobs_max && !shared.stop.is_cancelled();
        if jobs.is_empty() && !may_start {
            return;
        }
        tokio::select! {
            biased;
            Some((frames, news)) = jobs.next() => match news {
                Ok(news) => shared.tell(outlets, news).await,
                Err(error) => {
                    add(&shared.tallies.unchecked, frames);
                    tracing::warn!(%error, frames, "acknowledgements were not checked");
                }
            },
            () = shared.stop.cancelled(), if may_start => {}
            frames = shared.acks.take(FRAMES_MAX), if may_start => {
                let count = frames.len();
                let work = move |shared: &Shared| read(shared, frames);
                jobs.push(shared.compute(work).map(move |news| (count, news)).boxed());
            }
        }
    }
}

/// What these frames say.
fn read(shared: &Shared, frames: Vec<(PeerId, Bytes)>) -> News {
    let mut said: Vec<(PeerId, Vec<Entry>)> = Vec::with_capacity(frames.len());
    for (peer, frame) in frames {
        match Entries::decode(frame) {
            Ok(entries) => {
                shared.liveness.heard(&peer);
                said.push((peer, entries.into_inner()));
            }
            Err(error) => {
                add(&shared.tallies.malformed, 1);
                tracing::debug!(%peer, %error, "no acknowledgements");
            }
        }
    }
    shared.engine.acknowledge(said, shared.now())
}
