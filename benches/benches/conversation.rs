//! What the conversation adapter costs: messages through a core and the adapter, beside the same
//! frames on a bare substream of the same swarm builder.
//!
//! Both sides keep [`WINDOW`] messages unacknowledged, and acknowledge every [`ACK_EVERY`], over TCP
//! on loopback. The ratio is the median over pairs of our speed by theirs.
//!
//! `cargo bench -p meshwork-benches --bench conversation [-- --quick]`

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use libp2p::PeerId;
use libp2p::identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, StreamProtocol, Swarm, SwarmEvent};
use machine::{Effect, Effects, Input, Machine};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use transport::session::{self, Substream};
use transport::{Builder, NoJobs, conversation};
use wire::{Defect, Frame, Malformed};

/// Messages that may be unacknowledged: what the adapter's outbox holds by default.
const WINDOW: u32 = 256;
/// One acknowledgement per this many messages.
const ACK_EVERY: u32 = 64;
/// A measurement that takes longer than this is a fault, not a result.
const DEADLINE: Duration = Duration::from_mins(2);
const NAME: &str = "/meshwork/bench/flood/1";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Debug)]
enum Message {
    Data(Bytes),
    Ack(u32),
}

impl Frame for Message {
    const MAX: usize = 64 * 1024;

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Data(payload) => {
                out.put_u8(0);
                out.put_slice(payload);
            }
            Self::Ack(count) => {
                out.put_u8(1);
                out.put_u32(*count);
            }
        }
    }

    fn decode(mut frame: Bytes) -> Result<Self, Malformed> {
        match frame.try_get_u8() {
            Ok(0) => Ok(Self::Data(frame)),
            Ok(1) if frame.len() == 4 => Ok(Self::Ack(frame.get_u32())),
            _ => Err(Malformed::new("message.kind", Defect::Invalid)),
        }
    }
}

/// Sends as many messages as it is told to, and acknowledges what it hears.
#[derive(Debug, Default)]
struct Flood {
    to: Option<PeerId>,
    left: u32,
    unacknowledged: u32,
    payload: Bytes,
    heard: u32,
    effects: Effects<Self>,
}

#[derive(Debug)]
struct Start {
    to: PeerId,
    count: u32,
    payload: Bytes,
}

#[derive(Debug)]
enum News {
    Joined(PeerId),
    Done,
}

impl Flood {
    fn send(&mut self) {
        let Some(peer) = self.to else { return };
        while self.left > 0 && self.unacknowledged < WINDOW {
            self.left -= 1;
            self.unacknowledged += 1;
            let message = Message::Data(self.payload.clone());
            self.effects.push(Effect::Send { peer, message });
        }
    }

    fn hear(&mut self, peer: PeerId, message: &Message) {
        match message {
            Message::Data(_) => {
                self.heard += 1;
                if self.heard.is_multiple_of(ACK_EVERY) {
                    let message = Message::Ack(ACK_EVERY);
                    self.effects.push(Effect::Send { peer, message });
                }
            }
            Message::Ack(count) => {
                self.unacknowledged -= count;
                self.send();
                if self.left == 0 && self.unacknowledged == 0 {
                    self.effects.push(Effect::Emit(News::Done));
                }
            }
        }
    }
}

impl Machine for Flood {
    const NAMES: &'static [&'static str] = &[NAME];
    type Message = Message;
    type Command = Start;
    type Event = News;
    type Fault = Infallible;
    type Job = Infallible;
    type Done = Infallible;

    fn handle(&mut self, input: Input<Self>, _: machine::Instant) {
        match input {
            Input::Joined { peer, .. } => self.effects.push(Effect::Emit(News::Joined(peer))),
            Input::Received { peer, message } => self.hear(peer, &message),
            Input::Command(Start { to, count, payload }) => {
                (self.to, self.left, self.payload) = (Some(to), count, payload);
                self.send();
            }
            Input::Undelivered { cause, .. } => panic!("the window fits the outbox: {cause}"),
            Input::Left { .. } | Input::Done { .. } | Input::Wall(_) => {}
        }
    }

    fn tick(&mut self, _: machine::Instant) {}

    fn next_deadline(&self) -> Option<machine::Instant> {
        None
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.effects.pop()
    }
}

fn main() -> Result<(), Failure> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let pairs = if quick { 5 } else { 21 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for (name, bytes, count) in [("64_bytes", 64, 64_000_u32), ("1_kib", 1024, 32_000)] {
        let count = if quick { count / 4 } else { count };
        let payload = Bytes::from(vec![0x5a; bytes]);
        runtime.block_on(compare(name, &payload, count, pairs))?;
    }
    Ok(())
}

/// Measures both sides in pairs and prints the line of the report.
#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
async fn compare(name: &str, payload: &Bytes, count: u32, pairs: usize) -> Result<(), Failure> {
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        let first = pair % 2 == 0;
        for adapter in [first, !first] {
            let seconds = if adapter {
                timeout(DEADLINE, through_adapter(payload.clone(), count)).await??
            } else {
                timeout(DEADLINE, on_substream(payload.clone(), count)).await??
            };
            if adapter { &mut ours } else { &mut bare }.push(f64::from(count) / seconds);
        }
        ratios.extend(ours.last().zip(bare.last()).map(|(ours, bare)| ours / bare));
    }
    let (ratio, ours, bare) = (median(ratios), median(ours), median(bare));
    println!(
        "ratio conversation/tcp/{name} {ratio:.2} (ours {ours:.0} messages/s, bare {bare:.0})"
    );
    Ok(())
}

/// Seconds for `count` messages and their acknowledgements, core to core.
async fn through_adapter(payload: Bytes, count: u32) -> Result<f64, Failure> {
    let node = || {
        let flood = Flood::default();
        let behaviour =
            conversation::Behaviour::new(flood, NoJobs, conversation::Config::default());
        Builder::new(Keypair::generate_ed25519()).tcp().build(behaviour)
    };
    let (mut listener, mut dialer) = (node()?, node()?);
    connect(&mut listener, &mut dialer).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            listener.select_next_some().await;
        }
    });
    let to = loop {
        if let SwarmEvent::Behaviour(transport::Event::Core(News::Joined(peer))) =
            dialer.select_next_some().await
        {
            break peer;
        }
    };
    let start = Instant::now();
    dialer.behaviour_mut().command(Start { to, count, payload });
    loop {
        if let SwarmEvent::Behaviour(transport::Event::Core(News::Done)) =
            dialer.select_next_some().await
        {
            return Ok(start.elapsed().as_secs_f64());
        }
    }
}

/// The same frames on one bare substream, written and read by two tasks that do nothing else.
async fn on_substream(payload: Bytes, count: u32) -> Result<f64, Failure> {
    let name = StreamProtocol::new(NAME);
    let node = || {
        let accepted = name.clone();
        let accept = move |_, _| vec![accepted.clone()];
        let behaviour = session::Behaviour::new(session::Config::default(), accept);
        Builder::new(Keypair::generate_ed25519()).tcp().build(behaviour)
    };
    let (mut listener, mut dialer) = (node()?, node()?);
    connect(&mut listener, &mut dialer).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut echoes = JoinSet::new();
        loop {
            if let SwarmEvent::Behaviour(session::Event::Incoming { stream, .. }) =
                listener.select_next_some().await
            {
                echoes.spawn(acknowledge(stream));
            }
        }
    });
    let (opened, stream) = oneshot::channel();
    tasks.spawn(open(dialer, name, opened));
    let mut frames = wire::frame::framed::<_, Message>(stream.await?);
    let start = Instant::now();
    let (mut left, mut unacknowledged) = (count, 0);
    while left > 0 || unacknowledged > 0 {
        while left > 0 && unacknowledged < WINDOW {
            frames.feed(Message::Data(payload.clone())).await?;
            left -= 1;
            unacknowledged += 1;
        }
        frames.flush().await?;
        if let Some(Message::Ack(count)) = frames.next().await.transpose()? {
            unacknowledged -= count;
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Drives the dialer, and hands out a substream to its only peer.
async fn open(
    mut dialer: Swarm<session::Behaviour>,
    name: StreamProtocol,
    opened: oneshot::Sender<Substream>,
) {
    let mut opened = Some(opened);
    loop {
        match dialer.select_next_some().await {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                dialer.behaviour_mut().open(peer_id, connection_id, vec![name.clone()]);
            }
            SwarmEvent::Behaviour(session::Event::Opened { stream, .. }) => {
                if let Some(opened) = opened.take() {
                    opened.send(stream).ok();
                }
            }
            _ => {}
        }
    }
}

async fn acknowledge(stream: Substream) -> Result<(), Failure> {
    let mut frames = wire::frame::framed::<_, Message>(stream);
    let mut heard = 0_u32;
    while let Some(message) = frames.next().await.transpose()? {
        if let Message::Data(_) = message {
            heard += 1;
            if heard.is_multiple_of(ACK_EVERY) {
                frames.send(Message::Ack(ACK_EVERY)).await?;
            }
        }
    }
    Ok(())
}

/// Lets `dialer` dial `listener`, and the listener hear of it.
async fn connect<B: NetworkBehaviour>(
    listener: &mut Swarm<B>,
    dialer: &mut Swarm<B>,
) -> Result<(), Failure> {
    listener.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = listener.select_next_some().await {
            break address;
        }
    };
    dialer.dial(address)?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
