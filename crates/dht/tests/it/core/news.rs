//! What is heard of an own message, and from whom it counts.

use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Effect, Input, UnixTime};
use meshwork_dht::{
    BroadcastStrategy, Code, Command, Config, Core, DhtOutboundRequest, Done, Event, Fault, Job,
    Key, Kind, LetterId, Message, MessageId, News, Outcome, Sealer, Stored, broadcast, seal,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::faults::{Bare, faults, jobs, sent};
use super::world::{START, envelope, keys, network, peer};

fn outcomes(effects: &[Effect<Core>]) -> Vec<Outcome> {
    let of = |effect: &Effect<Core>| match effect {
        Effect::Emit(Event::Outcome { outcome, .. }) => Some(*outcome),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

/// An own message to `peer(5)` that `peer(1)` took on, its envelope's id, and when that expires.
fn sent_to_five(bare: &mut Bare) -> (LetterId, MessageId, UnixTime) {
    let strategy = BroadcastStrategy::DirectOrClosest { peer: peer(5), n: 1, exclude: Vec::new() };
    let letter = LetterId([9; 16]);
    let request = DhtOutboundRequest::new(strategy, letter, Bytes::from_static(b"hello"));
    let params = Config::fast().check().unwrap();
    let addressed = broadcast(&params, &peer(0), request, START).unwrap();
    let sealer = Sealer::new(network(), &keys(0)).unwrap();
    let dispatch = seal(&sealer, addressed, &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
    let (id, expires) = (dispatch.id(), dispatch.envelope().expires());
    let effects = bare.feed(Input::Command(Command::Dispatch(Box::new(dispatch))));
    let number = sent(&effects, peer(1)).into_iter().find_map(|message| match message {
        Message::Carry { number, .. } => Some(*number),
        _ => None,
    });
    let verdict = (number.expect("it is linked"), Ok(()), Duration::ZERO);
    let (number, outcome, retry_after) = verdict;
    bare.hear(peer(1), Message::Verdict { number, outcome, retry_after });
    (letter, id, expires)
}

#[test]
fn only_the_recipient_can_say_that_it_is_delivered() {
    let mut bare = Bare::new(|_| ());
    bare.join(peer(1));
    let (letter, ..) = sent_to_five(&mut bare);
    let receipt = |from| envelope(from, 0, Kind::Receipt, &letter.0);
    assert_eq!(outcomes(&bare.bring(peer(1), &receipt(6))), []);
    assert_eq!(outcomes(&bare.bring(peer(1), &receipt(5))), [Outcome::Delivered]);
    assert_eq!(outcomes(&bare.bring(peer(1), &receipt(5))), [], "once");
}

#[test]
fn who_says_that_it_keeps_a_message_has_to_have_signed_that() {
    let mut bare = Bare::new(|_| ());
    bare.join(peer(1));
    let (_, id, until) = sent_to_five(&mut bare);
    let mut says = |server: u8, signed: bool| {
        let stored = Stored { server: peer(server), until, signature: [0; 64] };
        let news = News::Stored(stored);
        let effects = bare.hear(peer(1), Message::Returned { id, news });
        let checked = |(job, _)| {
            let outcome = Ok(Done::Checked(signed));
            outcomes(&bare.feed(Input::Done { id: job, outcome }))
        };
        jobs(effects).into_iter().flat_map(checked).collect::<Vec<_>>()
    };
    let stored = |by, copies| vec![Outcome::Stored { by: peer(by), copies, of: 5 }];
    assert_eq!(says(7, false), []);
    assert_eq!(says(7, true), stored(7, 1));
    assert_eq!(says(7, true), [], "once of each");
    assert_eq!(says(8, true), stored(8, 2));
}

/// Which servers' signatures a core checks that hears of them from `from`.
fn checked(bare: &mut Bare, from: PeerId, id: MessageId, stored: Stored) -> bool {
    let news = News::Stored(stored);
    let effects = bare.hear(from, Message::Returned { id, news });
    jobs(effects).iter().any(|(_, job)| matches!(job, Job::CheckStored { .. }))
}

#[test]
fn news_of_an_own_message_count_from_whom_it_was_given_to() {
    let mut bare = Bare::new(|_| ());
    (1..=2).for_each(|n| bare.join(peer(n)));
    bare.feed(Input::Left { peer: peer(2) });
    let (_, id, until) = sent_to_five(&mut bare);
    bare.join(peer(2));
    let stopped = || Message::Returned { id, news: News::Stopped(Code::NotReachable) };
    let stored = |server| Stored { server: peer(server), until, signature: [0; 64] };
    let effects = bare.hear(peer(2), stopped());
    assert_eq!(outcomes(&effects), []);
    assert_eq!(faults(&effects), [(peer(2), Fault::Unsolicited("returned"))]);
    assert!(!checked(&mut bare, peer(2), id, stored(7)), "a stranger's news");
    assert_eq!(outcomes(&bare.hear(peer(1), stopped())), [Outcome::Stopped(Code::NotReachable)]);
    assert_eq!(outcomes(&bare.hear(peer(1), stopped())), [], "once");
    // Of two signatures that do not hold, no third is looked at.
    for server in [7, 8] {
        let news = News::Stored(stored(server));
        let effects = bare.hear(peer(1), Message::Returned { id, news });
        for (id, _) in jobs(effects) {
            bare.feed(Input::Done { id, outcome: Ok(Done::Checked(false)) });
        }
    }
    assert!(!checked(&mut bare, peer(1), id, stored(9)));
}

#[test]
fn a_server_counts_only_if_it_can_be_one_that_keeps_it() {
    let mut bare = Bare::new(|config| {
        config.mailbox.copies = 2;
        config.mailbox.redundancy = 1;
        config.mailbox.region = 2;
    });
    bare.join(peer(1));
    let (_, id, until) = sent_to_five(&mut bare);
    let key = Key::of(&peer(5));
    let distance = |number: &u8| Key::of(&peer(*number)).distance(&key);
    let mut others: Vec<u8> = (10..120).collect();
    others.sort_by_key(distance);
    let stored = |number, until| Stored { server: peer(number), until, signature: [0; 64] };
    let farthest = others[others.len() - 1];
    // The two closest that are known are the bound.
    others.iter().skip(2).take(2).for_each(|number| bare.join(peer(*number)));
    let edge = distance(&others[3]);
    let beyond = others.iter().filter(|number| distance(number).quarter() > edge).count();
    assert!(beyond > 50, "most are out of it");
    assert!(!checked(&mut bare, peer(1), id, stored(farthest, until)));
    assert!(!checked(&mut bare, peer(1), id, stored(5, until)), "the recipient");
    let soon = UnixTime::from_millis(until.as_millis() - 1);
    assert!(!checked(&mut bare, peer(1), id, stored(others[0], soon)), "not long enough");
    assert!(checked(&mut bare, peer(1), id, stored(others[0], until)));
    assert!(checked(&mut bare, peer(1), id, stored(others[4], until)));
}
