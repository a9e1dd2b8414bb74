//! The language in which histories are told.

use std::time::Duration;

use machine::{JobError, PeerId, Undelivered, UnixTime};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::subject::{CommandOf, MessageOf, Subject};

/// Most steps of a history. With half as many, few come to a second session of the same peer; twice
/// as many are slow to shrink.
pub const STEPS_MAX: usize = 60;

/// One thing that happens to a core. What cannot happen now (somebody leaves who is not there) does
/// nothing, so that any part of a history is a history.
#[derive(Clone, Debug)]
pub enum Step<C, M> {
    /// A link to the peer is ready. The oldest one breaks if there are too many.
    Join(PeerId),
    /// The link to the peer is gone.
    Leave(PeerId),
    /// The peer says something.
    Hear(PeerId, M),
    /// The peer replies to what the core said to it last, or a little before.
    Reply {
        /// Who.
        peer: PeerId,
        /// To which of the latest messages.
        nth: u8,
        /// Chooses the reply.
        dice: u32,
    },
    /// One of the latest messages to the peer comes back.
    Undelivered {
        /// To whom.
        peer: PeerId,
        /// Which of the latest messages.
        nth: u8,
        /// Why.
        cause: Undelivered,
    },
    /// The application asks.
    Command(C),
    /// A job ends.
    JobDone {
        /// Which of those under way.
        nth: u8,
        /// How.
        ending: Ending,
    },
    /// Time passes, and the core is called at its deadlines.
    Wait(Duration),
    /// Time passes until the next deadline, if there is one, and the core is called.
    NextTimer,
    /// Time passes, and the runner is too busy to call the core.
    Stall(Duration),
    /// The wall clock is read.
    Wall(UnixTime),
}

/// The steps of a subject.
pub type StepOf<S> = Step<CommandOf<S>, MessageOf<S>>;

/// How a job ends.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// With the outcome chosen by this number.
    Done(u32),
    /// Without one.
    Failed(JobError),
}

/// Any step.
pub(crate) fn step<S: Subject>(peers: &[PeerId]) -> BoxedStrategy<StepOf<S>> {
    let peer = || select(peers.to_vec());
    let span = || prop_oneof![2 => span::<S>(8), 1 => span::<S>(1)];
    let nth = any::<u8>;
    prop_oneof![
        4 => S::command(peers).prop_map(Step::Command),
        4 => (peer(), S::message(peers)).prop_map(|(peer, message)| Step::Hear(peer, message)),
        4 => (peer(), nth(), any::<u32>())
            .prop_map(|(peer, nth, dice)| Step::Reply { peer, nth, dice }),
        3 => (nth(), ending()).prop_map(|(nth, ending)| Step::JobDone { nth, ending }),
        3 => span().prop_map(Step::Wait),
        1 => Just(Step::NextTimer),
        1 => span().prop_map(Step::Stall),
        2 => peer().prop_map(Step::Leave),
        4 => peer().prop_map(Step::Join),
        1 => (peer(), nth(), cause())
            .prop_map(|(peer, nth, cause)| Step::Undelivered { peer, nth, cause }),
        1 => wall().prop_map(Step::Wall),
    ]
    .boxed()
}

/// Histories of at most `len` steps that `peers` take part in: what the laws are tried on.
pub fn history<S: Subject>(peers: &[PeerId], len: usize) -> BoxedStrategy<Vec<StepOf<S>>> {
    vec(step::<S>(peers), 0..=len).boxed()
}

/// Steps that an honest network of `peers` can take, each with the node that takes it: commands,
/// links made and broken, time, and stalls.
pub(crate) fn honest<S: Subject>(
    peers: &[PeerId],
    len: usize,
) -> BoxedStrategy<Vec<(PeerId, StepOf<S>)>> {
    let peer = || select(peers.to_vec());
    let step = prop_oneof![
        8 => S::command(peers).prop_map(Step::Command),
        4 => span::<S>(8).prop_map(Step::Wait),
        2 => span::<S>(1).prop_map(Step::Wait),
        1 => span::<S>(1).prop_map(Step::Stall),
        1 => peer().prop_map(Step::Leave),
        3 => peer().prop_map(Step::Join),
    ];
    vec((peer(), step), 0..=len).boxed()
}

/// Up to the `part`th part of the subject's longest wait.
fn span<S: Subject>(part: u32) -> impl Strategy<Value = Duration> {
    let longest = (S::SETTLE / part).as_millis();
    (0..=u64::try_from(longest).unwrap_or(u64::MAX)).prop_map(Duration::from_millis)
}

fn ending() -> impl Strategy<Value = Ending> {
    let error = select(vec![JobError::Lost, JobError::TimedOut]);
    prop_oneof![4 => any::<u32>().prop_map(Ending::Done), 1 => error.prop_map(Ending::Failed)]
}

fn cause() -> impl Strategy<Value = Undelivered> {
    select(vec![
        Undelivered::OutboxFull,
        Undelivered::NotConnected,
        Undelivered::Unsupported,
        Undelivered::Unanswered,
        Undelivered::TooLarge,
    ])
}

/// Mostly this century; it jumps both ways, and to both ends.
fn wall() -> impl Strategy<Value = UnixTime> {
    let century = 946_684_800_000..4_102_444_800_000u64;
    prop_oneof![8 => century, 1 => Just(0), 1 => Just(u64::MAX)].prop_map(UnixTime::from_millis)
}
