//! The laws of every core, for aggregation.

use std::sync::LazyLock;
use std::time::Duration;

use machine::{Input, Instant, Machine as _, PeerId, Verdict};
use meshwork_tickets::aggregation::check::check;
use meshwork_tickets::aggregation::{
    AttemptId, Command, Config, Core, Done, Event, Held, Issuer, Job, Kept, Prerequisites,
    ProveBatch, Randomness, Refusal, RefusalCode, Reply, Request, StoreError,
};
use meshwork_tickets::ledger::{LedgerGone, SubmitError};
use meshwork_tickets::{
    AcknowledgedTicket, Body, ChainKey, Channel, ChannelId, ChannelStatus, TicketIndex,
    WinProbability,
};
use proptest::prelude::*;
use testkit::{Misstep, Subject};
use transport::question::{Question, QuestionId};

use crate::common::{amount, epoch, interval};
use crate::town::{DOMAIN, Message, PRICE, chain_key, ticket};

const SECOND: Duration = Duration::from_secs(1);

/// Accounts there are: of the core and of whom it is linked with.
const ACCOUNTS: u8 = 4;

struct Aggregation;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ends {
    View(ChannelId),
    Earn(ChannelId, TicketIndex),
    Aggregate(ChannelId),
    Redeem(ChannelId),
}

/// The account of the peer of this number; the numbers of peers begin at 0, those of keys at 1.
fn account(number: u8) -> ChainKey {
    chain_key(number + 1)
}

/// All channels: who pays, and who is paid.
static CHANNELS: LazyLock<Vec<(ChannelId, ChainKey, ChainKey)>> = LazyLock::new(|| {
    let pairs = (0..ACCOUNTS).flat_map(|one| (0..ACCOUNTS).map(move |other| (one, other)));
    let pairs = pairs.filter(|(one, other)| one != other);
    let keys = pairs.map(|(one, other)| (account(one), account(other)));
    keys.map(|(source, destination)| {
        let id = ChannelId::between(&source.address(), &destination.address());
        (id, source, destination)
    })
    .collect()
});

fn find(id: &ChannelId) -> (&'static ChainKey, &'static ChainKey) {
    let (_, source, destination) = CHANNELS.iter().find(|(of, ..)| of == id).unwrap();
    (source, destination)
}

fn owed(source: u8, destination: u8, index: u64) -> AcknowledgedTicket {
    let always = WinProbability::ALWAYS;
    ticket(&account(source), &account(destination), interval(index, 1), always)
}

/// Requests of all sizes for the tickets that each account owes each other.
static REQUESTS: LazyLock<Vec<Request>> = LazyLock::new(|| {
    let request = |(id, source, destination): &(ChannelId, ChainKey, ChainKey), count: u64| {
        let one = |index| {
            let it = ticket(source, destination, interval(index, 1), WinProbability::ALWAYS);
            (it.ticket().leak(), it.response().clone())
        };
        let tickets = (0..count).map(one).collect();
        let (attempt, epoch, randomness) = (AttemptId(count), epoch(0), Randomness([3; 64]));
        let batch = ProveBatch { attempt, channel: *id, epoch, tickets, randomness };
        batch.run(destination, &DOMAIN)
    };
    let sizes = CHANNELS.iter().flat_map(|it| (0..4).map(move |count| (it, count)));
    let sound: Vec<_> = sizes.map(|(channel, count)| request(channel, count)).collect();
    let spoilt = sound.iter().cloned().map(|request| Request { proof: [2; 97], ..request });
    spoilt.chain(sound.iter().cloned()).collect()
});

fn view() -> impl Strategy<Value = Command> {
    let status = prop_oneof![
        6 => Just(ChannelStatus::Open),
        1 => Just(ChannelStatus::Closed),
    ];
    (0..ACCOUNTS, 0..ACCOUNTS, 0..8_u64, 0..4_u64, status).prop_map(
        |(source, destination, number, index, status)| {
            let other = if source == 0 { destination } else { source };
            let channel = Channel {
                source: account(source).address(),
                destination: account(destination).address(),
                balance: amount(3 * PRICE),
                index: TicketIndex::new(index / 3).unwrap(),
                status,
                epoch: epoch(u32::from(number == 7)),
            };
            Command::View { channel, peer: Some(simnet::peer(other.into())) }
        },
    )
}

impl Subject for Aggregation {
    type Core = Core;
    type Key = Ends;

    const SETTLE: Duration = Duration::from_secs(10);
    /// Tickets, those that are being earned and who waits to write them; channels, four times: what
    /// is seen, what is busy, what is swept, what is summed; jobs; and batches, attempts, redemptions
    /// of the channels that pay us.
    const SIZE_MAX: usize = 3 * 6 + 4 * 4 + 8 + 3 * 4;
    /// A disk that does not answer is asked again.
    const STANDING_TIMER: bool = true;

    fn build(me: PeerId, seed: [u8; 32]) -> Core {
        let number = (0..64).find(|number| simnet::peer(*number) == me).unwrap();
        let number = u8::try_from(number).unwrap();
        let (me, other) = (account(number).address(), (number + 1) % ACCOUNTS);
        let config = Config {
            timeout: 3 * SECOND,
            attempts_max: 2,
            held_max: 6,
            channels_max: 4,
            checks_max: 1,
            ..Config::default()
        };
        // It holds tickets and knows who pays them, or few histories would come to a request.
        let held = (0..3).map(|index| Held::new(&owed(other, number, index))).collect();
        let kept = Kept { held, ..Kept::default() };
        let mut core = Core::new(config.check().unwrap(), me, kept, seed);
        let channel = Channel {
            source: account(other).address(),
            destination: me,
            balance: amount(6 * PRICE),
            index: TicketIndex::ZERO,
            status: ChannelStatus::Open,
            epoch: epoch(0),
        };
        let view = Command::View { channel, peer: Some(simnet::peer(other.into())) };
        core.handle(Input::Command(view), Instant::START);
        while core.poll_effect().is_some() {}
        core
    }

    fn command(_: &[PeerId]) -> BoxedStrategy<Command> {
        // Mostly about the channel by which the first pays the core.
        let id = prop_oneof![3 => Just(3_usize), 1 => 0..CHANNELS.len()];
        let id = id.prop_map(|at| CHANNELS[at].0);
        let below = proptest::option::of((0..5_u64).prop_map(|it| TicketIndex::new(it).unwrap()));
        let earn = prop_oneof![3 => Just((1, 0)), 1 => (0..ACCOUNTS, 0..ACCOUNTS)];
        prop_oneof![
            3 => view(),
            4 => (earn, 0..5_u64).prop_map(|((source, destination), index)| {
                Command::Earn(Box::new(owed(source, destination, index)))
            }),
            3 => (id.clone(), below.clone()).prop_map(|(channel, below)| {
                let prerequisites = Prerequisites::default();
                Command::Aggregate { channel, below, prerequisites }
            }),
            1 => (id, below).prop_map(|(channel, from)| Command::Redeem { channel, from, below: None }),
        ]
        .boxed()
    }

    fn message(_: &[PeerId]) -> BoxedStrategy<Message> {
        let ask = (0..4_u64, 0..REQUESTS.len())
            .prop_map(|(id, at)| Question::Ask { id: QuestionId(id), ask: REQUESTS[at].clone() });
        let answer = (0..4_u64, any::<u64>()).prop_map(|(id, attempt)| {
            let outcome = Err(Refusal::new(RefusalCode::Losing));
            let answer = Reply { attempt: AttemptId(attempt), outcome };
            Question::Answer { id: QuestionId(id), answer }
        });
        prop_oneof![3 => ask, 1 => answer].boxed()
    }

    fn reply(said: &Message, dice: u32) -> Option<Message> {
        let Question::Ask { id, ask } = said else { return None };
        let refusal = |code| Err(Refusal::at(code, 1));
        let outcome = match dice % 6 {
            0 => refusal(RefusalCode::Busy),
            1 => refusal(RefusalCode::SignatureOrResponse),
            2 => refusal(RefusalCode::Overlaps),
            wrong => {
                let tickets: Vec<_> =
                    ask.tickets.iter().map(|it| it.ticket(ask.channel, ask.epoch).body).collect();
                let (first, last) = (tickets.first()?, tickets.last()?);
                let sum = tickets.iter().map(|body| body.amount.get()).sum::<u128>();
                let aggregate = Body {
                    interval: first.interval.covering(&last.interval).ok()?,
                    amount: amount(sum - u128::from(wrong == 5)),
                    probability: WinProbability::ALWAYS,
                    ..*first
                };
                Ok(aggregate.sign(find(&ask.channel).0, &DOMAIN).leak())
            }
        };
        Some(Question::Answer { id: *id, answer: Reply { attempt: ask.attempt, outcome } })
    }

    fn done(job: &Job, dice: u32) -> Done {
        let message = || "a test".to_owned();
        match job.clone() {
            Job::Write(_) if dice.is_multiple_of(5) => {
                Done::Written(Err(StoreError { message: message() }))
            }
            Job::Write(_) => Done::Written(Ok(())),
            Job::Prove(batch) => {
                let key = find(&batch.channel).1;
                Done::Proven(Box::new(batch.run(key, &DOMAIN)))
            }
            Job::Check(request) => {
                let source = find(&request.channel()).0.clone();
                Done::Checked(check(&Issuer::new(source, DOMAIN), &request))
            }
            Job::Verify { ticket, issuer } => {
                Done::Verified(ticket.verify(&issuer, &DOMAIN).map(drop))
            }
            Job::Redeem(_) => Done::Redeemed(match dice % 4 {
                0 => Err(SubmitError::Busy),
                1 => Err(SubmitError::Gone(LedgerGone { message: message() })),
                _ => Ok(()),
            }),
        }
    }

    fn key(command: &Command) -> Ends {
        match command {
            Command::View { channel, .. } => Ends::View(channel.id()),
            Command::Earn(ticket) => {
                let body = ticket.ticket().body();
                Ends::Earn(body.channel, body.interval.first())
            }
            Command::Aggregate { channel, .. } => Ends::Aggregate(*channel),
            Command::Redeem { channel, .. } => Ends::Redeem(*channel),
        }
    }

    fn ends(event: &Event) -> Option<Ends> {
        match event {
            Event::Viewed { channel, .. } => Some(Ends::View(*channel)),
            Event::Earned { channel, index, .. } => Some(Ends::Earn(*channel, *index)),
            Event::Aggregated { channel, .. } => Some(Ends::Aggregate(*channel)),
            Event::Redeemed { channel, .. } => Some(Ends::Redeem(*channel)),
            Event::Released { .. } | Event::Issued { .. } => None,
        }
    }

    fn per_peer_entries(core: &Core) -> usize {
        core.passing_entries()
    }

    fn size(core: &Core) -> usize {
        core.entries()
    }

    /// That a request is bad shows only when it has been computed, which a busy core does not do; the
    /// stories in `aggregating` show those prices.
    fn missteps(_: PeerId) -> Vec<Misstep<Self>> {
        let unasked = |_: &[Message]| {
            let outcome = Err(Refusal::new(RefusalCode::Busy));
            let answer = Reply { attempt: AttemptId(7), outcome };
            Question::Answer { id: QuestionId(7), answer }
        };
        vec![Misstep::new("reply unasked", unasked, Some(Verdict::Note))]
    }
}

testkit::laws!(Aggregation);
