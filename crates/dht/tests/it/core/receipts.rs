//! What a core writes of its own accord, and what of it others can tell.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Effect, Input, JobError};
use meshwork_dht::{
    BroadcastStrategy, Code, Command, Config, Core, Destination, DhtOutboundRequest, Done,
    Envelope, Event, Flags, Job, Kind, Letter, LetterId, Lifetime, Message, Outcome, Sealer,
    SendError, Terms, broadcast, seal,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::faults::{Bare, jobs};
use super::world::{START, World, keys, network, peer, record};

const SECOND: Duration = Duration::from_secs(1);

/// A core that knows the time and where it is, linked with the first two.
fn bare(change: impl FnOnce(&mut Config)) -> Bare {
    let mut bare = Bare::new(change);
    bare.feed(Input::Wall(START));
    bare.feed(Input::Command(Command::Announce(record(&keys(0), 0))));
    (1..=2).for_each(|n| bare.join(peer(n)));
    bare
}

/// A letter of `kind` from `sender` for the core.
fn letter(sender: u8, number: u16, kind: Kind, payload: Bytes) -> Envelope {
    let sealer = Sealer::new(network(), &keys(sender)).unwrap();
    let terms = Terms { flags: Flags::NONE, created: START, lifetime: Lifetime::HOUR };
    let mut id = [sender; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let letter = Letter { id: LetterId(id), kind, payload };
    let to = Destination::of(&peer(0)).unwrap();
    sealer.seal(&to, &letter, terms, &mut ChaCha20Rng::seed_from_u64(number.into())).unwrap()
}

/// What the core writes, each with how it is marked and how long it lives; announcements left out.
fn written(bare: &mut Bare, effects: Vec<Effect<Core>>) -> Vec<(Kind, Flags, Lifetime)> {
    let mut all = Vec::new();
    let mut effects = effects;
    while !effects.is_empty() {
        let seals =
            jobs(std::mem::take(&mut effects)).into_iter().filter_map(|(id, job)| match job {
                Job::Seal(addressed) => Some((id, addressed)),
                _ => None,
            });
        for (id, addressed) in seals {
            let kind = addressed.letter().kind;
            let sealer = Sealer::new(network(), &keys(0)).unwrap();
            let sealed = seal(&sealer, *addressed, &mut ChaCha20Rng::seed_from_u64(1));
            let envelope = sealed.as_ref().unwrap().envelope();
            if kind != Kind::Join {
                all.push((kind, envelope.flags(), envelope.lifetime()));
            }
            let outcome = Ok(Done::Sealed(sealed.map(Box::new)));
            effects.extend(bare.feed(Input::Done { id, outcome }));
        }
    }
    all
}

#[test]
fn a_receipt_is_held_back_for_a_random_time() {
    let mut at = BTreeSet::new();
    for sender in 5..20 {
        let mut bare = bare(|config| config.delivery.receipt_delay = 10 * SECOND);
        let text = Bytes::from_static(b"hello");
        // The same core, which has drawn another number of times.
        (5..sender).for_each(|other| {
            bare.bring_with(5, peer(1), &letter(other, 1, Kind::Domain, text.clone()));
        });
        let effects = bare.wait(10 * SECOND);
        assert_eq!(written(&mut bare, effects).len(), usize::from(sender - 5));
        let effects = bare.bring_with(5, peer(1), &letter(sender, 1, Kind::Domain, text));
        assert!(written(&mut bare, effects).is_empty(), "not at once");
        let second = (0..10).find(|_| {
            let effects = bare.wait(SECOND);
            !written(&mut bare, effects).is_empty()
        });
        at.insert(second.expect("within the time that it may be held back"));
    }
    assert!(at.len() >= 5, "{at:?}");
}

#[test]
fn a_header_does_not_show_which_kind_of_letter_it_is() {
    let params = Config::fast().check().unwrap();
    let usual = |keep| {
        let strategy = BroadcastStrategy::Direct(peer(5));
        let options = meshwork_dht::SendOptions { keep, ..Default::default() };
        let request = DhtOutboundRequest::new(strategy, LetterId([1; 16]), Bytes::new());
        let addressed = broadcast(&params, &peer(0), request.with_options(options), START).unwrap();
        (addressed.terms().flags, addressed.terms().lifetime)
    };
    let mut bare = bare(|_| ());
    let text = || Bytes::from_static(b"hello");
    let mut write = |sender, kind, payload| {
        bare.bring_with(5, peer(1), &letter(sender, 1, kind, payload));
        let effects = bare.wait(10 * SECOND);
        written(&mut bare, effects)
    };
    let marked = |kind, (flags, lifetime)| vec![(kind, flags, lifetime)];
    assert_eq!(write(5, Kind::Domain, text()), marked(Kind::Receipt, usual(true)));
    // Who is linked gets it over the link, or asks again.
    assert_eq!(write(2, Kind::Domain, text()), marked(Kind::Receipt, usual(false)));
}

#[test]
fn a_question_for_our_record_and_its_answer_are_marked_as_what_nobody_keeps() {
    let mut bare = bare(|config| config.discovery.enabled = false);
    let effects = bare.feed(Input::Command(Command::Discover { peer: peer(5) }));
    let hour = Lifetime::at_least(Config::fast().delivery.lifetime).unwrap();
    assert_eq!(written(&mut bare, effects), [(Kind::Discover, Flags::NONE, hour)]);
    let job = ask(&mut bare, 1, 6).expect("its record is checked");
    let record = wire::signed::SignedRecord::open(record(&keys(6), 6).encoded()).unwrap();
    let outcome = Ok(Done::Verified(vec![Ok(record)]));
    let effects = bare.feed(Input::Done { id: job, outcome });
    assert_eq!(written(&mut bare, effects), [(Kind::DiscoverResponse, Flags::NONE, hour)]);
}

/// `sender` asks for the core's record, by way of a link. The check of its own, if there is one.
fn ask(bare: &mut Bare, link: u8, sender: u8) -> Option<machine::JobId> {
    let record = record(&keys(sender), sender).encoded().clone();
    // Field 1, a number of 64 bits, and field 2, bytes: a length of two bytes, seven bits in each.
    let len = u16::try_from(record.len()).unwrap();
    let len = [u8::try_from(len & 127).unwrap() | 128, u8::try_from(len >> 7).unwrap()];
    let payload = [&[9][..], &[7; 8], &[18], &len, &record].concat();
    let effects =
        bare.bring_with(5, peer(link), &letter(sender, 1, Kind::Discover, payload.into()));
    let check = |(id, job)| matches!(job, Job::Verify { .. }).then_some(id);
    jobs(effects).into_iter().find_map(check)
}

#[test]
fn a_link_brings_one_question_for_our_record_a_second() {
    let mut bare = bare(|_| ());
    assert!(ask(&mut bare, 1, 10).is_some());
    assert!((11..15).all(|sender| ask(&mut bare, 1, sender).is_none()));
    assert!(ask(&mut bare, 2, 15).is_some(), "another link has its own");
    bare.wait(SECOND);
    assert!(ask(&mut bare, 1, 16).is_some());
    // Eight are checked at once, whoever asks.
    for sender in 17..40 {
        bare.wait(SECOND);
        assert_eq!(ask(&mut bare, 1, sender).is_some(), sender < 22, "{sender}");
    }
}

#[test]
fn of_many_receipts_only_so_many_are_to_be_kept() {
    let mut bare = bare(|config| config.delivery.receipt_delay = SECOND);
    let (mut kept, mut plain) = (0, 0);
    for number in 0..600 {
        let text = Bytes::from_static(b"hello");
        bare.bring_with(5, peer(1), &letter(9, number, Kind::Domain, text));
        if number % 100 == 99 {
            let effects = bare.wait(SECOND);
            for (kind, flags, _) in written(&mut bare, effects) {
                assert_eq!(kind, Kind::Receipt);
                *(if flags == Flags::MAILBOX { &mut kept } else { &mut plain }) += 1;
            }
        }
    }
    loop {
        let effects = bare.wait(SECOND);
        let more = written(&mut bare, effects);
        if more.is_empty() {
            break;
        }
        let marked = more.iter().filter(|(_, flags, _)| *flags == Flags::MAILBOX).count();
        (kept, plain) = (kept + marked, plain + more.len() - marked);
    }
    assert_eq!(kept + plain, 600);
    assert!((256..=258).contains(&kept), "{kept}");
}

#[test]
fn a_receipt_that_finds_no_place_among_the_jobs_spends_nothing() {
    let mut bare = bare(|config| config.delivery.receipt_delay = SECOND);
    let text = Bytes::from_static(b"hello");
    let mut effects = bare.bring_with(5, peer(1), &letter(9, 0, Kind::Domain, text));
    for _ in 0..400 {
        let seals = jobs(effects).into_iter().filter(|(_, job)| matches!(job, Job::Seal(_)));
        for (id, _) in seals.collect::<Vec<_>>() {
            bare.feed(Input::Done { id, outcome: Err(JobError::Refused) });
        }
        effects = bare.wait(SECOND);
    }
    let flags = written(&mut bare, effects).into_iter().map(|(_, flags, _)| flags);
    assert_eq!(flags.collect::<Vec<_>>(), [Flags::MAILBOX]);
}

#[test]
fn what_neighbours_find_wrong_with_a_message_ends_it() {
    let mut bare = bare(|config| config.discovery.enabled = false);
    (3..=6).for_each(|n| bare.join(peer(n)));
    let strategy = BroadcastStrategy::DirectOrClosest { peer: peer(9), n: 1, exclude: Vec::new() };
    let request = DhtOutboundRequest::new(strategy, LetterId([9; 16]), Bytes::new());
    let params = Config::fast().check().unwrap();
    let addressed = broadcast(&params, &peer(0), request, START).unwrap();
    let sealer = Sealer::new(network(), &keys(0)).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let dispatch = seal(&sealer, addressed, &mut rng).unwrap();
    let mut effects = bare.feed(Input::Command(Command::Dispatch(Box::new(dispatch))));
    let mut outcomes = Vec::new();
    for _ in 0..200 {
        let mut next = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send {
                    peer,
                    message: Message::Carry { number, .. } | Message::Put { number, .. },
                } => {
                    let outcome = Err(Code::LivesTooLong);
                    let verdict = Message::Verdict { number, outcome, retry_after: Duration::ZERO };
                    next.extend(bare.hear(peer, verdict));
                }
                Effect::Start { id, job: Job::Seal(addressed) } => {
                    let sealed = seal(&sealer, *addressed, &mut rng).map(Box::new);
                    next.extend(bare.feed(Input::Done { id, outcome: Ok(Done::Sealed(sealed)) }));
                }
                Effect::Emit(Event::Outcome { outcome, .. }) => outcomes.push(outcome),
                _ => {}
            }
        }
        if next.is_empty() {
            next = bare.wait(SECOND / 10);
        }
        effects = next;
    }
    let refused = Outcome::Refused(SendError::Refused(Code::LivesTooLong));
    assert_eq!(outcomes.last(), Some(&refused), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_end()).count(), 1);
}

/// A sender with one neighbour, and a message for somebody who is away.
fn waiting(serve: bool) -> (World, PeerId, PeerId, LetterId) {
    let mut config = Config::fast();
    config.discovery.enabled = false;
    config.mailbox.serve = serve;
    config.delivery.attempt_timeout = 600 * SECOND;
    config.delivery.attempt_timeout_max = 600 * SECOND;
    let mut world = World::new(3, config);
    let [from, between] = [1, 2].map(|number| world.start(number));
    world.link(from, between);
    let away = peer(4);
    let letter = world.send(from, away, "hello", true);
    world.run(30 * SECOND);
    (world, from, away, letter)
}

#[test]
fn a_sender_does_not_count_what_it_keeps_itself() {
    let (world, from, _, letter) = waiting(true);
    // Its neighbour puts a copy to the sender as well, since it does not know who wrote it.
    assert!(!world.store(from).snapshot().entries.is_empty());
    let outcomes = world.outcomes(letter);
    let stored = |it: &&Outcome| matches!(it, Outcome::Stored { .. });
    assert_eq!(outcomes.iter().filter(stored).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|it| !matches!(it, Outcome::Stored { by, .. } if *by == from)));
}

#[test]
fn who_links_with_a_sender_gets_what_is_for_it_at_once() {
    let (mut world, from, away, letter) = waiting(false);
    assert!(world.end(letter).is_none() && !world.outcomes(letter).is_empty());
    world.start(4);
    world.link(from, away);
    world.run(SECOND);
    assert_eq!(world.inbox(away), ["hello"]);
    assert_eq!(world.end(letter), Some(Outcome::Delivered));
}
