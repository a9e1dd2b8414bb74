//! From a key and a choice of transports to a swarm.

mod bounded_close;
mod tcp;

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use futures::future::Either;
use libp2p::{dns, noise, quic, yamux};
use libp2p_core::muxing::StreamMuxerBox;
use libp2p_core::transport::timeout::TransportTimeout;
use libp2p_core::transport::{Boxed, MemoryTransport};
use libp2p_core::{Transport, upgrade};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{NetworkBehaviour, Swarm};

use self::bounded_close::BoundedClose;
use self::tcp::Tcp;

/// Makes the transport of a node, and the swarm on it.
///
/// TCP and memory are secured with Noise XX and multiplexed with Yamux; QUIC brings both. Protocol
/// names are negotiated lazily: a dialer sends the name together with what follows it, and no
/// round trip is lost to a negotiation with one name on offer.
///
/// # Bounds
/// | quantity | unit | default | bound |
/// |---|---|---|---|
/// | [`Self::connection_timeout`] | time until secured and multiplexed | 10 s | |
/// | [`Self::idle_timeout`] | time | 10 s | |
/// | [`Self::negotiating_inbound_max`] | substreams per connection | 8 | |
/// | [`Self::STREAMS_MAX`] | substreams per connection | 256 | fixed |
/// | Yamux window, per substream | bytes | 256 KiB | grows to twice the bandwidth-delay product of what is read |
/// | Yamux window, all substreams | bytes | 1 GiB | fixed in libp2p |
/// | [`Self::QUIC_STREAM_WINDOW`] | bytes | 4 MiB | fixed |
/// | [`Self::QUIC_CONNECTION_WINDOW`] | bytes | 8 MiB | fixed |
#[derive(Clone, Debug)]
pub struct Builder {
    keypair: Keypair,
    transports: BTreeSet<Kind>,
    dns: bool,
    idle_timeout: Duration,
    negotiating_inbound_max: usize,
    connection_timeout: Duration,
}

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Quic,
    Tcp,
    Memory,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// None was chosen.
    #[error("no transport: choose at least one of tcp, quic and memory")]
    NoTransport,
    /// The key cannot sign the key of the Noise handshake.
    #[error("the identity cannot be used with Noise")]
    Noise(#[source] noise::Error),
    /// The resolver of the system is not configured.
    #[error("cannot read the system's DNS configuration: repair it or do without DNS")]
    Dns(#[source] io::Error),
}

impl Builder {
    /// Most substreams on a connection, both ways, over TCP and memory; over QUIC, most that the
    /// remote may have open.
    pub const STREAMS_MAX: u32 = 256;

    /// Most bytes on one QUIC substream that this node buffers for a slow reader: what a link of
    /// 300 Mbit/s and 100 ms has under way. Half of it halves the speed of one substream there.
    pub const QUIC_STREAM_WINDOW: u32 = 4 * 1024 * 1024;

    /// Most bytes on all substreams of a QUIC connection that this node buffers. Twice the window
    /// of one, so that a stalled substream does not stall the others.
    pub const QUIC_CONNECTION_WINDOW: u32 = 2 * Self::QUIC_STREAM_WINDOW;

    /// A builder for the node that `keypair` names, with no transport yet.
    pub fn new(keypair: Keypair) -> Self {
        Self {
            keypair,
            transports: BTreeSet::new(),
            dns: false,
            idle_timeout: Duration::from_secs(10),
            negotiating_inbound_max: 8,
            connection_timeout: Duration::from_secs(10),
        }
    }

    /// Adds TCP: `/ip4/…/tcp/…`, `/ip6/…/tcp/…`.
    ///
    /// A dial leaves from the port that this node listens on; within this machine from a new port
    /// of the address it listens on, so that who listens on 127.7.0.1 is seen as 127.7.0.1.
    #[must_use]
    pub fn tcp(self) -> Self {
        self.with(Kind::Tcp)
    }

    /// Adds QUIC: `/ip4/…/udp/…/quic-v1`, `/ip6/…/udp/…/quic-v1`.
    ///
    /// A dial leaves from the address and port that this node listens on.
    #[must_use]
    pub fn quic(self) -> Self {
        self.with(Kind::Quic)
    }

    /// Adds the transport inside this process: `/memory/…`.
    #[must_use]
    pub fn memory(self) -> Self {
        self.with(Kind::Memory)
    }

    /// Lets names be dialled (`/dns4/…`, `/dnsaddr/…`), with the resolver that the system is
    /// configured for.
    #[must_use]
    pub const fn dns(mut self) -> Self {
        self.dns = true;
        self
    }

    /// Sets after how long a connection is closed that no protocol needs.
    #[must_use]
    pub const fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.idle_timeout = idle_timeout;
        self
    }

    /// Sets how many substreams that the remote opens may be in negotiation at a time, on one
    /// connection; one more is reset. Each holds up to its window of unread bytes.
    #[must_use]
    pub const fn negotiating_inbound_max(mut self, substreams: usize) -> Self {
        self.negotiating_inbound_max = substreams;
        self
    }

    /// Sets how long a connection may take, both ways, from its first packet until it is secured
    /// and multiplexed; a dialled name is resolved within it.
    #[must_use]
    pub const fn connection_timeout(mut self, connection_timeout: Duration) -> Self {
        self.connection_timeout = connection_timeout;
        self
    }

    /// Makes the swarm. Its tasks run on the tokio runtime that polls it.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build<B: NetworkBehaviour>(self, behaviour: B) -> Result<Swarm<B>, BuildError> {
        let config = libp2p_swarm::Config::with_tokio_executor()
            .with_substream_upgrade_protocol_override(upgrade::Version::V1Lazy)
            .with_max_negotiating_inbound_streams(self.negotiating_inbound_max)
            .with_idle_connection_timeout(self.idle_timeout);
        let peer = self.keypair.public().to_peer_id();
        Ok(Swarm::new(self.transport()?, behaviour, peer, config))
    }

    /// Makes the transport alone.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn transport(&self) -> Result<Boxed<(PeerId, StreamMuxerBox)>, BuildError> {
        let mut chosen: Option<Boxed<_>> = None;
        for kind in &self.transports {
            let next = match kind {
                Kind::Quic => self.quic_transport(),
                Kind::Tcp => self.secured(Tcp::default())?,
                Kind::Memory => self.secured(MemoryTransport::new())?,
            };
            chosen = Some(match chosen {
                None => next,
                Some(others) => {
                    others.or_transport(next).map(|either, _| Either::into_inner(either)).boxed()
                }
            });
        }
        let transport = chosen.ok_or(BuildError::NoTransport)?;
        let transport =
            transport.map(|(peer, muxer), _| (peer, BoundedClose::boxed(muxer))).boxed();
        if self.dns {
            let named = dns::tokio::Transport::system(transport).map_err(BuildError::Dns)?;
            Ok(TransportTimeout::new(named, self.connection_timeout).boxed())
        } else {
            Ok(TransportTimeout::new(transport, self.connection_timeout).boxed())
        }
    }

    fn with(mut self, kind: Kind) -> Self {
        self.transports.insert(kind);
        self
    }

    /// Noise and Yamux on a transport of plain bytes.
    fn secured<T>(&self, plain: T) -> Result<Boxed<(PeerId, StreamMuxerBox)>, BuildError>
    where
        T: Transport<
                Output: Unpin + Send + 'static,
                Error: Send + Sync,
                Dial: Send,
                ListenerUpgrade: Send,
            > + Send
            + Unpin
            + 'static,
        T::Output: futures::AsyncRead + futures::AsyncWrite,
    {
        let mut muxer = yamux::Config::default();
        muxer.set_max_num_streams(Self::STREAMS_MAX as usize);
        Ok(plain
            .upgrade(upgrade::Version::V1Lazy)
            .authenticate(noise::Config::new(&self.keypair).map_err(BuildError::Noise)?)
            .multiplex(muxer)
            .boxed())
    }

    fn quic_transport(&self) -> Boxed<(PeerId, StreamMuxerBox)> {
        let mut config = quic::Config::new(&self.keypair);
        config.handshake_timeout = self.connection_timeout;
        config.max_concurrent_stream_limit = Self::STREAMS_MAX;
        config.max_stream_data = Self::QUIC_STREAM_WINDOW;
        config.max_connection_data = Self::QUIC_CONNECTION_WINDOW;
        quic::tokio::Transport::new(config)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed()
    }
}
