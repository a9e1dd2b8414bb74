//! A core that says what it is told to say, and tells everything it hears.

use std::convert::Infallible;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use libp2p_identity::Keypair;
use libp2p_swarm::{ConnectionId, Swarm, SwarmEvent};
use machine::{Effect, Effects, Input, Instant, Machine, PeerId, Undelivered};
use transport::conversation::{Behaviour, Config, Counts};
use transport::{Event, NoJobs};
use wire::{Defect, Frame, Malformed};

use crate::live::{Live, Log};
use crate::net::{Net, builder, soon};

/// The names that a herald speaks.
pub(crate) trait Names: Debug + Send + Unpin + 'static {
    const NAMES: &'static [&'static str];
}

/// Only the first version.
#[derive(Debug)]
pub(crate) struct Old;

impl Names for Old {
    const NAMES: &'static [&'static str] = &["/herald/1"];
}

/// A numbered message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Note {
    pub(crate) number: u32,
    /// What makes it long.
    pub(crate) padding: Bytes,
}

impl Frame for Note {
    const MAX: usize = 32 * 1024;

    fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.number);
        out.put_slice(&self.padding);
    }

    fn decode(mut frame: Bytes) -> Result<Self, Malformed> {
        let number = frame.try_get_u32();
        let number = number.map_err(|_| Malformed::new("note.number", Defect::Truncated))?;
        Ok(Self { number, padding: frame })
    }
}

#[derive(Debug)]
pub(crate) enum Command {
    Say(PeerId, Note),
    HangUp(PeerId),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum News {
    Joined(&'static str),
    Left,
    Heard(u32),
    /// It came back.
    Back(u32, Undelivered),
}

#[derive(Debug)]
pub(crate) struct Core<N: Names> {
    effects: Effects<Self>,
    names: PhantomData<N>,
}

impl<N: Names> Machine for Core<N> {
    const NAMES: &'static [&'static str] = N::NAMES;

    type Message = Note;
    type Command = Command;
    type Event = News;
    type Fault = Infallible;
    type Job = Infallible;
    type Done = Infallible;

    fn handle(&mut self, input: Input<Self>, _: Instant) {
        let news = match input {
            Input::Joined { name, .. } => News::Joined(name),
            Input::Left { .. } => News::Left,
            Input::Received { message, .. } => News::Heard(message.number),
            Input::Undelivered { message, cause, .. } => News::Back(message.number, cause),
            Input::Command(Command::Say(peer, message)) => {
                return self.effects.push(Effect::Send { peer, message });
            }
            Input::Command(Command::HangUp(peer)) => {
                return self.effects.push(Effect::Close { peer });
            }
            Input::Done { outcome, .. } => match outcome {
                Ok(never) => match never {},
                Err(_) => return,
            },
            Input::Wall(_) => return,
        };
        self.effects.push(Effect::Emit(news));
    }

    fn tick(&mut self, _: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.effects.pop()
    }
}

/// What came out of a herald's swarm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) news: Vec<News>,
    pub(crate) malformed: Vec<Malformed>,
    /// The connections, oldest first, gone or not.
    pub(crate) links: Vec<ConnectionId>,
    pub(crate) disconnected: usize,
}

impl Told {
    /// The numbers of what was heard, in order.
    pub(crate) fn heard(&self) -> Vec<u32> {
        let heard = |news: &News| match news {
            News::Heard(number) => Some(*number),
            _ => None,
        };
        self.news.iter().filter_map(heard).collect()
    }

    /// The numbers of what came back for `why`, in order.
    pub(crate) fn back(&self, why: Undelivered) -> Vec<u32> {
        let back = |news: &News| match news {
            News::Back(number, cause) if *cause == why => Some(*number),
            _ => None,
        };
        self.news.iter().filter_map(back).collect()
    }

    /// How often a peer joined and left.
    pub(crate) fn visits(&self) -> (usize, usize) {
        let joined = self.news.iter().filter(|news| matches!(news, News::Joined(_)));
        let left = self.news.iter().filter(|news| matches!(news, News::Left));
        (joined.count(), left.count())
    }
}

impl<N: Names> Log<Behaviour<Core<N>>> for Told {
    fn note(&mut self, event: SwarmEvent<Event<Core<N>>>, _: &mut Swarm<Behaviour<Core<N>>>) {
        match event {
            SwarmEvent::Behaviour(Event::Core(news)) => self.news.push(news),
            SwarmEvent::Behaviour(Event::Malformed { error, .. }) => self.malformed.push(error),
            SwarmEvent::Behaviour(Event::Fault { fault, .. }) => match fault {},
            SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                self.links.push(connection_id);
            }
            SwarmEvent::ConnectionClosed { .. } => self.disconnected += 1,
            _ => {}
        }
    }
}

/// A running herald.
pub(crate) type Herald<N = Old> = Live<Behaviour<Core<N>>, Told>;

impl<N: Names> Herald<N> {
    pub(crate) async fn new(net: Net) -> Self {
        Self::timed(net, Config::default().open_timeout, Duration::from_secs(10)).await
    }

    /// One that waits for a conversation to begin no longer than `open_timeout`, and closes a
    /// connection that nothing holds after `idle`.
    pub(crate) async fn timed(net: Net, open_timeout: Duration, idle: Duration) -> Self {
        let config = Config { open_timeout, ..Config::default() };
        let core = Core { effects: Effects::default(), names: PhantomData };
        let behaviour = Behaviour::new(core, NoJobs, config);
        let builder = builder(Keypair::generate_ed25519()).idle_timeout(idle);
        Self::start(builder.build(behaviour).unwrap(), net).await
    }

    /// Waits until the counts satisfy `enough`.
    pub(crate) async fn counted(&self, what: &str, enough: impl Fn(&Counts) -> bool) -> Counts {
        soon(what, async {
            loop {
                let counts = self.run(|swarm| swarm.behaviour().counts()).await;
                if enough(&counts) {
                    return counts;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// Says `numbers`, each in `len` bytes, all at once. What cannot be taken is back by then.
    pub(crate) async fn say(&self, peer: PeerId, numbers: Range<u32>, len: usize) -> Told {
        self.run(move |swarm| say(swarm, peer, numbers, len)).await;
        self.settle().await
    }
}

/// Says `numbers`, each in `len` bytes.
pub(crate) fn say<N: Names>(
    swarm: &mut Swarm<Behaviour<Core<N>>>,
    peer: PeerId,
    numbers: Range<u32>,
    len: usize,
) {
    let padding = Bytes::from(vec![0; len.saturating_sub(4)]);
    for number in numbers {
        let note = Note { number, padding: padding.clone() };
        swarm.behaviour_mut().command(Command::Say(peer, note));
    }
}
