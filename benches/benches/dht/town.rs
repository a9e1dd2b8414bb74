//! A sender, and nodes that take in what it sends: their pipelines, layer by layer as a node has them.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use dht::{
    BroadcastStrategy, Carriage, Clock, Config, DecryptLayer, DedupLayer, DeserializeLayer,
    DhtHandlerLayer, DhtInboundMessage, DhtOutboundError, DhtOutboundRequest, Dispatch,
    Disposition, ForwardLayer, Gate, InboundMessage, LetterId, Network, OnPoolLayer, Opener,
    OutboundLayer, Params, Randomness, RateLimitLayer, RecordLayer, Refusal, Sealer, Seen,
    SettleLayer, Settlement, SinkMiddleware, StoreLayer, Ticket, ValidateLayer, VerifyLayer,
    WeighLayer,
};
use futures::channel::mpsc;
use futures::executor::block_on;
use futures::{FutureExt as _, StreamExt as _};
use libp2p_identity::{Keypair, PeerId};
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};

use crate::Failure;

/// Who sends, who takes, who carries, and over whose link it comes.
pub(crate) const SENDER: u8 = 1;
pub(crate) const RECIPIENT: u8 = 2;
pub(crate) const CARRIER: u8 = 3;
const LINK: u8 = 4;

pub(crate) fn keypair(number: u8) -> Result<Keypair, Failure> {
    Ok(Keypair::ed25519_from_bytes([number; 32])?)
}

pub(crate) fn peer(number: u8) -> Result<PeerId, Failure> {
    Ok(keypair(number)?.public().to_peer_id())
}

pub(crate) fn network() -> Result<Network, Failure> {
    Ok(Network::new("meshwork")?)
}

/// The defaults, with which a link may bring as much as it can.
pub(crate) fn lifted() -> Config {
    let mut config = Config::default();
    config.rates.messages_per_second = 1_000_000;
    config.rates.messages_burst = 1_000_000;
    config.rates.bytes_per_second = 1 << 30;
    config.rates.bytes_burst = 1 << 30;
    config.rates.lasting_max = 16_777_216;
    config
}

pub(crate) fn params() -> Result<Params, Failure> {
    Ok(lifted().check()?)
}

pub(crate) fn gate(number: u8) -> Result<Gate, Failure> {
    let (params, network) = (params()?, network()?);
    let opener = Opener::new(network.clone(), &keypair(number)?)?;
    Ok(Gate::new(&params, Arc::new(opener), Seen::new(network, &params)))
}

/// An application that takes everything.
pub(crate) fn application()
-> impl Service<DhtInboundMessage, Response = (), Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(async |_: DhtInboundMessage| Ok(()))
}

/// The end of a node's inbound pipeline, which its core would have.
pub(crate) struct End(mpsc::Receiver<Settlement>);

impl End {
    pub(crate) fn new() -> (mpsc::Sender<Settlement>, Self) {
        let (settled, end) = mpsc::channel(0);
        (settled, Self(end))
    }

    /// What became of the one message on its way, settled as the core does.
    fn outcome(&mut self) -> Option<Result<Disposition, Refusal>> {
        let settlement = self.0.next().now_or_never()??;
        if let Ok(Disposition::Carry(recorded)) = &settlement.outcome {
            recorded.settle();
        }
        Some(settlement.outcome)
    }
}

/// The inbound pipeline of a node.
pub(crate) struct Inbound<S> {
    service: S,
    end: End,
}

impl<S> Inbound<S>
where
    S: Service<InboundMessage, Response = (), Error = Refusal>,
{
    pub(crate) const fn of(service: S, end: End) -> Self {
        Self { service, end }
    }

    /// Takes these in, and says of how many that became which `expected` is.
    pub(crate) fn take(
        &mut self,
        messages: Vec<InboundMessage>,
        expected: impl Fn(&Result<Disposition, Refusal>) -> bool,
    ) -> usize {
        block_on(async {
            let mut count = 0;
            for message in messages {
                let Ok(service) = self.service.ready().await else { return count };
                // The core is told why not, and so are we.
                service.call(message).await.ok();
                count += usize::from(self.end.outcome().is_some_and(|outcome| expected(&outcome)));
            }
            count
        })
    }
}

/// The whole inbound pipeline of a node.
pub(crate) fn inbound(
    number: u8,
) -> Result<Inbound<impl Service<InboundMessage, Response = (), Error = Refusal>>, Failure> {
    let (gate, clock, (settled, end)) = (gate(number)?, Clock::system(), End::new());
    let service = ServiceBuilder::new()
        .layer(SettleLayer::new(settled))
        .layer(DeserializeLayer::new(*gate.rules()))
        .layer(WeighLayer::new(gate.rates().clone(), clock))
        .layer(DedupLayer::new(gate.seen().clone()))
        .layer(ValidateLayer::new(*gate.rules()))
        .layer(RateLimitLayer::new(gate.rates().clone()))
        .layer(OnPoolLayer::inline())
        .layer(VerifyLayer::default())
        .layer(DecryptLayer::new(Arc::clone(gate.opener())))
        .layer(RecordLayer::new(gate.seen().clone()))
        .layer(StoreLayer::default())
        .layer(ForwardLayer::default())
        .layer(DhtHandlerLayer::default())
        .service(application());
    Ok(Inbound::of(service, end))
}

/// These envelopes as a link brings them.
pub(crate) fn brought(dispatches: &[Dispatch]) -> Result<Vec<InboundMessage>, Failure> {
    let from = peer(LINK)?;
    let message = |(number, dispatch): (u64, &Dispatch)| InboundMessage {
        from,
        ticket: Ticket::new(number),
        hops: 9,
        carriage: Carriage::Routed,
        envelope: dispatch.envelope().bytes().clone(),
    };
    Ok((0..).zip(dispatches).map(message).collect())
}

/// So many requests to send a payload to the recipient, numbered from `first` on.
pub(crate) fn requests(
    first: u64,
    count: u32,
    payload: &Bytes,
) -> Result<Vec<DhtOutboundRequest>, Failure> {
    let to = BroadcastStrategy::Direct(peer(RECIPIENT)?);
    let request = |number: u64| {
        let letter = LetterId(u128::from(number).to_be_bytes());
        DhtOutboundRequest::new(to.clone(), letter, payload.clone())
    };
    Ok((first..).take(usize::try_from(count)?).map(request).collect())
}

/// The outbound pipeline of the sender.
pub(crate) struct Outbound<S> {
    service: S,
    sent: mpsc::Receiver<Dispatch>,
}

impl<S> Outbound<S>
where
    S: Service<DhtOutboundRequest, Response = (), Error = DhtOutboundError>,
{
    /// Seals these; `sealed` has room for as many.
    pub(crate) fn send(
        &mut self,
        requests: Vec<DhtOutboundRequest>,
        sealed: &mut Vec<Dispatch>,
    ) -> Result<(), DhtOutboundError> {
        block_on(async {
            for request in requests {
                self.service.ready().await?.call(request).await?;
                sealed.extend(self.sent.next().now_or_never().flatten());
            }
            Ok(())
        })
    }
}

/// The whole outbound pipeline of the sender.
pub(crate) fn outbound() -> Result<
    Outbound<impl Service<DhtOutboundRequest, Response = (), Error = DhtOutboundError>>,
    Failure,
> {
    let sealer = Arc::new(Sealer::new(network()?, &keypair(SENDER)?)?);
    let with = (sealer, Randomness::new([5; 32]));
    let layer =
        OutboundLayer::new(Arc::new(params()?), with, Clock::system(), OnPoolLayer::inline());
    let (sink, sent) = mpsc::channel(1);
    let service = ServiceBuilder::new().layer(layer).service(SinkMiddleware::new(sink));
    Ok(Outbound { service, sent })
}
