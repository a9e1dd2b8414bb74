//! An inner behaviour that records what it is shown.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p_core::transport::PortUse;
use libp2p_core::upgrade::DeniedUpgrade;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_swarm::handler::{ConnectionEvent, ProtocolsChange};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId,
    DialError, FromSwarm, NetworkBehaviour, NotifyHandler, SubstreamProtocol, ToSwarm,
};

/// What the probe was shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// Handlers it was asked for.
    pub(crate) made: usize,
    pub(crate) established: usize,
    pub(crate) closed: usize,
    /// How each dial failed that it was told of.
    pub(crate) dial_failures: Vec<String>,
    /// The peers of connections that others opened and that failed.
    pub(crate) listen_failures: Vec<Option<PeerId>>,
    /// The connections that answered a poke.
    pub(crate) poked: Vec<ConnectionId>,
    /// What the remotes are said to speak.
    pub(crate) learned: BTreeSet<String>,
    /// Those open now.
    pub(crate) open: BTreeMap<PeerId, Vec<ConnectionId>>,
    /// What contradicts what it was shown before.
    pub(crate) alarms: Vec<String>,
}

impl Shown {
    pub(crate) fn knows(&self, peer: &PeerId) -> bool {
        self.open.contains_key(peer)
    }

    /// That nothing at all was shown of any connection that was established.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        assert_eq!((self.made, self.established, self.closed), (0, 0, 0), "{self:?}");
    }

    /// That each opening was closed and no counter was wrong.
    #[track_caller]
    pub(crate) fn assert_balanced(&self) {
        assert_eq!(self.alarms, Vec::<String>::new());
        assert_eq!((self.established, self.made), (self.closed, self.closed), "{self:?}");
    }
}

#[derive(Debug, Default)]
pub(crate) struct Probe {
    pub(crate) shown: Shown,
    /// Whether it denies every connection.
    pub(crate) denies: bool,
    /// How long it takes over each new connection, and the swarm with it.
    pub(crate) dawdles: Duration,
    /// What to ask whom when the gate opens.
    pub(crate) greets: BTreeMap<PeerId, Range<u32>>,
    /// What to ask whom when the swarm is connected.
    pub(crate) greets_at_once: BTreeMap<PeerId, Range<u32>>,
    out: VecDeque<ToSwarm<(), ()>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the probe wants nobody")]
struct Unwanted;

impl Probe {
    /// Has one of the connections to `peer` answer.
    pub(crate) fn poke(&mut self, peer: PeerId) {
        let handler = NotifyHandler::Any;
        self.out.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event: () });
    }

    /// Hangs up on `peer`: on every connection that an inner behaviour can mean.
    pub(crate) fn hang_up(&mut self, peer: PeerId) {
        let connection = CloseConnection::All;
        self.out.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
    }

    fn make(&mut self) -> Result<Handler, ConnectionDenied> {
        if self.denies {
            return Err(ConnectionDenied::new(Unwanted));
        }
        std::thread::sleep(self.dawdles);
        self.shown.made += 1;
        Ok(Handler::default())
    }

    fn check(&mut self, what: &str, told: usize, known: usize) {
        if told != known {
            self.shown.alarms.push(format!("{what}: told {told}, know {known}"));
        }
    }
}

impl NetworkBehaviour for Probe {
    type ConnectionHandler = Handler;
    type ToSwarm = ();

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        self.make()
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        self.make()
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(new) => {
                let known = self.shown.open.get(&new.peer_id).map_or(0, Vec::len);
                self.check("other_established", new.other_established, known);
                self.shown.established += 1;
                self.shown.open.entry(new.peer_id).or_default().push(new.connection_id);
            }
            FromSwarm::ConnectionClosed(gone) => {
                self.shown.closed += 1;
                let of_peer = self.shown.open.entry(gone.peer_id).or_default();
                let before = of_peer.len();
                of_peer.retain(|id| *id != gone.connection_id);
                let left = of_peer.len();
                if left == 0 {
                    self.shown.open.remove(&gone.peer_id);
                }
                self.check("connections less by one", before, left + 1);
                self.check("remaining_established", gone.remaining_established, left);
            }
            FromSwarm::DialFailure(failure) => {
                self.shown.dial_failures.push(name_of(failure.error));
            }
            FromSwarm::ListenFailure(failure) => self.shown.listen_failures.push(failure.peer_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, word: Word) {
        if !self.shown.open.get(&peer).is_some_and(|known| known.contains(&id)) {
            self.shown.alarms.push(format!("{id} of {peer} speaks and is not open"));
        }
        match word {
            Word::Poked => self.shown.poked.push(id),
            Word::Learned(name) => drop(self.shown.learned.insert(name)),
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<(), ()>> {
        self.out.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

fn name_of(error: &DialError) -> String {
    match error {
        DialError::Denied { .. } => "denied".to_owned(),
        DialError::DialPeerConditionFalse(_) => "condition".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What a connection tells the probe.
#[derive(Debug)]
pub(crate) enum Word {
    Poked,
    Learned(String),
}

/// Answers every poke, and tells what it learns of the remote.
#[derive(Debug, Default)]
pub(crate) struct Handler {
    words: VecDeque<Word>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = ();
    type ToBehaviour = Word;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn on_behaviour_event(&mut self, (): ()) {
        self.words.push_back(Word::Poked);
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Word>> {
        let word = self.words.pop_front().map(ConnectionHandlerEvent::NotifyBehaviour);
        word.map_or(Poll::Pending, Poll::Ready)
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, DeniedUpgrade, DeniedUpgrade>) {
        if let ConnectionEvent::RemoteProtocolsChange(ProtocolsChange::Added(names)) = event {
            self.words.extend(names.map(|name| Word::Learned(name.to_string())));
        }
    }
}
