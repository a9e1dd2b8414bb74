//! How many round trips the handshake takes, counted on a link on which everything takes its time.
//!
//! The benchmark of the same name prints what this counts.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite, FutureExt, StreamExt};
use futures_timer::Delay;
use handshake::{Event, Gate, MemoryBans, Sessions, Setup};
use libp2p::{noise, ping, yamux};
use libp2p_core::muxing::StreamMuxerBox;
use libp2p_core::transport::{Boxed, MemoryTransport, Transport};
use libp2p_core::upgrade::Version;
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{Swarm, SwarmEvent};
use machine::Instant;
use transport::clock::Clock;
use transport::pool::Pool;

/// One way. Long enough that what a busy machine adds is little beside it.
const LAG: Duration = Duration::from_millis(100);

/// When each thing happened first, in round trips after the dialer's connection was established.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trips {
    /// The dialer's gate is open.
    pub(crate) dialer_open: f64,
    /// The listener's is. It hears of the connection half a round trip after the dialer.
    pub(crate) listener_open: f64,
    /// The dialer has an answer from behind the listener's gate.
    pub(crate) first_answer: f64,
}

/// Connects two gates once.
///
/// # Panics
///
/// When the connection is refused.
pub(crate) async fn trips() -> Trips {
    let (mut dialer, mut listener) = (gated(), gated());
    let anywhere = "/memory/0".parse().expect("an address");
    listener.listen_on(anywhere).expect("a free place");
    let (clock, mut start) = (Clock::start(), None::<Instant>);
    let [mut dialer_open, mut listener_open, mut first_answer] = [None; 3];
    loop {
        let (dials, event) = tokio::select! {
            event = dialer.select_next_some() => (true, event),
            event = listener.select_next_some() => (false, event),
        };
        let since = start.map(|start| clock.now().since(start).div_duration_f64(2 * LAG));
        match (dials, event) {
            (_, SwarmEvent::NewListenAddr { address, .. }) => {
                dialer.dial(address).expect("nothing stands against it");
            }
            (true, SwarmEvent::ConnectionEstablished { .. }) => start = Some(clock.now()),
            (true, SwarmEvent::Behaviour(Event::Opened(_))) => dialer_open = since,
            (false, SwarmEvent::Behaviour(Event::Opened(_))) => listener_open = since,
            (true, SwarmEvent::Behaviour(Event::Inner(_))) => {
                first_answer = first_answer.or(since);
            }
            (_, SwarmEvent::Behaviour(Event::Refused { refusal, .. })) => panic!("{refusal}"),
            _ => {}
        }
        if let (Some(dialer_open), Some(listener_open), Some(first_answer)) =
            (dialer_open, listener_open, first_answer)
        {
            return Trips { dialer_open, listener_open, first_answer };
        }
    }
}

/// A gate with ping behind it, otherwise as the builder makes a swarm: Noise, Yamux, lazy
/// negotiation.
fn gated() -> Swarm<Gate<ping::Behaviour>> {
    let key = Keypair::generate_ed25519();
    let local = key.public().to_peer_id();
    let setup = Setup {
        local,
        params: handshake::Config::default().check().expect("the defaults are sound"),
        names: vec![ping::PROTOCOL_NAME],
        pool: Pool::new(NonZeroUsize::MIN, 8).expect("a thread"),
        sessions: Sessions::default(),
        // Two nodes with equal nonces would take each other for themselves.
        seed: key.derive_secret(b"nonces").expect("an Ed25519 key has a secret"),
    };
    let gate = Gate::new(|_| ping::Behaviour::default(), setup, MemoryBans::default());
    let config = libp2p_swarm::Config::with_tokio_executor()
        .with_substream_upgrade_protocol_override(Version::V1Lazy);
    Swarm::new(lagging_transport(&key), gate, local, config)
}

fn lagging_transport(key: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
    let clock = Clock::start();
    MemoryTransport::new()
        .map(move |inner, _| Lagging {
            inner,
            clock,
            arrived: VecDeque::new(),
            timer: None,
            ended: false,
        })
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key).expect("an Ed25519 key signs"))
        .multiplex(yamux::Config::default())
        .boxed()
}

/// One end of a link.
struct Lagging<S> {
    inner: S,
    clock: Clock,
    /// What has arrived, and when it may be read.
    arrived: VecDeque<(Instant, Vec<u8>)>,
    timer: Option<(Instant, Delay)>,
    ended: bool,
}

impl<S: AsyncRead + Unpin> Lagging<S> {
    /// Takes in what is there, and notes when it came.
    fn take_in(&mut self, cx: &mut Context<'_>) {
        let mut buffer = [0; 4096];
        while !self.ended {
            let Poll::Ready(read) = Pin::new(&mut self.inner).poll_read(cx, &mut buffer) else {
                return;
            };
            match read {
                Ok(len @ 1..) => {
                    let due = self.clock.now().after(LAG);
                    self.arrived.push_back((due, buffer[..len].to_vec()));
                }
                Ok(0) | Err(_) => self.ended = true,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lagging<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.take_in(cx);
        loop {
            let now = self.clock.now();
            let Some((due, first)) = self.arrived.front_mut() else {
                return if self.ended { Poll::Ready(Ok(0)) } else { Poll::Pending };
            };
            if *due <= now {
                let len = first.len().min(out.len());
                out[..len].copy_from_slice(&first[..len]);
                first.drain(..len);
                if first.is_empty() {
                    self.arrived.pop_front();
                }
                return Poll::Ready(Ok(len));
            }
            let due = *due;
            if self.timer.as_ref().is_none_or(|(armed, _)| *armed != due) {
                self.timer = Some((due, Delay::new(due.since(now))));
            }
            if let Some((_, timer)) = &mut self.timer {
                futures::ready!(timer.poll_unpin(cx));
                self.timer = None;
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lagging<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
