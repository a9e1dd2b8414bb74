//! A remote that is no node: it speaks identify and ping, and otherwise says what a scenario has it
//! say, byte for byte.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::task::{Context, Poll};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{identify, ping};
use libp2p_core::transport::PortUse;
use libp2p_core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound};
use libp2p_swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, Swarm, SwarmEvent,
    ToSwarm,
};
use tokio::sync::{mpsc, oneshot};

use crate::live::{Live, Log};
use crate::net::{Net, builder, soon};

/// What an outsider may see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    pub(crate) connected: usize,
    pub(crate) disconnected: usize,
    pub(crate) pings: usize,
    /// The protocols that the node says it speaks.
    pub(crate) protocols: Vec<String>,
}

/// A running outsider.
pub(crate) struct Outsider {
    live: Live<All, Sight>,
    pub(crate) key: Keypair,
    accepted: mpsc::Receiver<Stream>,
}

impl Deref for Outsider {
    type Target = Live<All, Sight>;

    fn deref(&self) -> &Self::Target {
        &self.live
    }
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p_swarm::derive_prelude")]
pub(crate) struct All {
    puppet: Puppet,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

impl Outsider {
    pub(crate) async fn start(net: Net) -> Self {
        Self::with_key(net, Keypair::generate_ed25519(), &[]).await
    }

    /// One that accepts substreams of these names.
    pub(crate) async fn accepting(net: Net, names: &[StreamProtocol]) -> Self {
        Self::with_key(net, Keypair::generate_ed25519(), names).await
    }

    pub(crate) async fn with_key(net: Net, key: Keypair, names: &[StreamProtocol]) -> Self {
        let (stream, accepted) = mpsc::channel(512);
        let puppet = Puppet { names: Names(names.into()), stream, out: VecDeque::new() };
        let ping = ping::Config::new().with_interval(std::time::Duration::from_millis(20));
        let all = All {
            puppet,
            identify: identify::Behaviour::new(identify::Config::new("/it/1".into(), key.public())),
            ping: ping::Behaviour::new(ping),
        };
        let swarm = builder(key.clone()).build(all).unwrap();
        Self { live: Live::start(swarm, net).await, key, accepted }
    }

    /// Opens one more connection.
    pub(crate) async fn connect(&self, peer: PeerId, address: &Multiaddr) {
        let before = self.now().connected;
        self.dial_at(peer, address.clone()).await;
        self.until("a connection", |sight| sight.connected > before).await;
    }

    /// Waits until every connection is closed.
    #[track_caller]
    pub(crate) fn shut_out(&self) -> impl Future<Output = Sight> {
        self.until("to be shut out", |sight| {
            sight.connected > 0 && sight.connected == sight.disconnected
        })
    }

    /// Opens a substream. The name may turn out to be refused only when it is read.
    pub(crate) async fn open(&self, peer: PeerId, name: StreamProtocol) -> Stream {
        let opened = soon("a substream", self.request(peer, name).await).await;
        opened.expect("a lazy negotiation succeeds at first")
    }

    /// Asks for a substream; the future yields none if the connection ends first.
    pub(crate) async fn request(
        &self,
        peer: PeerId,
        name: StreamProtocol,
    ) -> impl Future<Output = Option<Stream>> + use<> {
        let (reply, stream) = oneshot::channel();
        self.run(move |swarm| swarm.behaviour_mut().puppet.open(peer, name, reply)).await;
        async move { stream.await.ok() }
    }

    /// The next substream that the node opened.
    pub(crate) async fn accept(&mut self) -> Stream {
        soon("a substream of theirs", self.accepted.recv()).await.expect("the outsider lives")
    }

    /// Goes, and waits until every socket is closed.
    pub(crate) async fn stop(self) {
        self.live.stop().await;
    }
}

/// Writes bytes. What the remote thinks of them shows later, so an error is none yet.
pub(crate) async fn put(stream: &mut Stream, bytes: &[u8]) {
    if stream.write_all(bytes).await.is_ok() {
        drop(stream.flush().await);
    }
}

/// Reads until the remote ends the substream.
pub(crate) async fn rest(stream: &mut Stream) -> Vec<u8> {
    let mut read = Vec::new();
    soon("the end of a substream", async {
        drop(stream.read_to_end(&mut read).await);
    })
    .await;
    read
}

impl Log<All> for Sight {
    fn note(&mut self, event: SwarmEvent<AllEvent>, _: &mut Swarm<All>) {
        match event {
            SwarmEvent::ConnectionEstablished { .. } => self.connected += 1,
            SwarmEvent::ConnectionClosed { .. } => self.disconnected += 1,
            SwarmEvent::Behaviour(AllEvent::Ping(ping)) => {
                self.pings += usize::from(ping.result.is_ok());
            }
            SwarmEvent::Behaviour(AllEvent::Identify(identify::Event::Received {
                info, ..
            })) => {
                self.protocols = info.protocols.iter().map(ToString::to_string).collect();
            }
            _ => {}
        }
    }
}

type Reply = oneshot::Sender<Stream>;

/// Opens and accepts substreams and looks into none.
pub(crate) struct Puppet {
    names: Names,
    stream: mpsc::Sender<Stream>,
    out: VecDeque<ToSwarm<Infallible, (StreamProtocol, Reply)>>,
}

impl Puppet {
    fn open(&mut self, peer_id: PeerId, name: StreamProtocol, reply: Reply) {
        let handler = NotifyHandler::Any;
        self.out.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: (name, reply) });
    }

    fn handler(&self) -> Handler {
        Handler { names: self.names.clone(), stream: self.stream.clone(), wanted: VecDeque::new() }
    }
}

impl NetworkBehaviour for Puppet {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, (StreamProtocol, Reply)>> {
        self.out.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

pub(crate) struct Handler {
    names: Names,
    stream: mpsc::Sender<Stream>,
    wanted: VecDeque<(StreamProtocol, Reply)>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = (StreamProtocol, Reply);
    type ToBehaviour = Infallible;
    type InboundProtocol = Names;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Names> {
        SubstreamProtocol::new(self.names.clone(), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, wanted: (StreamProtocol, Reply)) {
        self.wanted.push_back(wanted);
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Reply, Infallible>> {
        let Some((name, reply)) = self.wanted.pop_front() else { return Poll::Pending };
        let protocol = SubstreamProtocol::new(ReadyUpgrade::new(name), reply);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Names, ReadyUpgrade<StreamProtocol>, (), Reply>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => {
                self.stream.try_send(protocol).expect("a scenario takes its substreams");
            }
            ConnectionEvent::FullyNegotiatedOutbound(negotiated) => {
                drop(negotiated.info.send(negotiated.protocol));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, .. }) => drop(info),
            _ => {}
        }
    }
}

/// Accepts any of some names.
#[derive(Clone, Debug)]
pub(crate) struct Names(Vec<StreamProtocol>);

impl UpgradeInfo for Names {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Names {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
