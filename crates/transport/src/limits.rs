//! How many connections the node holds, in total, per peer, per subnet, and while they are opened.
//!
//! [`Behaviour`] goes into the swarm beside the protocols, outside the gate of the handshake. It
//! refuses a connection with a typed [`Exceeded`] inside the [`ConnectionDenied`], counts the
//! refusals by [`Limit`], and gives every slot back whichever way the connection ends.
//!
//! A remote's connection is measured twice: when it arrives, before anything is read from it, and
//! when it is secured and the peer is known. Connections without an IP address (memory, a dialled
//! name) have no subnet and count only in the other limits.
//!
//! # Security
//! Over QUIC the address of a connection is not proven before the connection is secured. Whoever
//! can forge source addresses can fill the pending slots of a subnet, until the connection
//! timeout of the [`Builder`](crate::Builder) frees them; established slots cannot be forged.
//!
//! This is not `libp2p-connection-limits`: that one knows no subnets, does not say which of its
//! limits was exceeded in a way that a program can read, and keeps an entry for every peer id that
//! ever connected.

mod config;
mod ledger;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};

use libp2p_core::transport::PortUse;
use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};

pub use self::config::{Config, ConfigError, ESTABLISHED_MAX, PENDING_MAX, PER_PEER_MAX, Params};
pub use self::ledger::Counts;
use self::ledger::{Ledger, Slot};
use crate::address::Subnet;

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// [`Config::established_inbound_max`].
    EstablishedInbound,
    /// [`Config::established_outbound_max`].
    EstablishedOutbound,
    /// [`Config::established_max`].
    Established,
    /// [`Config::per_peer_max`].
    PerPeer,
    /// [`Config::per_subnet_max`].
    PerSubnet,
    /// [`Config::pending_inbound_max`].
    PendingInbound,
    /// [`Config::pending_outbound_max`].
    PendingOutbound,
    /// [`Config::pending_per_subnet_max`].
    PendingPerSubnet,
}

impl Limit {
    /// The field of [`Config`] that sets it, which is also its name in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EstablishedInbound => "established_inbound_max",
            Self::EstablishedOutbound => "established_outbound_max",
            Self::Established => "established_max",
            Self::PerPeer => "per_peer_max",
            Self::PerSubnet => "per_subnet_max",
            Self::PendingInbound => "pending_inbound_max",
            Self::PendingOutbound => "pending_outbound_max",
            Self::PendingPerSubnet => "pending_per_subnet_max",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A connection over a limit: the cause inside a [`ConnectionDenied`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one connection too many: {limit} is {value}")]
pub struct Exceeded {
    /// Which limit.
    pub limit: Limit,
    /// Its value.
    pub value: u32,
}

/// Refuses connections over the limits. Opens no substream.
#[derive(Debug)]
pub struct Behaviour {
    config: Config,
    ledger: Ledger,
    refused: BTreeMap<Limit, u64>,
}

impl Behaviour {
    /// A behaviour that enforces `params`.
    pub fn new(params: Params) -> Self {
        Self { config: *params.config(), ledger: Ledger::default(), refused: BTreeMap::new() }
    }

    /// The connections there are.
    pub const fn counts(&self) -> Counts {
        self.ledger.counts()
    }

    /// How often each limit has refused a connection; limits that never did are left out.
    pub fn refused(&self) -> impl ExactSizeIterator<Item = (Limit, u64)> {
        self.refused.iter().map(|(limit, times)| (*limit, *times))
    }

    /// A remote's connection, of which only the address is known.
    fn admit_pending_inbound(&self, subnet: Option<Subnet>) -> Result<(), Exceeded> {
        let (config, counts) = (&self.config, self.ledger.counts());
        below(Limit::PendingInbound, counts.pending_inbound, config.pending_inbound_max)?;
        if let Some(subnet) = subnet {
            let pending = self.ledger.pending_of_subnet(&subnet);
            below(Limit::PendingPerSubnet, pending, config.pending_per_subnet_max)?;
        }
        // What is full now is refused now, and not after a key exchange.
        self.admit_established(true, subnet)
    }

    fn admit_established(&self, inbound: bool, subnet: Option<Subnet>) -> Result<(), Exceeded> {
        let (config, counts) = (&self.config, self.ledger.counts());
        if inbound {
            let count = counts.established_inbound;
            below(Limit::EstablishedInbound, count, config.established_inbound_max)?;
        } else {
            let count = counts.established_outbound;
            below(Limit::EstablishedOutbound, count, config.established_outbound_max)?;
        }
        below(Limit::Established, counts.established(), config.established_max)?;
        match subnet {
            None => Ok(()),
            Some(subnet) => {
                below(Limit::PerSubnet, self.ledger.of_subnet(&subnet), config.per_subnet_max)
            }
        }
    }

    /// A secured connection, of which everything is known. The swarm reports at once whether it
    /// is established or has failed, and only then does it leave its pending slot.
    fn settle(
        &mut self,
        inbound: bool,
        peer: &PeerId,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let admitted = self.admit_established(inbound, Subnet::of(remote)).and_then(|()| {
            below(Limit::PerPeer, self.ledger.of_peer(peer), self.config.per_peer_max)
        });
        self.counted(admitted)
    }

    /// Books a connection that every behaviour has accepted.
    fn establish(&mut self, connection: ConnectionId, peer: PeerId, endpoint: &ConnectedPoint) {
        let subnet = Subnet::of(endpoint.get_remote_address());
        let inbound = endpoint.is_listener();
        self.ledger.take(connection, Slot::Established { inbound, peer, subnet });
    }

    /// Counts a refusal and makes it one that the swarm understands.
    fn counted(&mut self, admitted: Result<(), Exceeded>) -> Result<(), ConnectionDenied> {
        admitted.map_err(|exceeded| {
            *self.refused.entry(exceeded.limit).or_default() += 1;
            tracing::debug!(limit = %exceeded.limit, value = exceeded.value, "connection refused");
            ConnectionDenied::new(exceeded)
        })
    }
}

fn below(limit: Limit, count: u32, value: u32) -> Result<(), Exceeded> {
    if count < value { Ok(()) } else { Err(Exceeded { limit, value }) }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let subnet = Subnet::of(remote);
        let admitted = self.admit_pending_inbound(subnet);
        self.counted(admitted)?;
        self.ledger.take(connection, Slot::PendingInbound { subnet });
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _connection: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.settle(true, &peer, remote)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _peer: Option<PeerId>,
        _addresses: &[Multiaddr],
        _role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let count = self.ledger.counts().pending_outbound;
        let max = self.config.pending_outbound_max;
        self.counted(below(Limit::PendingOutbound, count, max))?;
        self.ledger.take(connection, Slot::PendingOutbound);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _role: Endpoint,
        _port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.settle(false, &peer, remote)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.establish(event.connection_id, event.peer_id, event.endpoint);
            }
            FromSwarm::AddressChange(event) => {
                self.establish(event.connection_id, event.peer_id, event.new);
            }
            FromSwarm::ConnectionClosed(event) => self.ledger.free(event.connection_id),
            FromSwarm::DialFailure(event) => self.ledger.free(event.connection_id),
            FromSwarm::ListenFailure(event) => self.ledger.free(event.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
