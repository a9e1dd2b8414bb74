//! A core that asks what it is told to ask, and answers as it is set up to.

use std::convert::Infallible;
use std::ops::Range;

use bytes::Bytes;
use libp2p_identity::Keypair;
use libp2p_swarm::{Swarm, SwarmEvent};
use machine::{Effect, Effects, Input, Instant, Machine, PeerId, Undelivered};
use transport::question::{Behaviour, Config, Question, QuestionId};
use transport::{Event, NoJobs};
use wire::{Frame, Malformed};

use super::herald::Note;
use crate::live::{Live, Log};
use crate::net::{Net, builder};

/// What a clerk does with a question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    AtOnce,
    /// Not before it is told to.
    Later,
    /// And hangs up.
    ThenLeaves,
    /// With more than fits.
    TooMuch,
}

#[derive(Debug)]
pub(crate) enum Command {
    Ask(PeerId, Note),
    /// Everything that was not answered.
    AnswerAll,
    HangUp(PeerId),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum News {
    Joined(&'static str),
    Left,
    Asked(u32),
    Answered(u32),
    /// A question of ours came back.
    Back(u32, Undelivered),
    /// An answer of ours came back.
    AnswerBack(u32, Undelivered),
}

#[derive(Debug)]
pub(crate) struct Core {
    answers: Answers,
    open: Vec<(PeerId, QuestionId, u32)>,
    effects: Effects<Self>,
}

impl Core {
    fn answer(&mut self, peer: PeerId, id: QuestionId, number: u32) {
        let len = if let Answers::TooMuch = self.answers { Note::MAX } else { 10 };
        let answer = Note { number, padding: Bytes::from(vec![0; len]) };
        self.effects.push(Effect::Send { peer, message: Question::Answer { id, answer } });
    }
}

impl Machine for Core {
    const NAMES: &'static [&'static str] = &["/clerk/1"];

    type Message = Question<Note, Note>;
    type Command = Command;
    type Event = News;
    type Fault = Infallible;
    type Job = Infallible;
    type Done = Infallible;

    fn handle(&mut self, input: Input<Self>, _: Instant) {
        let news = match input {
            Input::Joined { name, .. } => News::Joined(name),
            Input::Left { .. } => News::Left,
            Input::Received { peer, message: Question::Ask { id, ask } } => {
                match self.answers {
                    Answers::Later => self.open.push((peer, id, ask.number)),
                    Answers::AtOnce | Answers::TooMuch => self.answer(peer, id, ask.number),
                    Answers::ThenLeaves => {
                        self.answer(peer, id, ask.number);
                        self.effects.push(Effect::Close { peer });
                    }
                }
                News::Asked(ask.number)
            }
            Input::Received { message: Question::Answer { id, answer }, .. } => {
                assert_eq!(id.0, u64::from(answer.number), "each answer to its question");
                News::Answered(answer.number)
            }
            Input::Undelivered { message: Question::Ask { ask, .. }, cause, .. } => {
                News::Back(ask.number, cause)
            }
            Input::Undelivered { message: Question::Answer { answer, .. }, cause, .. } => {
                News::AnswerBack(answer.number, cause)
            }
            Input::Command(Command::Ask(peer, ask)) => {
                let id = QuestionId(ask.number.into());
                return self
                    .effects
                    .push(Effect::Send { peer, message: Question::Ask { id, ask } });
            }
            Input::Command(Command::HangUp(peer)) => {
                return self.effects.push(Effect::Close { peer });
            }
            Input::Command(Command::AnswerAll) => {
                for (peer, id, number) in std::mem::take(&mut self.open) {
                    self.answer(peer, id, number);
                }
                return;
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

/// What came out of a clerk's swarm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) news: Vec<News>,
    pub(crate) malformed: Vec<Malformed>,
    pub(crate) connected: usize,
    pub(crate) disconnected: usize,
}

impl Told {
    pub(crate) fn has(&self, news: &News) -> bool {
        self.news.contains(news)
    }

    /// The questions that were answered.
    pub(crate) fn answered(&self) -> Vec<u32> {
        let mut answered: Vec<_> = self
            .news
            .iter()
            .filter_map(|news| match news {
                News::Answered(number) => Some(*number),
                _ => None,
            })
            .collect();
        answered.sort_unstable();
        answered
    }

    /// The questions that came back for `why`.
    pub(crate) fn back(&self, why: Undelivered) -> usize {
        self.news
            .iter()
            .filter(|news| matches!(news, News::Back(_, cause) if *cause == why))
            .count()
    }
}

impl Log<Behaviour<Core>> for Told {
    fn note(&mut self, event: SwarmEvent<Event<Core>>, _: &mut Swarm<Behaviour<Core>>) {
        match event {
            SwarmEvent::Behaviour(Event::Core(news)) => self.news.push(news),
            SwarmEvent::Behaviour(Event::Malformed { error, .. }) => self.malformed.push(error),
            SwarmEvent::Behaviour(Event::Fault { fault, .. }) => match fault {},
            SwarmEvent::ConnectionEstablished { .. } => self.connected += 1,
            SwarmEvent::ConnectionClosed { .. } => self.disconnected += 1,
            _ => {}
        }
    }
}

/// A running clerk.
pub(crate) type Clerk = Live<Behaviour<Core>, Told>;

impl Clerk {
    pub(crate) async fn new(net: Net, answers: Answers, config: Config) -> Self {
        let core = Core { answers, open: Vec::new(), effects: Effects::default() };
        let behaviour = Behaviour::new(core, NoJobs, config);
        let swarm = builder(Keypair::generate_ed25519()).build(behaviour).unwrap();
        Self::start(swarm, net).await
    }

    /// Asks `numbers`, each in `len` bytes, all at once.
    pub(crate) async fn ask(&self, peer: PeerId, numbers: Range<u32>, len: usize) -> Told {
        self.run(move |swarm| {
            for number in numbers {
                let padding = Bytes::from(vec![0; len.saturating_sub(4)]);
                let note = Note { number, padding };
                swarm.behaviour_mut().command(Command::Ask(peer, note));
            }
        })
        .await;
        self.settle().await
    }

    /// Answers everything that waits.
    pub(crate) async fn answer_all(&self) {
        self.run(|swarm| swarm.behaviour_mut().command(Command::AnswerAll)).await;
    }

    pub(crate) async fn hang_up(&self, peer: PeerId) {
        self.run(move |swarm| swarm.behaviour_mut().command(Command::HangUp(peer))).await;
    }
}
