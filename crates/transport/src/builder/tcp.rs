//! TCP that, within one machine, dials from the address it listens on.
//!
//! libp2p's TCP leaves the source address of a dial to the routing table, and that says 127.0.0.1
//! for all of 127.0.0.0/8. Nodes that listen on different loopback addresses would all be seen as
//! that one, and count as one in every limit per subnet. Beyond loopback the routing table knows
//! better than a listening address, and libp2p's way is kept.
//!
//! The source port is a fresh one. Two nodes that dial each other at the same moment, each from the
//! port it listens on, make one connection between them, in which both think that they dialled
//! (TCP's simultaneous open); neither can then secure it. Of 200 such pairs on two cores 13 ended
//! so.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use libp2p::tcp;
use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use tokio::net::TcpSocket;

/// libp2p's TCP with a mind for loopback addresses.
#[derive(Default)]
pub(super) struct Tcp {
    inner: tcp::tokio::Transport,
    /// Where on loopback this transport listens. Bounded by its listeners.
    listening: Vec<(ListenerId, SocketAddr)>,
}

impl Tcp {
    /// Where to dial `remote` from, if this is not left to the routing table.
    fn source(&self, remote: SocketAddr) -> Option<IpAddr> {
        let fits =
            |local: &IpAddr| remote.ip().is_loopback() && local.is_ipv4() == remote.is_ipv4();
        self.listening.iter().map(|(_, local)| local.ip()).find(fits)
    }

    /// Keeps track of the listening addresses.
    fn note<U, E>(&mut self, event: &TransportEvent<U, E>) {
        match event {
            TransportEvent::NewAddress { listener_id, listen_addr } => {
                if let Some(local) = socket_address(listen_addr)
                    && local.ip().is_loopback()
                {
                    self.listening.push((*listener_id, local));
                }
            }
            TransportEvent::AddressExpired { listener_id, listen_addr } => {
                let expired = socket_address(listen_addr).map(|local| (*listener_id, local));
                self.listening.retain(|listening| Some(*listening) != expired);
            }
            TransportEvent::ListenerClosed { listener_id, .. } => {
                self.listening.retain(|(listener, _)| listener != listener_id);
            }
            TransportEvent::ListenerError { .. } | TransportEvent::Incoming { .. } => {}
        }
    }
}

impl Transport for Tcp {
    type Output = tcp::tokio::TcpStream;
    type Error = io::Error;
    type ListenerUpgrade = <tcp::tokio::Transport as Transport>::ListenerUpgrade;
    type Dial = <tcp::tokio::Transport as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let path = socket_address(&address)
            .filter(|remote| remote.port() != 0)
            .and_then(|remote| self.source(remote).map(|source| (source, remote)));
        match path {
            Some((source, remote)) => Ok(connect(source, remote).boxed()),
            None => self.inner.dial(address, options),
        }
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = Pin::new(&mut self.inner).poll(cx);
        if let Poll::Ready(event) = &event {
            self.note(event);
        }
        event
    }
}

/// Connects with `remote` from some port of `source`.
async fn connect(source: IpAddr, remote: SocketAddr) -> io::Result<tcp::tokio::TcpStream> {
    let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(remote).await.map(tcp::tokio::TcpStream)
}

/// The socket address in `/ip4/…/tcp/…` or `/ip6/…/tcp/…`, with a peer id or without.
fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tcp(port), None | Some(Protocol::P2p(_)), None) => {
            Some(SocketAddr::new(ip, port))
        }
        _ => None,
    }
}
