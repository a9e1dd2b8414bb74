//! Fairness, bounds and counts of the queue.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use proptest::prelude::*;

use super::*;

fn peers(count: u8) -> Vec<PeerId> {
    let key = |seed| crate::sphinx::NodeSecret::from_seed(&[seed; 32]).key().peer();
    (0..count).map(key).collect()
}

fn wide() -> Bounds {
    Bounds { items_per_peer: 1_000, bytes_per_peer: 1_000_000, bytes_total: 1_000_000 }
}

#[test]
fn a_flood_costs_another_peer_one_turn_per_item() {
    let [flood, calm] = peers(2)[..] else { panic!("two") };
    let mut queue = FairQueue::new(wide());
    for number in 0..900 {
        queue.push(flood, number, 100).expect("there is room");
    }
    for number in 0..3 {
        queue.push(calm, number, 100).expect("there is room");
    }
    let first: Vec<_> = queue.pop_many(7).into_iter().map(|(peer, _)| peer).collect();
    assert_eq!(first, [flood, calm, flood, calm, flood, calm, flood]);
}

#[test]
fn each_bound_has_its_count() {
    let [one, other] = peers(2)[..] else { panic!("two") };
    let bounds = Bounds { items_per_peer: 3, bytes_per_peer: 50, bytes_total: 60 };
    let mut queue = FairQueue::new(bounds);
    for _ in 0..3 {
        assert_eq!(queue.push(one, (), 10), Ok(()));
    }
    assert_eq!(queue.push(one, (), 1), Err(Overflow::Items));
    assert_eq!(queue.push(other, (), 51), Err(Overflow::Bytes));
    assert_eq!(queue.push(other, (), 30), Ok(()), "full to the byte");
    assert_eq!(queue.push(other, (), 1), Err(Overflow::Total));
    let counts = Counts { accepted: 4, over_items: 1, over_bytes: 1, over_total: 1 };
    assert_eq!(queue.counts(), counts);
    assert_eq!((queue.len(), queue.bytes()), (4, 60));
}

#[test]
fn the_longest_lane_gives_way_with_its_newest() {
    let [flood, calm] = peers(2)[..] else { panic!("two") };
    let bounds = Bounds { items_per_peer: 100, bytes_per_peer: 1_000, bytes_total: 100 };
    let mut queue = FairQueue::new(bounds);
    for number in 0..10 {
        queue.push(flood, number, 10).expect("there is room");
    }
    for number in 0..5 {
        assert_eq!(queue.push(calm, number, 10), Ok(()), "{number}");
    }
    assert_eq!(queue.push(calm, 5, 10), Err(Overflow::Total), "half is enough");
    let left = queue.pop_many(usize::MAX);
    let of =
        |peer| left.iter().filter(|(of, _)| *of == peer).map(|(_, it)| *it).collect::<Vec<_>>();
    assert_eq!(of(flood), [0, 1, 2, 3, 4]);
    assert_eq!(of(calm), [0, 1, 2, 3, 4]);
    assert_eq!(queue.counts().over_total, 6);
}

proptest! {
    /// Whatever comes and goes: bounds hold, each lane keeps its order, nobody is served twice
    /// while somebody waits, and what was taken in comes out or is counted.
    #[test]
    fn it_is_bounded_fair_and_complete(
        steps in proptest::collection::vec((0_u8..4, 0_usize..40, any::<bool>()), 1..400),
    ) {
        let peers = peers(4);
        let bounds = Bounds { items_per_peer: 8, bytes_per_peer: 120, bytes_total: 200 };
        let mut queue = FairQueue::new(bounds);
        let (mut popped, mut served) = (0, BTreeMap::<PeerId, u64>::new());
        let mut last = BTreeMap::<PeerId, usize>::new();
        for (number, (peer, bytes, push)) in steps.into_iter().enumerate() {
            let peer = peers[usize::from(peer)];
            if push {
                let _counted = queue.push(peer, number, bytes).is_err();
            } else if let Some((peer, item)) = queue.pop() {
                popped += 1;
                let before = last.insert(peer, item);
                prop_assert!(before.is_none_or(|before| before < item));
                served.remove(&peer);
                for waiting in queue.lanes.keys().filter(|waiting| **waiting != peer) {
                    let passed_over = served.entry(*waiting).or_default();
                    *passed_over += 1;
                    prop_assert!(*passed_over < 4, "starved by three others");
                }
            }
            served.retain(|waiting, _| queue.lanes.contains_key(waiting));
            prop_assert!(queue.bytes() <= bounds.bytes_total);
            prop_assert!(queue.lanes.values().all(|lane| lane.bytes <= bounds.bytes_per_peer));
            prop_assert!(queue.lanes.values().all(|lane| lane.waiting.len() <= 8));
            prop_assert_eq!(queue.turns.len(), queue.lanes.len());
        }
        let taken = queue.counts().accepted;
        let waiting = u64::try_from(queue.len()).unwrap();
        prop_assert!(popped + waiting <= taken);
        prop_assert!(popped + waiting + queue.counts().over_total >= taken);
    }
}
