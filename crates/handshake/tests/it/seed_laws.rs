//! The laws of every core, for the seed protocol.

use std::time::Duration;

use bytes::Bytes;
use machine::{PeerId, Verdict};
use meshwork_handshake::DialError;
use meshwork_handshake::seed::{
    Addrs, BadRecord, Command, Config, Core, Done, Event, GetAddrs, Job, Seed, Setup,
};
use proptest::prelude::*;
use testkit::{About, Misstep, Step, Subject};
use transport::question::{Question, QuestionId};
use wire::signed::SignedRecord;

use crate::seed::record;

const SECOND: Duration = Duration::from_secs(1);

struct Seeds;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ends {
    Seek,
    Met(PeerId),
}

fn open(bytes: &Bytes) -> Result<SignedRecord, BadRecord> {
    SignedRecord::open(bytes).map_err(|error| BadRecord::Forged { reason: error.to_string() })
}

fn ask(id: u64, nonce: u64, max: u32) -> Question<GetAddrs, Addrs> {
    let transports = vec!["tcp".to_owned()];
    Question::Ask { id: QuestionId(id), ask: GetAddrs { nonce, max, transports } }
}

fn answer(id: u64, nonce: u64, records: Vec<Bytes>) -> Question<GetAddrs, Addrs> {
    Question::Answer { id: QuestionId(id), answer: Addrs { nonce, records } }
}

/// The last question that was asked, answered with these records.
fn reply(
    said: &[Question<GetAddrs, Addrs>],
    off: u64,
    records: Vec<Bytes>,
) -> Question<GetAddrs, Addrs> {
    let asked = said.iter().rev().find_map(|message| match message {
        Question::Ask { id, ask } => Some((id.0, ask.nonce)),
        Question::Answer { .. } => None,
    });
    let (id, nonce) = asked.unwrap();
    answer(id, nonce.wrapping_add(off), records)
}

impl Subject for Seeds {
    type Core = Core;
    type Key = Ends;

    const SETTLE: Duration = Duration::from_secs(20);
    /// Visits and links, the book, probes and what waits for one, paces, farewells.
    const SIZE_MAX: usize = 3 + 3 + 3 + 5 + 3 + 3;
    /// A seed goes round to see who is still there.
    const STANDING_TIMER: bool = true;

    fn build(me: PeerId, seed: [u8; 32]) -> Core {
        let config = Config {
            fan_out: 3,
            wish: 2,
            visit_timeout: 3 * SECOND,
            retry_min: SECOND,
            retry_max: 4 * SECOND,
            ask_gap: 2 * SECOND,
            answer_max: 2,
            book_max: 3,
            recheck: 5 * SECOND,
            linger: SECOND,
        };
        let seeds = (1..=3)
            .map(simnet::peer)
            .map(|peer| Seed { peer, addresses: vec!["/ip4/10.0.0.1/tcp/1".parse().unwrap()] });
        let setup = Setup {
            local: me,
            seeds: seeds.collect(),
            transports: vec!["tcp".to_owned()],
            memory: Vec::new(),
        };
        Core::new(config.check().unwrap(), setup, seed)
    }

    fn command(_: &[PeerId]) -> BoxedStrategy<Command> {
        prop_oneof![
            (0..2_usize, 0..2_usize).prop_map(|(have, want)| Command::Seek { have, want }),
            (1..=4_u8, 1..=2_u64).prop_map(|(key, seq)| Command::Met(Box::new(record(key, seq)))),
        ]
        .boxed()
    }

    fn message(_: &[PeerId]) -> BoxedStrategy<Question<GetAddrs, Addrs>> {
        let records = proptest::collection::vec(
            prop_oneof![
                (1..=4_u8).prop_map(|key| record(key, 1).encoded().clone()),
                Just(Bytes::from_static(b"no record")),
            ],
            0..4,
        );
        prop_oneof![
            (0..4_u64, any::<u64>(), 0..300_u32).prop_map(|(id, nonce, max)| ask(id, nonce, max)),
            (0..4_u64, any::<u64>(), records).prop_map(|(id, nonce, r)| answer(id, nonce, r)),
        ]
        .boxed()
    }

    fn reply(said: &Question<GetAddrs, Addrs>, dice: u32) -> Option<Question<GetAddrs, Addrs>> {
        let said = std::slice::from_ref(said);
        matches!(said, [Question::Ask { .. }]).then(|| {
            let known = |count: u8| (1..=count).map(|k| record(k, 1).encoded().clone()).collect();
            match dice % 6 {
                0 => reply(said, 0, known(2)),
                1 => reply(said, 0, Vec::new()),
                2 => reply(said, 0, known(3)),
                3 => reply(said, 1, known(1)),
                4 => reply(said, 0, vec![Bytes::from_static(b"no record")]),
                _ => reply(said, 0, known(1)),
            }
        })
    }

    fn done(job: &Job, dice: u32) -> Done {
        let lucky = !dice.is_multiple_of(4);
        let dialled = || {
            let reason = "test".to_owned();
            if lucky { Ok(()) } else { Err(DialError::Unreachable { reason }) }
        };
        match job {
            Job::Dial { .. } => Done::Dialled(dialled()),
            Job::Probe { .. } => Done::Probed(dialled()),
            Job::Verify { records } => Done::Verified(records.iter().map(open).collect()),
            Job::Remember { .. } => Done::Remembered(Ok(())),
        }
    }

    fn key(command: &Command) -> Ends {
        match command {
            Command::Seek { .. } => Ends::Seek,
            Command::Met(record) => Ends::Met(record.peer()),
        }
    }

    fn ends(event: &Event) -> Option<Ends> {
        match event {
            Event::Sought { .. } => Some(Ends::Seek),
            Event::Probed { peer, .. } => Some(Ends::Met(*peer)),
            Event::Learned { .. } | Event::Failed { .. } => None,
        }
    }

    fn about(event: &Event) -> About {
        match event {
            Event::Learned { seed, .. } | Event::Failed { seed, .. } => About::Peer(*seed),
            Event::Probed { peer, .. } => About::Peer(*peer),
            Event::Sought { .. } => About::Several,
        }
    }

    fn per_peer_entries(core: &Core) -> usize {
        core.passing_entries()
    }

    fn size(core: &Core) -> usize {
        core.passing_entries() + core.known()
    }

    /// What a seed may answer wrongly is not among them: whether it is asked at all depends on what
    /// happened before, and a busy checker lets a forger off. The stories in `seed` show those.
    fn missteps(peer: PeerId) -> Vec<Misstep<Self>> {
        let asked = [1, 2].map(|n| Step::Hear(peer, ask(n, n, 1)));
        vec![
            Misstep::new("answer unasked", |_| answer(7, 7, Vec::new()), Some(Verdict::Note)),
            Misstep::new("ask without a pause", |_| ask(3, 3, 1), Some(Verdict::Charge(10)))
                .after(asked),
        ]
    }
}

testkit::laws!(Seeds);
