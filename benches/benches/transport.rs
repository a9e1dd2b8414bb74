//! What the builder costs: a stream through it beside the same stream on a bare libp2p swarm.
//!
//! For TCP and QUIC on loopback, in one run: bulk throughput in one direction, and round trips of
//! one byte. Both sides are measured in pairs, the first of a pair changing each time; the ratio is
//! the median over the pairs of our speed by theirs, so above 1 ours is faster.
//!
//! `cargo bench -p meshwork-benches --bench transport [-- --quick]`

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::{PeerId, SwarmBuilder, noise, tcp, yamux};
use libp2p_core::transport::PortUse;
use libp2p_core::upgrade::ReadyUpgrade;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p_swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, Stream, StreamProtocol, SubstreamProtocol, Swarm, SwarmEvent, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use transport::Builder;

const NAME: StreamProtocol = StreamProtocol::new("/meshwork/bench/1");

/// Bytes in one write. More gains nothing: Yamux cuts frames of 16 KiB, QUIC packets of 1.4.
const WRITE_BYTES: usize = 64 * 1024;

/// A measurement that takes longer than this is a fault, not a result.
const DEADLINE: Duration = Duration::from_mins(2);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How much is measured.
struct Load {
    pairs: usize,
    bulk_bytes: usize,
    round_trips: u32,
}

const FULL: Load = Load { pairs: 31, bulk_bytes: 64 << 20, round_trips: 3_000 };
const QUICK: Load = Load { pairs: 7, bulk_bytes: 16 << 20, round_trips: 500 };

/// Whose swarm.
#[derive(Clone, Copy)]
enum Side {
    Ours,
    Bare,
}

/// What is measured.
#[derive(Clone, Copy)]
enum Question {
    Bulk,
    RoundTrip,
}

/// What a [`Question`] is answered with.
#[derive(Clone, Copy)]
struct Answer {
    question: Question,
    /// Gigabits per second, or round trips per second: more is better.
    speed: f64,
}

fn main() -> Result<(), Failure> {
    let load = if std::env::args().any(|argument| argument == "--quick") { QUICK } else { FULL };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        for (transport, listen) in
            [("tcp", "/ip4/127.0.0.1/tcp/0"), ("quic", "/ip4/127.0.0.1/udp/0/quic-v1")]
        {
            for (name, question) in [("bulk", Question::Bulk), ("round_trip", Question::RoundTrip)]
            {
                compare(&format!("transport/{transport}/{name}"), listen, question, &load).await?;
            }
        }
        Ok(())
    })
}

/// Measures both sides in pairs and prints the line of the report.
#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
async fn compare(name: &str, listen: &str, question: Question, load: &Load) -> Result<(), Failure> {
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..load.pairs {
        let order = if pair % 2 == 0 { [Side::Ours, Side::Bare] } else { [Side::Bare, Side::Ours] };
        for side in order {
            let speed = timeout(DEADLINE, measure(side, listen, question, load)).await??;
            match side {
                Side::Ours => ours.push(speed),
                Side::Bare => bare.push(speed),
            }
        }
        ratios.extend(ours.last().zip(bare.last()).map(|(ours, bare)| ours / bare));
    }
    let answer = |speeds| Answer { question, speed: median(speeds) };
    let ratio = median(ratios);
    println!("ratio {name} {ratio:.2} (ours {}, bare {})", answer(ours), answer(bare));
    Ok(())
}

/// The speed of one stream on one new connection.
async fn measure(
    side: Side,
    listen: &str,
    question: Question,
    load: &Load,
) -> Result<f64, Failure> {
    let (mut listener, mut dialer) = (swarm(side)?, swarm(side)?);
    listener.listen_on(listen.parse()?)?;
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = listener.select_next_some().await {
            break address;
        }
    };
    dialer.dial(address)?;
    // Both swarms go on by themselves; the set ends them with the measurement.
    let mut tasks = JoinSet::new();
    let (accepted, remote) = tokio::sync::oneshot::channel();
    let (opened, local) = tokio::sync::oneshot::channel();
    tasks.spawn(run(listener, accepted));
    tasks.spawn(run(dialer, opened));
    let mut stream = local.await?;
    // The name is negotiated with the first bytes, so the remote's end comes to be with them.
    let bulk = load.bulk_bytes;
    match question {
        Question::Bulk => {
            tasks.spawn(async move {
                if let Ok(stream) = remote.await {
                    take(stream).await.ok();
                }
            });
            // Windows and congestion control settle on the first part.
            give(&mut stream, bulk / 8).await?;
            let start = Instant::now();
            give(&mut stream, bulk).await?;
            Ok(bits(bulk) / start.elapsed().as_secs_f64() / 1e9)
        }
        Question::RoundTrip => {
            tasks.spawn(async move {
                if let Ok(stream) = remote.await {
                    echo(stream).await.ok();
                }
            });
            ask(&mut stream, load.round_trips / 8).await?;
            let start = Instant::now();
            ask(&mut stream, load.round_trips).await?;
            Ok(f64::from(load.round_trips) / start.elapsed().as_secs_f64())
        }
    }
}

fn swarm(side: Side) -> Result<Swarm<Behaviour>, Failure> {
    let keypair = Keypair::generate_ed25519();
    Ok(match side {
        Side::Ours => Builder::new(keypair).tcp().quic().build(Behaviour::default())?,
        Side::Bare => SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
            .with_quic()
            .with_behaviour(|_| Behaviour::default())?
            .build(),
    })
}

/// Drives a swarm for ever and hands out its first stream.
async fn run(mut swarm: Swarm<Behaviour>, stream: tokio::sync::oneshot::Sender<Stream>) {
    let mut stream = Some(stream);
    loop {
        if let SwarmEvent::Behaviour(first) = swarm.select_next_some().await
            && let Some(waiting) = stream.take()
        {
            waiting.send(first).ok();
        }
    }
}

/// Sends `bytes` bytes and waits until the remote has them all.
async fn give(stream: &mut Stream, bytes: usize) -> io::Result<()> {
    let length = u64::try_from(bytes).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    let block = vec![0x5a; WRITE_BYTES];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(WRITE_BYTES);
        stream.write_all(&block[..part]).await?;
        left -= part;
    }
    stream.flush().await?;
    stream.read_exact(&mut [0]).await
}

/// The other end of [`give`].
async fn take(mut stream: Stream) -> io::Result<()> {
    let mut block = vec![0; WRITE_BYTES];
    loop {
        let mut length = [0; 8];
        stream.read_exact(&mut length).await?;
        let mut left = usize::try_from(u64::from_be_bytes(length)).map_err(io::Error::other)?;
        while left > 0 {
            let part = left.min(WRITE_BYTES);
            match stream.read(&mut block[..part]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= read,
            }
        }
        stream.write_all(&[1]).await?;
        stream.flush().await?;
    }
}

/// Sends one byte and waits for its echo, `times` times.
async fn ask(stream: &mut Stream, times: u32) -> io::Result<()> {
    let mut byte = [1];
    for _ in 0..times {
        stream.write_all(&byte).await?;
        stream.flush().await?;
        stream.read_exact(&mut byte).await?;
    }
    Ok(())
}

/// The other end of [`ask`].
async fn echo(mut stream: Stream) -> io::Result<()> {
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).await?;
        stream.write_all(&byte).await?;
        stream.flush().await?;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few gigabits are far below 2^53")]
fn bits(bytes: usize) -> f64 {
    bytes as f64 * 8.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.question {
            Question::Bulk => write!(f, "{:.2} Gbit/s", self.speed),
            Question::RoundTrip => write!(f, "{:.1} µs", 1e6 / self.speed),
        }
    }
}

/// Opens one stream on each connection that it dials, and hands out every stream.
#[derive(Default)]
struct Behaviour {
    streams: VecDeque<Stream>,
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Stream;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler { to_open: false, streams: VecDeque::new() })
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler { to_open: true, streams: VecDeque::new() })
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        stream: THandlerOutEvent<Self>,
    ) {
        self.streams.push_back(stream);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Stream, THandlerInEvent<Self>>> {
        // The swarm polls again after each event of a handler, so no waker is needed.
        self.streams.pop_front().map_or(Poll::Pending, |s| Poll::Ready(ToSwarm::GenerateEvent(s)))
    }
}

/// One connection.
struct Handler {
    to_open: bool,
    streams: VecDeque<Stream>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = std::convert::Infallible;
    type ToBehaviour = Stream;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(NAME), ())
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {}
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.streams.push_back(protocol),
            _ => {}
        }
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Stream>> {
        if std::mem::take(&mut self.to_open) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(NAME), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        let next = self.streams.pop_front();
        next.map_or(Poll::Pending, |s| Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(s)))
    }
}
