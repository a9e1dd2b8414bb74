//! What holds after any history, with every bound so small that it binds.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use proptest::prelude::*;

/// Peers that take part.
const PEERS: u16 = 30;

#[derive(Clone, Debug)]
enum Step {
    Offer { peer: u16, seq: u64, subnet: u8 },
    Alive { peer: u16 },
    Reached { peer: u16, seq: u64 },
    Failed { peer: u16 },
    Remove { peer: u16 },
    Wait { minutes: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..PEERS;
    prop_oneof![
        6 => (peer.clone(), 1..4_u64, 0..12_u8)
            .prop_map(|(peer, seq, subnet)| Step::Offer { peer, seq, subnet }),
        6 => peer.clone().prop_map(|peer| Step::Alive { peer }),
        4 => (peer.clone(), 1..4_u64).prop_map(|(peer, seq)| Step::Reached { peer, seq }),
        3 => peer.clone().prop_map(|peer| Step::Failed { peer }),
        1 => peer.prop_map(|peer| Step::Remove { peer }),
        1 => (0..3_u32).prop_map(|minutes| Step::Wait { minutes }),
    ]
}

fn small() -> Params {
    params(|config| {
        config.routing.bucket_max = 3;
        config.routing.waiting_max = 2;
        config.routing.subnet_per_bucket_max = 1;
        config.routing.subnet_total_max = 3;
    })
}

/// Signing takes longest: each record is made once.
fn records() -> BTreeMap<(u16, u64, u8), Arc<SignedRecord>> {
    let all = (0..PEERS).flat_map(|peer| {
        (1..4).flat_map(move |seq| (0..12).map(move |subnet| (peer, seq, subnet)))
    });
    all.map(|(number, seq, subnet)| {
        // Some are in two subnets.
        let first = format!("/ip4/9.9.{subnet}.1/tcp/1");
        let second = format!("/ip4/9.9.{}.1/tcp/1", subnet / 3);
        let addresses = if first == second { vec![&*first] } else { vec![&*first, &*second] };
        ((number, seq, subnet), signed(number, seq, &addresses))
    })
    .collect()
}

/// The third byte of every address: the subnet in these tests.
fn subnets(record: &SignedRecord) -> BTreeSet<String> {
    let text = record.addresses().iter().map(ToString::to_string);
    text.map(|address| address.split('.').nth(2).unwrap().to_owned()).collect()
}

/// No bucket over K, and no subnet over its caps; those whom this node never dialled are one.
fn check_caps(table: &Table) {
    let mut buckets: BTreeMap<Option<u8>, Vec<&SignedRecord>> = BTreeMap::new();
    let mut unproven: BTreeMap<Option<u8>, usize> = BTreeMap::new();
    for contact in table.contacts() {
        assert!(contact.seen().is_some(), "a contact was linked with");
        let bucket = table.own().distance(contact.key()).bucket();
        buckets.entry(bucket).or_default().push(contact.record());
        *unproven.entry(bucket).or_default() += usize::from(!contact.is_reached());
    }
    assert!(unproven.values().all(|count| *count <= 1) && unproven.values().sum::<usize>() <= 3);
    let most = |records: &[&SignedRecord]| {
        let mut counts = BTreeMap::<_, usize>::new();
        for subnet in records.iter().flat_map(|record| subnets(record)) {
            *counts.entry(subnet).or_default() += 1;
        }
        counts
    };
    for records in buckets.values() {
        assert!(records.len() <= 3);
        assert!(most(records).values().all(|count| *count <= 1));
    }
    let all: Vec<_> = buckets.into_values().flatten().collect();
    let counts = most(&all);
    assert!(counts.values().all(|count| *count <= 3));
    let gauges = table.gauges();
    assert_eq!((gauges.contacts, gauges.subnets), (all.len(), counts.len()));
    assert!(gauges.waiting <= gauges.buckets * 2 && gauges.buckets <= 10);
}

/// What is closest is what sorting everybody gives.
fn check_closest(table: &Table, target: u16, n: usize) {
    let target = if target == 0 { *table.own() } else { Key::of(&peer(target)) };
    let mut sorted: Vec<_> =
        table.contacts().map(|c| (c.key().distance(&target), c.peer())).collect();
    sorted.sort();
    let own = table.own().distance(&target);
    let closer = sorted.iter().filter(|(distance, _)| *distance < own);
    let closer: Vec<_> = closer.map(|(_, peer)| *peer).take(n).collect();
    let sorted: Vec<_> = sorted.into_iter().map(|(_, peer)| peer).take(n).collect();
    let peers = |contacts: Vec<&meshwork_dht::Contact>| -> Vec<PeerId> {
        contacts.into_iter().map(meshwork_dht::Contact::peer).collect()
    };
    assert_eq!(peers(table.closest(&target, n)), sorted);
    assert_eq!(peers(table.closer(&target, n)), closer);
    let known = table.known(&target, usize::MAX);
    assert_eq!(known.len(), table.gauges().contacts + table.gauges().waiting);
    assert!(known.is_sorted_by_key(|contact| contact.key().distance(&target)));
}

#[test]
fn after_any_history_the_caps_hold_and_closest_is_closest() {
    let records = records();
    let histories = proptest::collection::vec(step(), 1..120);
    proptest!(ProptestConfig::with_cases(96), |(steps in histories, target in 0..PEERS, n in 0..8_usize)| {
        let mut table = Table::new(&peer(0), &small());
        let mut now = Instant::START;
        for step in steps {
            let before: BTreeSet<_> = table.contacts().map(meshwork_dht::Contact::peer).collect();
            let mut may_go = None;
            match step {
                Step::Offer { peer, seq, subnet } => {
                    table.offer(&records[&(peer, seq, subnet)], now);
                }
                Step::Alive { peer: number } => {
                    table.alive(&peer(number), now);
                }
                Step::Reached { peer: number, seq } => table.reached(&peer(number), seq),
                Step::Failed { peer: number } => {
                    table.failed(&peer(number));
                    may_go = Some(peer(number));
                }
                Step::Remove { peer: number } => {
                    table.remove(&peer(number));
                    may_go = Some(peer(number));
                }
                Step::Wait { minutes } => now = now.after(MINUTE * minutes),
            }
            // Liveness before eviction: only whoever fails or is banned leaves its place.
            let after: BTreeSet<_> = table.contacts().map(meshwork_dht::Contact::peer).collect();
            prop_assert!(before.difference(&after).all(|gone| Some(*gone) == may_go));
            check_caps(&table);
        }
        check_closest(&table, target, n);
    });
}
