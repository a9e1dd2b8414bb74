//! One connection's substreams.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use libp2p_swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p_swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};

use super::behaviour::{Config, OpenError, OpenId, RefusalReason};
use super::offer::{Accept, NotConfirmed, Offer};
use super::substream::{Place, Places, Substream};

/// The per-connection half of [`Behaviour`](super::Behaviour).
#[derive(Debug)]
pub struct Handler {
    config: Config,
    accept: Accept,
    /// Of each accepted name.
    places: Vec<(StreamProtocol, Places)>,
    /// What the swarm is still to be asked for. Bounded by [`Config::opening_max`].
    orders: VecDeque<Order>,
    notices: VecDeque<Notice>,
}

/// What the behaviour asks of a connection.
#[derive(Debug)]
pub struct Order {
    /// Returned with the answer.
    pub id: OpenId,
    /// Offered at once, best first.
    pub names: Vec<StreamProtocol>,
}

/// What a connection tells the behaviour.
#[derive(Debug)]
pub enum Notice {
    /// Ours is open.
    Opened(OpenId, StreamProtocol, Substream),
    /// Ours is not.
    Failed(OpenId, OpenError),
    /// Theirs is open.
    Incoming(StreamProtocol, Substream),
    /// Theirs was closed again.
    Refused(StreamProtocol, RefusalReason),
}

impl Handler {
    pub(super) fn new(config: Config, names: Vec<StreamProtocol>) -> Self {
        Self {
            config,
            places: names.iter().cloned().map(|name| (name, Places::default())).collect(),
            accept: Accept::new(names),
            orders: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    fn admit(&self, stream: Stream, name: StreamProtocol) -> Notice {
        let max = self.config.accepted_max;
        let places = self.places.iter().find(|(accepted, _)| *accepted == name);
        match places.and_then(|(_, places)| places.take(max)) {
            Some(place) => {
                Notice::Incoming(name, Substream::new(stream, place, self.config.keep_alive))
            }
            None => Notice::Refused(name, RefusalReason::TooMany { max }),
        }
    }
}

fn open_error(error: &StreamUpgradeError<NotConfirmed>) -> OpenError {
    match error {
        StreamUpgradeError::Timeout => OpenError::TimedOut,
        StreamUpgradeError::Apply(NotConfirmed) | StreamUpgradeError::NegotiationFailed => {
            OpenError::Unsupported
        }
        StreamUpgradeError::Io(_) => OpenError::Disconnected,
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = Notice;
    type InboundProtocol = Accept;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenId;

    fn listen_protocol(&self) -> SubstreamProtocol<Accept> {
        SubstreamProtocol::new(self.accept.clone(), ()).with_timeout(self.config.open_timeout)
    }

    fn on_behaviour_event(&mut self, order: Order) {
        self.orders.push_back(order);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, OpenId, Notice>> {
        if let Some(notice) = self.notices.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(notice));
        }
        let Some(Order { id, names }) = self.orders.pop_front() else { return Poll::Pending };
        let protocol =
            SubstreamProtocol::new(Offer::new(names), id).with_timeout(self.config.open_timeout);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Accept, Offer, (), OpenId>) {
        let notice = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, name),
                ..
            }) => self.admit(stream, name),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, name),
                info: id,
            }) => {
                let stream = Substream::new(stream, Place::UNCOUNTED, self.config.keep_alive);
                Notice::Opened(id, name, stream)
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: id, error }) => {
                Notice::Failed(id, open_error(&error))
            }
            _ => return,
        };
        self.notices.push_back(notice);
    }
}
