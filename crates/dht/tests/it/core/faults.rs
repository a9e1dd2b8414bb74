//! What a link can do wrong, what it costs, and what a core does not let it do.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Effect, Input, Instant, JobId, Machine as _};
use meshwork_dht::{
    BadEnvelope, Carriage, Code, Command, Config, Core, DialError, Disposition, Done, Envelope,
    Event, Fault, Gate, InboundMessage, Job, Key, Kind, Message, Moment, News, Opener, Refusal,
    Seen, Setup, Ticket, decide, pass,
};
use transport::records::BadRecord;
use wire::signed::SignedRecord;

use super::world::{START, envelope, keys, network, peer, record};

const SECOND: Duration = Duration::from_secs(1);
/// More than any settings of these tests make anything wait for.
const LONG: Duration = Duration::from_mins(10);

/// A core, and the time.
pub(super) struct Bare {
    pub(super) core: Core,
    pub(super) now: Instant,
}

impl Bare {
    pub(super) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::fast();
        config.discovery.enabled = true;
        config.mailbox.serve = false;
        config.mailbox.fetch_period = Duration::from_hours(24);
        change(&mut config);
        let setup = Setup::new(peer(0), network());
        Self { core: Core::new(config.check().unwrap(), setup, [7; 32]), now: Instant::START }
    }

    /// What the core wants done. Its writes are done at once.
    fn effects(&mut self) -> Vec<Effect<Core>> {
        let mut effects = Vec::new();
        while let Some(effect) = self.core.poll_effect() {
            if let Effect::Start { id, job: Job::Keep(_) } = effect {
                let outcome = Ok(Done::Kept(Ok(())));
                self.core.handle(Input::Done { id, outcome }, self.now);
            } else {
                effects.push(effect);
            }
        }
        effects
    }

    pub(super) fn feed(&mut self, input: Input<Core>) -> Vec<Effect<Core>> {
        self.core.handle(input, self.now);
        self.effects()
    }

    pub(super) fn hear(&mut self, peer: PeerId, message: Message) -> Vec<Effect<Core>> {
        self.feed(Input::Received { peer, message })
    }

    pub(super) fn join(&mut self, peer: PeerId) {
        self.feed(Input::Joined { peer, name: "/meshwork/dht/1" });
    }

    pub(super) fn wait(&mut self, span: Duration) -> Vec<Effect<Core>> {
        let end = self.now.after(span);
        let mut effects = Vec::new();
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            effects.extend(self.effects());
        }
        self.now = end;
        effects
    }
}

pub(super) fn faults(effects: &[Effect<Core>]) -> Vec<(PeerId, Fault)> {
    let of = |effect: &Effect<Core>| match effect {
        Effect::Report { peer, fault } => Some((*peer, *fault)),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

pub(super) fn jobs(effects: Vec<Effect<Core>>) -> Vec<(JobId, Job)> {
    let of = |effect| match effect {
        Effect::Start { id, job } => Some((id, job)),
        _ => None,
    };
    effects.into_iter().filter_map(of).collect()
}

pub(super) fn sent(effects: &[Effect<Core>], to: PeerId) -> Vec<&Message> {
    let of = |effect| match effect {
        &Effect::Send { peer, ref message } if peer == to => Some(message),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

/// A core that has asked `peer(1)`, and the nonce of its question.
pub(super) fn asked() -> (Bare, u64) {
    let mut bare = Bare::new(|config| config.discovery.records_max = 2);
    bare.join(peer(1));
    let target = Key::from_bytes([3; 32]);
    let effects = bare.feed(Input::Command(Command::LookUp { target }));
    let nonce = sent(&effects, peer(1)).into_iter().find_map(|message| match message {
        Message::Find { nonce, .. } => Some(*nonce),
        _ => None,
    });
    (bare, nonce.expect("it asks"))
}

#[test]
fn more_records_than_were_wished_for_cost() {
    let (mut bare, nonce) = asked();
    let records = (1..=3).map(|n| record(&keys(n), n).encoded().clone()).collect();
    let effects = bare.hear(peer(1), Message::Nodes { nonce, records });
    assert_eq!(faults(&effects), [(peer(1), Fault::TooMany { count: 3, wish: 2 })]);
    assert!(jobs(effects).is_empty(), "none of them is looked at");
}

#[test]
fn forged_records_cost_and_are_not_known() {
    let (mut bare, nonce) = asked();
    let records = vec![Bytes::from_static(b"no record"); 2];
    let effects = bare.hear(peer(1), Message::Nodes { nonce, records });
    let (id, _) = jobs(effects).pop().expect("they are checked");
    let good = SignedRecord::open(record(&keys(5), 5).encoded()).unwrap();
    let outcome =
        Ok(Done::Verified(vec![Err(BadRecord::Forged { reason: "test".to_owned() }), Ok(good)]));
    let effects = bare.feed(Input::Done { id, outcome });
    assert_eq!(faults(&effects), [(peer(1), Fault::Forged { count: 1 })]);
    assert!(bare.core.table().get(&peer(5)).is_some());
    assert_eq!(bare.core.table().gauges().waiting, 1);
}

#[test]
fn an_answer_counts_once_and_from_whom_was_asked() {
    let (mut bare, nonce) = asked();
    bare.join(peer(2));
    let nodes = || Message::Nodes { nonce, records: Vec::new() };
    let unasked = |from| vec![(from, Fault::Unsolicited("nodes"))];
    assert_eq!(faults(&bare.hear(peer(2), nodes())), unasked(peer(2)));
    assert_eq!(faults(&bare.hear(peer(1), nodes())), []);
    assert_eq!(faults(&bare.hear(peer(1), nodes())), unasked(peer(1)));
}

#[test]
fn what_every_carrier_checks_costs_the_link_that_brought_it() {
    let mut bare = Bare::new(|_| ());
    bare.join(peer(1));
    let envelope = Bytes::from_static(b"no envelope");
    let effects = bare.hear(peer(1), Message::Carry { number: 5, hops: 3, envelope });
    let arrived = effects.iter().find_map(|effect| match effect {
        Effect::Emit(Event::Arrived(message)) => Some(message.clone()),
        _ => None,
    });
    let arrived = arrived.expect("the pipeline gets it");
    assert_eq!((arrived.carriage, arrived.hops), (Carriage::Routed, 3));
    let refusal = Refusal::Malformed(BadEnvelope::Version(0));
    let settled = Command::Settled { ticket: arrived.ticket, outcome: Err(refusal) };
    let effects = bare.feed(Input::Command(settled));
    assert_eq!(faults(&effects), [(peer(1), Fault::Envelope(refusal))]);
    let verdict =
        Message::Verdict { number: 5, outcome: Err(Code::Malformed), retry_after: Duration::ZERO };
    assert_eq!(sent(&effects, peer(1)), [&verdict]);
}

#[test]
fn a_link_over_its_places_hears_busy_at_once_and_others_do_not() {
    let mut bare = Bare::new(|config| config.routing.under_way_max = 2);
    bare.join(peer(1));
    bare.join(peer(2));
    let carry = |number| {
        let envelope = Bytes::from_static(b"whatever");
        Message::Carry { number, hops: 3, envelope }
    };
    let mut arrivals = 0;
    for number in 0..500 {
        let effects = bare.hear(peer(1), carry(number));
        let arrived =
            effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::Arrived(_))));
        arrivals += usize::from(arrived);
        let busy = sent(&effects, peer(1))
            .into_iter()
            .any(|message| matches!(message, Message::Verdict { outcome: Err(Code::Busy), .. }));
        assert_ne!(arrived, busy);
    }
    assert_eq!(arrivals, 2);
    assert_eq!(bare.core.gauges().under_way, 2);
    let effects = bare.hear(peer(2), carry(1));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Emit(Event::Arrived(_)))));
    // Whoever hangs up takes its places along.
    bare.feed(Input::Left { peer: peer(1) });
    assert_eq!(bare.core.gauges().under_way, 1);
    let outcome = Err(Refusal::Busy);
    let effects = bare.feed(Input::Command(Command::Settled { ticket: Ticket::new(0), outcome }));
    assert!(matches!(effects[..], [Effect::Emit(Event::Freed { .. })]));
}

#[test]
fn who_asks_too_often_waits() {
    let mut bare = Bare::new(|_| ());
    bare.join(peer(1));
    let find = || Message::Find { nonce: 1, target: Key::from_bytes([1; 32]), max: 9 };
    let answers = |bare: &mut Bare, times: usize| {
        (0..times).filter(|_| !sent(&bare.hear(peer(1), find()), peer(1)).is_empty()).count()
    };
    assert_eq!(answers(&mut bare, 200), 32);
    bare.wait(SECOND);
    assert_eq!(answers(&mut bare, 200), 4);
}

#[test]
fn dials_are_few_and_failures_rest_longer_each_time() {
    let mut bare = Bare::new(|config| {
        config.routing.dials_max = 2;
        config.routing.redial_min = SECOND;
        config.routing.redial_max = 4 * SECOND;
        config.discovery.parallel_max = 8;
        config.discovery.refresh_period = Duration::from_hours(24);
    });
    for number in 1..8 {
        let met = Command::Met(Arc::new((*record(&keys(number), number)).clone()));
        bare.feed(Input::Command(met));
    }
    let target = Key::from_bytes([3; 32]);
    let look_up = |bare: &mut Bare| bare.feed(Input::Command(Command::LookUp { target }));
    let mut effects = look_up(&mut bare);
    let mut dialled = 0;
    loop {
        let dials = jobs(std::mem::take(&mut effects));
        assert!(dials.len() <= 2);
        if dials.is_empty() {
            break;
        }
        for (id, job) in dials {
            assert!(matches!(job, Job::Dial { .. }));
            dialled += 1;
            let outcome = Ok(Done::Dialled(Err(DialError::Unreachable)));
            effects.extend(bare.feed(Input::Done { id, outcome }));
        }
    }
    assert_eq!(dialled, 7);
    // They rest: nobody is dialled again at once.
    assert!(jobs(look_up(&mut bare)).is_empty());
    bare.wait(LONG);
    assert_eq!(bare.core.passing_entries(), 0);
}

impl Bare {
    /// Hears an envelope over the link with `from`, and passes it through the stages.
    pub(super) fn bring(&mut self, from: PeerId, envelope: &Envelope) -> Vec<Effect<Core>> {
        self.bring_with(5, from, envelope)
    }

    /// The same, with so many hops.
    pub(super) fn bring_with(
        &mut self,
        hops: u8,
        from: PeerId,
        envelope: &Envelope,
    ) -> Vec<Effect<Core>> {
        let envelope = envelope.bytes().clone();
        let effects = self.hear(from, Message::Carry { number: 1, hops, envelope });
        let arrived: Option<InboundMessage> = effects.into_iter().find_map(|effect| match effect {
            Effect::Emit(Event::Arrived(message)) => Some(message),
            _ => None,
        });
        let arrived = arrived.expect("the pipeline gets it");
        let params = Config::fast().check().unwrap();
        let opener = Arc::new(Opener::new(network(), &keys(0)).unwrap());
        let gate = Gate::new(&params, opener, Seen::new(network(), &params));
        let ticket = arrived.ticket;
        let recorded = pass(&gate, arrived, Moment { now: self.now, wall: START }).unwrap();
        let outcome: Result<Disposition, Refusal> = match decide(recorded) {
            ControlFlow::Break(outcome) => outcome,
            ControlFlow::Continue(delivery) => Ok(delivery.delivered()),
        };
        self.feed(Input::Command(Command::Settled { ticket, outcome }))
    }
}

#[test]
fn an_announcement_of_somebody_else_costs_and_goes_no_further() {
    for (owner, costs) in [(5, false), (6, true)] {
        let mut bare = Bare::new(|_| ());
        // Of three links, some are closer to the author than this node.
        (1..=3).for_each(|n| bare.join(peer(n)));
        let payload = record(&keys(owner), owner).encoded().clone();
        let effects = bare.bring(peer(1), &envelope(5, 5, Kind::Join, &payload));
        let (id, _) = jobs(effects).pop().expect("its record is checked");
        let record = SignedRecord::open(&payload).unwrap();
        let effects = bare.feed(Input::Done { id, outcome: Ok(Done::Verified(vec![Ok(record)])) });
        let known = bare.core.table().get(&peer(5)).is_some();
        let fault = costs.then_some((peer(1), Fault::ForeignJoin));
        assert_eq!(faults(&effects), Vec::from_iter(fault));
        assert_eq!(known, !costs);
        assert!(sent(&effects, peer(1)).is_empty(), "never back to where it is from");
    }
}

#[test]
fn letters_that_hold_nonsense_are_heard_and_forgotten() {
    for kind in [Kind::Receipt, Kind::Discover, Kind::DiscoverResponse] {
        let mut bare = Bare::new(|_| ());
        bare.join(peer(1));
        let payload = b"nonsense that is no introduction";
        let effects = bare.bring(peer(1), &envelope(5, 0, kind, payload));
        assert!(faults(&effects).is_empty(), "a carrier cannot know");
        assert!(jobs(effects).is_empty(), "{kind:?}");
    }
}

#[test]
fn news_go_back_where_the_envelope_is_from_and_come_from_where_it_went() {
    let mut bare = Bare::new(|_| ());
    (1..=3).for_each(|n| bare.join(peer(n)));
    let message = envelope(5, 2, Kind::Domain, b"hello");
    let id = message.identify(&network()).id;
    let effects = bare.bring(peer(1), &message);
    let number = sent(&effects, peer(2)).into_iter().find_map(|message| match message {
        Message::Carry { number, hops: 4, .. } => Some(*number),
        _ => None,
    });
    let (number, outcome) = (number.expect("the recipient is linked"), Ok(()));
    let verdict = Message::Verdict { number, outcome, retry_after: Duration::ZERO };
    assert!(faults(&bare.hear(peer(2), verdict.clone())).is_empty());
    assert_eq!(
        faults(&bare.hear(peer(2), verdict)),
        [(peer(2), Fault::Unsolicited("verdict"))],
        "once"
    );
    let news = || Message::Returned { id, news: News::Stopped(Code::NotReachable) };
    let passed = |effects: &[Effect<Core>]| sent(effects, peer(1)) == [&news()];
    let stranger = bare.hear(peer(3), news());
    assert_eq!(faults(&stranger), [(peer(3), Fault::Unsolicited("returned"))]);
    let through = (0..30).filter(|_| passed(&bare.hear(peer(2), news()))).count();
    assert_eq!(through, 21);
    bare.wait(Duration::from_mins(2));
    assert!(!passed(&bare.hear(peer(2), news())));
}

#[test]
fn a_neighbour_that_asks_for_a_rest_is_left_alone() {
    let mut bare = Bare::new(|_| ());
    (1..=2).for_each(|n| bare.join(peer(n)));
    let carried = |effects: &[Effect<Core>]| {
        let number = |message: &&Message| match message {
            Message::Carry { number, .. } => Some(*number),
            _ => None,
        };
        sent(effects, peer(2)).iter().find_map(number)
    };
    let message = |n: u8| envelope(5, 2, Kind::Domain, &[n]);
    let effects = bare.bring(peer(1), &message(1));
    let number = carried(&effects).expect("the recipient is linked");
    let (outcome, retry_after) = (Err(Code::TooOften), Duration::from_hours(24));
    bare.hear(peer(2), Message::Verdict { number, outcome, retry_after });
    let effects = bare.bring(peer(1), &message(2));
    assert_eq!(carried(&effects), None, "it rests");
    // However long it says.
    bare.wait(Duration::from_mins(1));
    let effects = bare.bring(peer(1), &message(3));
    assert!(carried(&effects).is_some());
}
