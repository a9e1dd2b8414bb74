//! The DHT of one node: both pipelines, those who ask it, and the core behind them.

mod builder;
mod standalone;

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use libp2p_identity::PeerId;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::PollSender;

pub use self::builder::{DhtBuilder, DhtInitializationError};
pub use self::standalone::{FromWire, ToWire, WireGone};

use crate::clock::{Clock, Randomness};
use crate::core::Core;
use crate::event::{Command, Event};
use crate::feed::Waiting;
use crate::front::Front;
use crate::inbound::InboundMessage;
use crate::layers::{InboundLayer, OutboundLayer, SettleLayer};
use crate::metrics::{Counts, Metrics};
use crate::outbound::{DhtOutboundRequest, Dispatch};
use crate::pipeline::SinkMiddleware;
use crate::requester::{DhtDiscoveryRequester, DhtRequester, OutboundMessageRequester, Restored};
use crate::seen::{Seen, SeenGauges};
use crate::work::Worker;

/// The DHT of one node.
///
/// Its pipelines are tower layers, for whatever stands behind them:
///
/// * inbound, [`take_inbound_receiver`](Self::take_inbound_receiver) →
///   [`inbound_middleware_layer`](Self::inbound_middleware_layer) → a service of the application;
/// * outbound, [`take_outbound_receiver`](Self::take_outbound_receiver) →
///   [`outbound_middleware_layer`](Self::outbound_middleware_layer) → [`sink`](Self::sink).
///
/// A [`ServicePipeline`](crate::ServicePipeline) runs each of them. The core runs in a swarm, by
/// [`into_parts`](Self::into_parts), or over any links, by [`run`](Self::run).
#[derive(Debug)]
pub struct Dht {
    local: PeerId,
    restored: Vec<Restored>,
    inbound: InboundLayer,
    outbound: OutboundLayer,
    sink: PollSender<Dispatch>,
    arrived: Option<mpsc::Receiver<InboundMessage>>,
    requested: Option<mpsc::Receiver<DhtOutboundRequest>>,
    requests: mpsc::Sender<DhtOutboundRequest>,
    commands: mpsc::Sender<Command>,
    waiting: Waiting,
    metrics: Metrics,
    randomness: Randomness,
    seen: Seen,
    clock: Clock,
    core: Core,
    worker: Worker,
    front: Front,
}

impl Dht {
    /// Begins to build the DHT of the node with this key.
    pub fn builder(keys: libp2p_identity::Keypair) -> DhtBuilder {
        DhtBuilder::new(keys)
    }

    /// Who this node is.
    pub fn local(&self) -> PeerId {
        self.local
    }

    /// All stages through which messages of others go before the application has them.
    pub fn inbound_middleware_layer(&self) -> InboundLayer {
        self.inbound.clone()
    }

    /// All stages through which own messages go before they are in [`sink`](Self::sink).
    pub fn outbound_middleware_layer(&self) -> OutboundLayer {
        self.outbound.clone()
    }

    /// Messages of others as they arrive, for the inbound pipeline; `None` if they were taken.
    ///
    /// Those that nobody takes are refused once as many wait as there is room for.
    pub fn take_inbound_receiver(&mut self) -> Option<Arrivals> {
        let settle = self.inbound.settle.clone();
        self.arrived.take().map(|arrived| Arrivals { arrived, settle })
    }

    /// What is asked to be sent, for the outbound pipeline; `None` if it was taken.
    pub fn take_outbound_receiver(&mut self) -> Option<Requests> {
        self.requested.take().map(Requests)
    }

    /// The end of the outbound pipeline: into the core.
    pub fn sink(&self) -> SinkMiddleware<PollSender<Dispatch>> {
        SinkMiddleware::new(self.sink.clone())
    }

    /// Own messages of before a restart, the oldest first; nothing the second time. Those without an
    /// end go on by themselves.
    pub fn restored(&mut self) -> Vec<Restored> {
        std::mem::take(&mut self.restored)
    }

    /// Sends messages.
    pub fn outbound_requester(&self) -> OutboundMessageRequester {
        OutboundMessageRequester {
            requests: self.requests.clone(),
            waiting: self.waiting.clone(),
            randomness: self.randomness.clone(),
        }
    }

    /// Asks about the network.
    pub fn dht_requester(&self) -> DhtRequester {
        DhtRequester { commands: self.commands.clone(), waiting: self.waiting.clone() }
    }

    /// Finds out where peers are.
    pub fn discovery_service_requester(&self) -> DhtDiscoveryRequester {
        DhtDiscoveryRequester { commands: self.commands.clone(), waiting: self.waiting.clone() }
    }

    /// What the core tells, from now on, but for the arrivals and the places that they
    /// free. Who is more than 256 events behind misses some, and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.waiting.subscribe()
    }

    /// What can be watched while the DHT runs.
    pub fn monitor(&self) -> Monitor {
        Monitor { metrics: self.metrics.clone(), seen: self.seen.clone() }
    }

    /// For a swarm: the core, who does its slow work, and what the pipelines have for it and it for
    /// them.
    pub fn into_parts(self) -> (Core, Worker, Front) {
        (self.core, self.worker, self.front)
    }

    /// Runs the core over links of any kind, until `from_wire` ends. Then all who ask are told that
    /// the DHT has stopped, and the pipelines end.
    ///
    /// # Errors
    /// [`WireGone`] if nothing can be sent any more.
    ///
    /// # Cancel safety
    /// When the future is dropped, the DHT has stopped.
    pub fn run<I, O>(
        self,
        from_wire: I,
        to_wire: O,
    ) -> Pin<Box<impl Future<Output = Result<(), WireGone>> + use<I, O>>>
    where
        I: Stream<Item = FromWire>,
        O: futures::Sink<ToWire>,
    {
        let clock = self.clock.clone();
        let (core, worker, front) = self.into_parts();
        // Boxed, as a core is large.
        Box::pin(standalone::run((core, worker, front, clock), from_wire, to_wire))
    }
}

/// What is asked to be sent, in the order in which it was.
#[derive(Debug)]
pub struct Requests(mpsc::Receiver<DhtOutboundRequest>);

impl Stream for Requests {
    type Item = DhtOutboundRequest;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<DhtOutboundRequest>> {
        self.0.poll_recv(cx)
    }
}

/// Messages of others, in the order in which they arrived.
///
/// When it is dropped, whatever is in it is refused, and so is all that arrives later.
#[derive(Debug)]
pub struct Arrivals {
    arrived: mpsc::Receiver<InboundMessage>,
    settle: SettleLayer,
}

impl Stream for Arrivals {
    type Item = InboundMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<InboundMessage>> {
        self.arrived.poll_recv(cx)
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.arrived.close();
        while let Ok(message) = self.arrived.try_recv() {
            self.settle.refuse(message.ticket);
        }
    }
}

/// Watches a DHT while it runs.
#[derive(Clone, Debug)]
pub struct Monitor {
    metrics: Metrics,
    seen: Seen,
}

impl Monitor {
    /// How often what happened.
    pub fn counts(&self) -> Counts {
        self.metrics.counts()
    }

    /// How much is remembered of messages that came.
    pub fn seen(&self) -> SeenGauges {
        self.seen.gauges()
    }
}
