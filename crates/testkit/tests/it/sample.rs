//! What the laws have to know about the sample core, bare or wrapped.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use machine::{Machine, PeerId, Verdict};
use meshwork_testkit::chatter::{Command, Config, Core, Count, Event, Message};
use meshwork_testkit::{About, JOBS_MAX, LINKS_MAX, Misstep, Step, Subject};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The sample core, or something around it that speaks the same language.
pub(crate) trait Chatty:
    Machine<Message = Message, Command = Command, Event = Event, Job = Count, Done = u16> + 'static
{
    fn around(core: Core) -> Self;
    fn core(&self) -> &Core;
    /// Entries kept beside the sample core's own.
    fn extra(&self) -> usize {
        0
    }
    /// The seed to use instead of this one.
    fn seed(seed: [u8; 32]) -> [u8; 32] {
        seed
    }
}

impl Chatty for Core {
    fn around(core: Core) -> Self {
        core
    }
    fn core(&self) -> &Core {
        self
    }
}

pub(crate) struct Sample<C>(PhantomData<C>);

/// Bounds that bind in a few steps.
pub(crate) fn config() -> Config {
    Config {
        items_max: 2,
        ask_gap: Duration::from_secs(4),
        answer_timeout: Duration::from_secs(3),
        paces_max: 4,
    }
}

impl<C: Chatty> Subject for Sample<C> {
    type Core = C;
    type Key = PeerId;

    /// Two gaps: a pace that was used a gap early.
    const SETTLE: Duration = Duration::from_secs(8);
    /// Links, paces, asks that wait for a count, and one whose count is being refused.
    const SIZE_MAX: usize = LINKS_MAX + 4 + JOBS_MAX + 1;

    fn build(_me: PeerId, seed: [u8; 32]) -> C {
        C::around(Core::new(config().check().expect("in range"), C::seed(seed)))
    }

    fn command(peers: &[PeerId]) -> BoxedStrategy<Command> {
        (select(peers.to_vec()), 0..=3u16)
            .prop_map(|(peer, wanted)| Command::Ask { peer, wanted })
            .boxed()
    }

    fn message(_peers: &[PeerId]) -> BoxedStrategy<Message> {
        let id = any::<u32>;
        prop_oneof![
            2 => (id(), 0..=3u16).prop_map(|(id, wanted)| Message::Ask { id, wanted }),
            1 => (id(), vec(any::<u8>(), 0..4))
                .prop_map(|(id, items)| Message::Answer { id, items: items.into() }),
            1 => id().prop_map(|id| Message::Busy { id }),
        ]
        .boxed()
    }

    fn reply(said: &Message, dice: u32) -> Option<Message> {
        let Message::Ask { id, wanted } = *said else { return None };
        let answer = |count| Message::Answer { id, items: vec![b'i'; usize::from(count)].into() };
        Some(match dice % 4 {
            0 => answer(wanted),
            1 => answer(0),
            2 => answer(wanted + 1),
            _ => Message::Busy { id },
        })
    }

    fn done(job: &Count, dice: u32) -> u16 {
        u16::try_from(dice % 4).map_or(job.wanted, |more| job.wanted + more)
    }

    fn key(Command::Ask { peer, .. }: &Command) -> PeerId {
        *peer
    }

    fn ends(Event::Asked { peer, .. }: &Event) -> Option<PeerId> {
        Some(*peer)
    }

    fn about(Event::Asked { peer, .. }: &Event) -> About {
        About::Peer(*peer)
    }

    fn per_peer_entries(core: &C) -> usize {
        core.core().per_peer_entries() + core.extra()
    }

    fn size(core: &C) -> usize {
        Self::per_peer_entries(core)
    }

    fn missteps(peer: PeerId) -> Vec<Misstep<Self>> {
        let unasked = |_: &[Message]| Message::Answer { id: 7, items: Bytes::new() };
        let busy = |_: &[Message]| Message::Busy { id: 7 };
        let ask = |_: &[Message]| Message::Ask { id: 9, wanted: 1 };
        let ours = Step::Command(Command::Ask { peer, wanted: 1 });
        let answered = Step::Reply { peer, nth: 0, dice: 0 };
        let theirs = || Step::Hear(peer, Message::Ask { id: 8, wanted: 1 });
        let price = |verdict| Some(verdict);
        vec![
            Misstep::new("an answer unasked", unasked, price(Verdict::Note)),
            Misstep::new("a guessed number", unasked, price(Verdict::Note)).after([ours.clone()]),
            Misstep::new("busy unasked", busy, price(Verdict::Note)),
            Misstep::new("answered twice", |sent| answer(sent, 0), price(Verdict::Note))
                .after([ours.clone(), answered]),
            Misstep::new("one too many", |sent| answer(sent, 1), price(Verdict::Ban)).after([ours]),
            Misstep::new("asked too soon", ask, price(Verdict::Charge(10)))
                .after([theirs(), theirs()]),
            Misstep::new("an honest ask", ask, None),
        ]
    }
}

/// An answer to the latest ask, with this many items more than wanted.
fn answer(sent: &[Message], more: u16) -> Message {
    match sent.last() {
        Some(&Message::Ask { id, wanted }) => {
            Message::Answer { id, items: vec![b'i'; usize::from(wanted + more)].into() }
        }
        // Only a broken core has not asked: what then is said is what it is charged for.
        _ => Message::Busy { id: 7 },
    }
}
