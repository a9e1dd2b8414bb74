//! What the laws have to know about a core.

use std::fmt::Debug;
use std::time::Duration;

use machine::{Machine, PeerId};
use proptest::strategy::BoxedStrategy;
use simnet::{Setup, Weather};

use crate::Misstep;

/// What the application asks of a subject's core.
pub type CommandOf<S> = <<S as Subject>::Core as Machine>::Command;
/// What a subject's core tells the application.
pub type EventOf<S> = <<S as Subject>::Core as Machine>::Event;
/// What a subject's peers say.
pub type MessageOf<S> = <<S as Subject>::Core as Machine>::Message;
/// Slow work that a subject's core asks for.
pub type JobOf<S> = <<S as Subject>::Core as Machine>::Job;
/// What comes of such work.
pub type DoneOf<S> = <<S as Subject>::Core as Machine>::Done;

/// Whom an event is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum About {
    /// One peer, and no other notices.
    Peer(PeerId),
    /// No peer: it is the same whatever one of them does.
    Nobody,
    /// What several peers did, summed up: one of them changes it for all.
    Several,
}

/// A core, and what the laws have to know about it.
pub trait Subject: Sized + 'static {
    /// The core.
    type Core: Machine<Command: Clone>;

    /// What a command and its end have in common. Two commands may share one: the ends are counted.
    type Key: Clone + Debug + Ord;

    /// The longest that anything in the core waits: once everyone has left and this has passed,
    /// nothing about anyone remains.
    const SETTLE: Duration;

    /// Most that [`size`](Self::size) may be while there are [`LINKS_MAX`](crate::LINKS_MAX) links
    /// and [`JOBS_MAX`](crate::JOBS_MAX) jobs, one more of which is being refused, however many
    /// peers come and go.
    const SIZE_MAX: usize;

    /// Whether the core keeps a timer although nobody is there.
    const STANDING_TIMER: bool = false;

    /// Whether the seed makes a difference to what the core does. If so, L1 insists that it does.
    const DRAWS: bool = true;

    /// The core, with every bound so small that a history of 60 steps runs into it.
    fn build(me: PeerId, seed: [u8; 32]) -> Self::Core;

    /// Anything the application may ask, sensible or not, about `peers`.
    fn command(peers: &[PeerId]) -> BoxedStrategy<CommandOf<Self>>;

    /// Anything a peer may say that its frame can carry, honest or not, about `peers`. Also what is
    /// tried on the codec (L8).
    fn message(peers: &[PeerId]) -> BoxedStrategy<MessageOf<Self>>;

    /// A reply, honest or not, to what the core said, chosen by `dice`: what a message drawn blindly
    /// could not be, since it quotes something.
    fn reply(said: &MessageOf<Self>, dice: u32) -> Option<MessageOf<Self>> {
        let _ = (said, dice);
        None
    }

    /// What comes of a job, chosen by `dice`. That jobs also fail is seen to.
    fn done(job: &JobOf<Self>, dice: u32) -> DoneOf<Self>;

    /// What the end of `command` will say.
    fn key(command: &CommandOf<Self>) -> Self::Key;

    /// Which command ends here, if one does.
    fn ends(event: &EventOf<Self>) -> Option<Self::Key>;

    /// Whom an event is about; L7 compares what the others see.
    fn about(event: &EventOf<Self>) -> About {
        let _ = event;
        About::Nobody
    }

    /// Entries that the core keeps about single peers.
    fn per_peer_entries(core: &Self::Core) -> usize;

    /// Entries that the core keeps.
    fn size(core: &Self::Core) -> usize;

    /// Single bad messages of `peer`, each with its price.
    fn missteps(peer: PeerId) -> Vec<Misstep<Self>>;

    /// The weathers in which no honest peer may be charged.
    fn weathers() -> Vec<(&'static str, Setup)> {
        weathers(Self::SETTLE)
    }
}

/// Weathers for a protocol whose longest wait is `settle`.
fn weathers(settle: Duration) -> Vec<(&'static str, Setup)> {
    let calm = Weather::default();
    let jitter = Weather { delay_max: settle / 4, ..calm };
    let slow = Weather { delay_min: settle / 3, delay_max: settle / 2, ..calm };
    let lossy = Weather { loss_permille: 300, ..calm };
    let unordered = Weather { ordered: false, ..jitter };
    let storm = Weather { delay_max: settle, loss_permille: 200, ordered: false, ..calm };
    let narrow = Setup { weather: jitter, outbox_max: 1, ..Setup::default() };
    let wide = |weather| Setup { weather, ..Setup::default() };
    vec![
        ("calm", wide(calm)),
        ("jitter", wide(jitter)),
        ("slow", wide(slow)),
        ("lossy", wide(lossy)),
        ("unordered", wide(unordered)),
        ("narrow", narrow),
        ("storm", wide(storm)),
    ]
}
