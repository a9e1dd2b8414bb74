//! Messages of this node: a path for each, then packed on the pool.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::handle::{Route, SendError};
use super::indices;
use super::shared::{Mixed, Outlets, Shared};
use crate::engine::{Outbound, Outcome, SendId};
use crate::sphinx::Message;

/// A message to send, and who waits for what comes of it.
pub(super) struct ToSend {
    pub(super) message: Message,
    pub(super) route: Route,
    pub(super) told: oneshot::Sender<Result<oneshot::Receiver<Outcome>, SendError>>,
}

/// A message that was packed, or why it was not.
struct Packed {
    told: oneshot::Sender<Result<oneshot::Receiver<Outcome>, SendError>>,
    outcome: oneshot::Receiver<Outcome>,
    outbound: Result<Outbound, SendError>,
}

/// Runs until the relay stops.
pub(super) async fn run(
    shared: Arc<Shared>,
    outlets: Outlets,
    mut to_send: mpsc::Receiver<ToSend>,
) {
    let jobs_max = shared.params.msg().batches_max;
    let mut jobs: FuturesUnordered<BoxFuture<'static, Packed>> = FuturesUnordered::new();
    let mut next_id = 0_u64;
    loop {
        let may_start = jobs.len() < jobs_max && !shared.stop.is_cancelled();
        if jobs.is_empty() && !may_start {
            return;
        }
        tokio::select! {
            biased;
            Some(packed) = jobs.next() => hand_on(&shared, &outlets, packed).await,
            () = shared.stop.cancelled(), if may_start => to_send.close(),
            Some(send) = to_send.recv(), if may_start => {
                let id = SendId(next_id);
                next_id = next_id.wrapping_add(1);
                jobs.push(pack(&shared, send, id));
            }
        }
    }
}

fn pack(shared: &Arc<Shared>, send: ToSend, id: SendId) -> BoxFuture<'static, Packed> {
    let ToSend { message, route, told } = send;
    let message = Arc::new(message);
    let (tell, outcome) = oneshot::channel();
    // Before it is packed: the outcome may be there as soon as the packet is.
    shared.await_outcome(id, tell);
    let shared = Arc::clone(shared);
    let packed = async move {
        indices::reserved(&shared).await;
        let outbound = try_pack(&shared, &message, &route, id).await;
        if outbound.is_err() {
            shared.forget(id);
        }
        Packed { told, outcome, outbound }
    };
    packed.boxed()
}

async fn try_pack(
    shared: &Arc<Shared>,
    message: &Arc<Message>,
    route: &Route,
    id: SendId,
) -> Result<Outbound, SendError> {
    let (message, route) = (Arc::clone(message), route.clone());
    let work = move |shared: &Shared| {
        let path = match route {
            Route::Over(path) => path,
            Route::Random { to, relays } => shared.choose(to, relays)?,
        };
        let outbound = shared.engine.outbound(id, &path, &message, shared.now());
        outbound.map_err(SendError::Unsent)
    };
    shared.compute(work).await.map_err(SendError::Overloaded)?
}

async fn hand_on(shared: &Shared, outlets: &Outlets, packed: Packed) {
    let Packed { told, outcome, outbound } = packed;
    let Outbound { to, frame } = match outbound {
        Ok(outbound) => outbound,
        // Who dropped the future does not want to know; nothing was sent.
        Err(error) => return drop(told.send(Err(error))),
    };
    // If the mixer has no place, that is the outcome.
    if shared.mix(outlets, to, frame).await == Mixed::Yes {
        shared.liveness.sent(to, shared.now());
    }
    drop(told.send(Ok(outcome)));
}
