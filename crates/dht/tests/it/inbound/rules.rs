//! What is refused before anybody looks at the signature.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use machine::Verdict;
use meshwork_dht::{
    BadEnvelope, BadSignature, Carriage, Config, Envelope, Flags, InboundMessage, Lifetime,
    Refusal, Terms,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::{
    LIFE, MINUTE, Node, START, at, clear, key, letter, routed, sealed, sealed_again, sealer, terms,
};

const SECOND: Duration = Duration::from_secs(1);

const ALL: [Refusal; 16] = [
    Refusal::Malformed(BadEnvelope::Destination),
    Refusal::Duplicate,
    Refusal::UnderWay,
    Refusal::Expired,
    Refusal::FromTheFuture,
    Refusal::LivesTooLong,
    Refusal::TooOften { retry_after: SECOND },
    Refusal::BadSignature(BadSignature),
    Refusal::NotForUs,
    Refusal::NotToBeKept,
    Refusal::HopsSpent,
    Refusal::Full,
    Refusal::Busy,
    Refusal::NotClose,
    Refusal::NotReachable,
    Refusal::Off,
];

fn sealed_with(terms: Terms) -> Envelope {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    sealer(1).seal(&key(2), &letter(1), terms, &mut rng).unwrap()
}

#[test]
fn it_is_refused_from_its_expiry_on() {
    let node = Node::new(3);
    assert_eq!(node.take(routed(&sealed(1)), at(LIFE)).err(), Some(Refusal::Expired));
    node.take(routed(&sealed(1)), at(LIFE.saturating_sub(SECOND))).unwrap();
}

#[test]
fn defect_7_nothing_lives_longer_than_is_allowed() {
    let mut config = Config::default();
    config.delivery.lifetime_max = LIFE;
    config.delivery.lifetime_mailbox = LIFE;
    let node = Node::with(3, &config);
    let lives = |quanta| routed(&sealed_again(1, Lifetime::new(quanta).unwrap()));
    assert_eq!(node.refusal(lives(14)), Some(Refusal::LivesTooLong));
    node.take(lives(13), at(MINUTE)).unwrap();
    assert_eq!(Node::new(3).refusal(lives(288)), None, "a day by default");
    let mut bytes = sealed(1).bytes().to_vec();
    bytes[39..41].copy_from_slice(&289_u16.to_be_bytes());
    let longer = InboundMessage { envelope: bytes.into(), ..routed(&sealed(1)) };
    assert_eq!(node.refusal(longer), Some(Refusal::Malformed(BadEnvelope::Lifetime(289))));
}

#[test]
fn a_clock_may_be_ahead_by_so_much_and_no_more() {
    let node = Node::new(3);
    let made = |elapsed| routed(&sealed_with(Terms { created: START.after(elapsed), ..terms() }));
    let skew = 10 * MINUTE;
    assert_eq!(node.take(made(skew), at(Duration::ZERO)).err(), None);
    let refused = node.take(made(skew + 5 * MINUTE), at(Duration::ZERO)).err();
    assert_eq!(refused, Some(Refusal::FromTheFuture));
}

#[test]
fn only_what_is_sealed_and_may_be_kept_is_put() {
    let node = Node::new(3);
    let put = |envelope: &Envelope| InboundMessage {
        carriage: Carriage::Put,
        hops: 0,
        ..routed(envelope)
    };
    let not_kept = sealed_with(Terms { flags: Flags::NONE, ..terms() });
    assert_eq!(node.refusal(put(&not_kept)), Some(Refusal::NotToBeKept));
    assert_eq!(node.refusal(put(&clear(Some(key(2)), 1))), Some(Refusal::NotToBeKept));
    node.take(put(&sealed(1)), at(MINUTE)).unwrap();
}

#[test]
fn a_mailbox_gives_nobody_what_is_for_another() {
    let fetched = |envelope: &Envelope| InboundMessage {
        carriage: Carriage::Fetched,
        hops: 0,
        ..routed(envelope)
    };
    assert_eq!(Node::new(3).refusal(fetched(&sealed(1))), Some(Refusal::NotForUs));
    let node = Node::new(2);
    assert_eq!(node.refusal(fetched(&clear(Some(key(2)), 1))), Some(Refusal::NotForUs));
    node.take(fetched(&sealed(1)), at(MINUTE)).unwrap();
}

#[test]
fn bytes_that_are_no_envelope_are_refused_and_paid_for() {
    let garbage = InboundMessage { envelope: Bytes::from_static(&[7; 300]), ..routed(&sealed(1)) };
    let refused = Node::new(3).refusal(garbage).unwrap();
    assert_eq!(refused, Refusal::Malformed(BadEnvelope::Version(7)));
    assert_eq!(refused.verdict(), Some(Verdict::Charge(50)));
}

#[test]
fn the_specification_lists_every_refusal_with_what_is_told_and_paid() {
    let cell = |text: &str| text.trim().trim_matches('`').to_owned();
    let listed: Vec<Vec<_>> = include_str!("../../../../../docs/protocols/dht.md")
        .lines()
        .skip_while(|line| !line.starts_with("| refusal |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').skip(1).take(3).map(cell).collect())
        .collect();
    let price = |refusal: &Refusal| match refusal.verdict() {
        Some(Verdict::Charge(points)) => points.to_string(),
        Some(Verdict::Note | Verdict::Ban) | None => String::new(),
    };
    let told = |refusal: &Refusal| refusal.code().name().replace('_', " ");
    let are = ALL.map(|refusal| vec![refusal.reason().to_owned(), told(&refusal), price(&refusal)]);
    assert_eq!(listed, are);
}

#[test]
fn every_refusal_has_a_name_of_its_own_and_a_price_only_if_it_is_provable() {
    let names: BTreeSet<_> = ALL.iter().map(Refusal::reason).collect();
    assert_eq!(names.len(), ALL.len());
    let paid: Vec<_> = ALL.iter().filter(|refusal| refusal.verdict().is_some()).collect();
    let reasons: Vec<_> = paid.iter().map(|refusal| refusal.reason()).collect();
    assert_eq!(reasons, ["malformed", "bad_signature", "not_for_us", "not_to_be_kept"]);
    let told: BTreeSet<_> = ALL.iter().map(Refusal::code).collect();
    assert_eq!(told.len(), ALL.len() - 2, "two are told as others are");
}
