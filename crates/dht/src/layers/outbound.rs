//! The outbound stages: Broadcast, then on the pool Encrypt and Serialize, then the sink.

use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Context, Poll};

use futures::future::Either;
use libp2p_identity::PeerId;
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use transport::pool::PoolError;

use crate::clock::{Clock, Randomness};
use crate::config::Params;
use crate::envelope::Sealer;
use crate::letter::LetterId;
use crate::network::Network;
use crate::outbound::{
    self, Addressed, DhtOutboundError, DhtOutboundRequest, Dispatch, Reply, Sealed,
};
use crate::pipeline::{OnPool, OnPoolLayer, Passed, Stage, StageLayer, pass};

/// All stages of the outbound pipeline, for a sink of [`Dispatch`].
#[derive(Clone, Debug)]
pub struct OutboundLayer {
    broadcast: BroadcastLayer,
    pool: OnPoolLayer,
    encrypt: EncryptLayer,
    serialize: SerializeLayer,
}

impl OutboundLayer {
    /// For letters that `sealer` signs, with one-time keys out of `randomness`.
    pub fn new(
        params: Arc<Params>,
        (sealer, randomness): (Arc<Sealer>, Randomness),
        clock: Clock,
        pool: OnPoolLayer,
    ) -> Self {
        let own = sealer.own().peer();
        let serialize = SerializeLayer::new(sealer.network().clone());
        Self {
            broadcast: BroadcastLayer::new(params, own, clock),
            pool,
            encrypt: EncryptLayer::new(sealer, randomness),
            serialize,
        }
    }
}

/// The outbound pipeline in front of the sink `S`.
pub type OutboundService<S> = Broadcast<OnPool<Stage<EncryptLayer, Stage<SerializeLayer, S>>>>;

impl<S> Layer<S> for OutboundLayer {
    type Service = OutboundService<S>;

    fn layer(&self, sink: S) -> OutboundService<S> {
        let sealed = self.encrypt.layer(self.serialize.layer(sink));
        self.broadcast.layer(self.pool.layer(sealed))
    }
}

/// Makes [`Broadcast`].
#[derive(Clone, Debug)]
pub struct BroadcastLayer {
    params: Arc<Params>,
    own: PeerId,
    clock: Clock,
}

impl BroadcastLayer {
    /// For messages of `own`.
    pub const fn new(params: Arc<Params>, own: PeerId, clock: Clock) -> Self {
        Self { params, own, clock }
    }
}

impl<S> Layer<S> for BroadcastLayer {
    type Service = Broadcast<S>;

    fn layer(&self, inner: S) -> Broadcast<S> {
        Broadcast { layer: self.clone(), inner }
    }
}

/// Decides for whom a message is, and tells the requester what became of it in the pipeline.
#[derive(Clone, Debug)]
pub struct Broadcast<S> {
    layer: BroadcastLayer,
    inner: S,
}

impl<S> Service<DhtOutboundRequest> for Broadcast<S>
where
    S: Service<Addressed, Response = (), Error = DhtOutboundError>,
{
    type Response = ();
    type Error = DhtOutboundError;
    type Future = Replying<Passed<S::Future, (), DhtOutboundError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DhtOutboundError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: DhtOutboundRequest) -> Self::Future {
        let letter = request.letter().id;
        let (request, reply) = request.split();
        let BroadcastLayer { params, own, clock } = &self.layer;
        let call = match outbound::broadcast(params, own, request, clock.wall()) {
            Ok(addressed) => Either::Right(self.inner.call(addressed)),
            Err(error) => Either::Left(ready(Err(error))),
        };
        Replying { call, letter, reply }
    }
}

pin_project! {
    /// A request on its way through the pipeline.
    pub struct Replying<F> {
        #[pin]
        call: F,
        letter: LetterId,
        reply: Reply,
    }
}

impl<F: Future<Output = Result<(), DhtOutboundError>>> Future for Replying<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let end = task::ready!(this.call.poll(cx));
        if let Some(reply) = this.reply.take() {
            // Whoever does not wait any more is told nothing.
            reply.send(end.map(|()| *this.letter)).ok();
        }
        Poll::Ready(end)
    }
}

impl<F> fmt::Debug for Replying<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replying").field("letter", &self.letter).finish_non_exhaustive()
    }
}

/// Puts letters into envelopes: [`encrypt`](outbound::encrypt).
pub type EncryptLayer =
    StageLayer<(Arc<Sealer>, Randomness), Addressed, Sealed, (), DhtOutboundError>;

impl EncryptLayer {
    /// With this key, and one-time keys out of this.
    pub const fn new(sealer: Arc<Sealer>, randomness: Randomness) -> Self {
        Self::of((sealer, randomness), |(sealer, randomness), addressed| {
            let sealed = outbound::encrypt(sealer, addressed, &mut randomness.fork());
            pass(sealed.map_err(DhtOutboundError::Seal))
        })
    }
}

/// Says what envelopes are known by: [`serialize`](outbound::serialize).
pub type SerializeLayer = StageLayer<Network, Sealed, Dispatch, (), DhtOutboundError>;

impl SerializeLayer {
    /// In this network.
    pub const fn new(network: Network) -> Self {
        Self::of(network, |network, sealed| pass(Ok(outbound::serialize(network, sealed))))
    }
}

impl From<PoolError> for DhtOutboundError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Full { .. } => Self::Busy,
            PoolError::Panicked => Self::Lost,
        }
    }
}
