//! Two nodes connected in memory, and the protocols they run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use handshake::{Semver, SessionInfo, SessionKind};
use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ConnectionId, NetworkBehaviour, Swarm, SwarmEvent};
use machine::Instant;
use meshwork_session::{Behaviour, Config, Event, Message, Outcome, Rate, Registry};
use transport::Builder;
use wire::{Frame, Malformed};

/// A number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Number(pub(crate) u8);

impl Frame for Number {
    const MAX: usize = 1;

    fn encode(&self, out: &mut BytesMut) {
        out.extend_from_slice(&[self.0]);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let missing = Malformed::new("number", wire::Defect::Missing);
        frame.first().copied().map(Self).ok_or(missing)
    }
}

impl Message for Number {
    fn rate(&self) -> Rate {
        Rate::per_second("number", 1_000, 10)
    }
}

/// Two connected nodes.
pub(crate) struct Pair<D: NetworkBehaviour = Behaviour> {
    pub(crate) dialer: Swarm<D>,
    pub(crate) listener: Swarm<Behaviour>,
}

/// What happens at a [`Pair`].
#[derive(Debug)]
pub(crate) enum Side<D: NetworkBehaviour = Behaviour> {
    Dialer(SwarmEvent<D::ToSwarm>),
    Listener(SwarmEvent<Event>),
}

pub(crate) const MEMORY: &str = "/memory/0";

/// A swift node.
pub(crate) const CONFIG: Config =
    Config { jobs_max: 4, grace: Duration::from_millis(50), open_timeout: Duration::from_secs(5) };

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it happens soon")
}

fn session(peer: PeerId, connection: ConnectionId, kind: SessionKind) -> Arc<SessionInfo> {
    Arc::new(SessionInfo {
        peer,
        connection,
        kind,
        declared: kind,
        address: Multiaddr::empty(),
        agent: String::new(),
        version: Semver::default(),
        features: vec![],
        record: None,
        observed: None,
        since: Instant::START,
    })
}

fn behaviour(registry: Registry, peer: PeerId, kind: SessionKind) -> Behaviour {
    Behaviour::new(registry, CONFIG, move |connection| Some(session(peer, connection, kind)))
}

impl Pair {
    /// A node that dials as `kind`, and one that is dialled.
    pub(crate) async fn new(kind: SessionKind, dialer: Registry, listener: Registry) -> Self {
        Self::over(MEMORY, kind, dialer, listener).await
    }

    pub(crate) async fn over(
        transport: &str,
        kind: SessionKind,
        dialer: Registry,
        listener: Registry,
    ) -> Self {
        let dialer = |peer| behaviour(dialer, peer, kind);
        Self::with(transport, dialer, listener, SessionKind::Inbound).await
    }
}

impl<D: NetworkBehaviour<ToSwarm: std::fmt::Debug>> Pair<D> {
    /// Any node that dials, and one that holds the connection as `kind`.
    pub(crate) async fn with(
        transport: &str,
        dialer: impl FnOnce(PeerId) -> D,
        listener: Registry,
        kind: SessionKind,
    ) -> Self {
        let keys = [(); 2].map(|()| Keypair::generate_ed25519());
        let [dials, listens] = keys.each_ref().map(|key| key.public().to_peer_id());
        let [dialing, listening] = keys.map(|key| {
            // No test passes because a connection was idle.
            Builder::new(key).memory().quic().idle_timeout(Duration::from_mins(10))
        });
        let dialer = dialing.build(dialer(listens)).unwrap();
        let inner = behaviour(listener, dials, kind);
        let mut listener = listening.build(inner).unwrap();
        listener.listen_on(transport.parse().unwrap()).unwrap();
        let address = soon(async {
            loop {
                let event = listener.select_next_some().await;
                if let SwarmEvent::NewListenAddr { address, .. } = event {
                    return address;
                }
            }
        })
        .await;
        let mut pair = Self { dialer, listener };
        pair.dialer.dial(address).unwrap();
        pair
    }

    pub(crate) async fn next(&mut self) -> Side<D> {
        soon(async {
            tokio::select! {
                event = self.dialer.select_next_some() => Side::Dialer(event),
                event = self.listener.select_next_some() => Side::Listener(event),
            }
        })
        .await
    }

    /// The listener's next event.
    pub(crate) async fn at_listener(&mut self) -> Event {
        loop {
            if let Side::Listener(SwarmEvent::Behaviour(event)) = self.next().await {
                return event;
            }
        }
    }
}

impl Pair {
    /// How `protocol` ended at the dialer and at the listener, and whether a connection closed by
    /// then.
    pub(crate) async fn ends(&mut self, protocol: &str) -> (Outcome, Outcome, bool) {
        let (mut ends, mut closed) = ((None, None), false);
        loop {
            let (end, event) = match self.next().await {
                Side::Dialer(event) => (&mut ends.0, event),
                Side::Listener(event) => (&mut ends.1, event),
            };
            match event {
                SwarmEvent::ConnectionClosed { .. } => closed = true,
                SwarmEvent::Behaviour(Event::Ended { protocol: ended, outcome, .. })
                    if ended == protocol =>
                {
                    assert!(end.replace(outcome).is_none(), "ended twice");
                }
                _ => {}
            }
            ends = match ends {
                (Some(dialer), Some(listener)) => return (dialer, listener, closed),
                unfinished => unfinished,
            };
        }
    }

    /// Waits until both sides have seen the connection close.
    pub(crate) async fn closed(&mut self) {
        let mut left = 2;
        while left > 0 {
            let (Side::Dialer(event) | Side::Listener(event)) = self.next().await;
            left -= usize::from(matches!(event, SwarmEvent::ConnectionClosed { .. }));
        }
    }
}

/// Counts what lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Arc<AtomicUsize>);

/// One of those counted.
#[derive(Debug)]
pub(crate) struct Life(Arc<AtomicUsize>);

impl Census {
    pub(crate) fn begin(&self) -> Life {
        self.0.fetch_add(1, Ordering::SeqCst);
        Life(Arc::clone(&self.0))
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
