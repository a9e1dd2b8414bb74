//! Packets that leave: each after its delay, all by one sink.

use std::sync::Arc;

use bytes::Bytes;
use futures::SinkExt as _;
use futures::future::{Either, pending};
use libp2p_identity::PeerId;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::shared::Shared;
use super::{Frames, LinkGone};
use crate::mixer::Mixer;

/// Packets on their way to the mixer.
pub(super) const WAITING_MAX: usize = 1_024;
/// Packets taken in at once.
const AT_ONCE: usize = 64;

/// Runs until nobody has packets any more; those that wait then leave at once.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut sink: Frames,
    mut to_mix: mpsc::Receiver<(PeerId, Bytes)>,
    seed: [u8; 32],
) {
    let mixer = Mixer::new(shared.params.mixer(), seed);
    if let Err(gone) = mix(&shared, mixer, &mut sink, &mut to_mix).await {
        tracing::warn!(%gone, "the relay stops");
        shared.stop.cancel();
    }
}

async fn mix(
    shared: &Shared,
    mut mixer: Mixer<(PeerId, Bytes)>,
    sink: &mut Frames,
    to_mix: &mut mpsc::Receiver<(PeerId, Bytes)>,
) -> Result<(), LinkGone> {
    let mut came = Vec::with_capacity(AT_ONCE);
    loop {
        let due = match mixer.next_deadline() {
            Some(due) => Either::Left(sleep(due.since(shared.now()))),
            None => Either::Right(pending()),
        };
        tokio::select! {
            count = to_mix.recv_many(&mut came, AT_ONCE) => if count == 0 { break },
            () = due => {}
        }
        let now = shared.now();
        let mut leaving = Vec::new();
        for (peer, frame) in came.drain(..) {
            let bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
            leaving.append(&mut mixer.insert((peer, frame), bytes, now));
        }
        leaving.extend(std::iter::from_fn(|| mixer.pop(now)));
        send(sink, leaving).await?;
    }
    let end = machine::Instant::at(std::time::Duration::MAX);
    let rest = std::iter::from_fn(|| mixer.pop(end)).collect();
    send(sink, rest).await?;
    sink.close().await
}

async fn send(sink: &mut Frames, frames: Vec<(PeerId, Bytes)>) -> Result<(), LinkGone> {
    if frames.is_empty() {
        return Ok(());
    }
    for frame in frames {
        sink.feed(frame).await?;
    }
    sink.flush().await
}
