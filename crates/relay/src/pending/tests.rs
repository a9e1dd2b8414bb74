//! The table beside a plain model of it.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const TICK: u64 = 64;

fn peer(number: u8) -> PeerId {
    crate::sphinx::NodeSecret::from_seed(&[number; 32]).key().peer()
}

fn challenge(number: u8) -> ChallengeAddress {
    ChallengeAddress([number; 20])
}

fn at(millis: u64) -> Instant {
    Instant::at(Duration::from_millis(millis))
}

fn table(entries_max: u32, share_max: u32, caused_max: u32) -> Table<u32> {
    let config = Config { entries_max, share_max, caused_max, ..Config::default() };
    Table::new(&config.check().unwrap())
}

#[test]
fn the_table_and_the_shares_have_bounds() {
    let mut table = table(4, 2, 1);
    let due = at(1_000);
    let (a, b, c) = (peer(1), peer(2), peer(3));
    let insert = |table: &mut Table<u32>, to: PeerId, number: u8, origin: Option<PeerId>| {
        let inserted = table.insert((to, challenge(number)), origin, 7, due);
        inserted.map_err(|(refused, item)| (item == 7).then_some(refused).unwrap())
    };
    assert_eq!(insert(&mut table, a, 1, Some(b)), Ok(()));
    assert_eq!(insert(&mut table, a, 1, None), Err(Refused::Duplicate));
    assert_eq!(insert(&mut table, a, 2, None), Ok(()));
    assert_eq!(insert(&mut table, a, 3, None), Err(Refused::Share { max: 2 }));
    assert_eq!(insert(&mut table, c, 1, Some(b)), Err(Refused::Share { max: 1 }));
    assert_eq!(insert(&mut table, c, 1, Some(c)), Ok(()));
    assert_eq!(insert(&mut table, b, 1, None), Ok(()));
    assert_eq!(insert(&mut table, b, 2, None), Err(Refused::Full { max: 4 }));
    assert_eq!(table.remove(&(a, challenge(1))), Some(7));
    assert_eq!(insert(&mut table, b, 2, Some(b)), Ok(()));
    assert_eq!(table.len(), 4);
    while table.pop_due(due.after(Duration::from_millis(TICK))).is_some() {}
    assert!(table.is_empty() && table.sent.is_empty() && table.caused.is_empty());
    assert_eq!(table.next_deadline(), None);
}

#[test]
fn after_a_long_sleep_all_that_is_due_comes_out() {
    let mut table = table(4, 4, 4);
    for (number, due) in [(1, 30_000), (2, 10), (3, 200_000)] {
        table.insert((peer(1), challenge(number)), None, 0, at(due)).unwrap();
    }
    let mut popped = |now| std::iter::from_fn(|| table.pop_due(at(now))).count();
    assert_eq!([popped(100_000), popped(199_999), popped(200_064)], [2, 0, 1]);
    // What is due before the present comes out at once, at the next tick.
    table.insert((peer(1), challenge(4)), None, 0, at(5)).unwrap();
    let next = table.next_deadline().unwrap();
    assert!(next > at(200_064) && next <= at(200_064 + 2 * TICK));
    assert!(table.pop_due(next).is_some());
}

/// What a table does, in words.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<Key, (u32, Option<PeerId>, u64)>,
    /// The tick before which all is out.
    next: u64,
}

impl Model {
    fn refusal(&self, key: &Key, origin: Option<PeerId>) -> Option<Refused> {
        let sent = self.waiting.keys().filter(|it| it.0 == key.0).count();
        let caused = self.waiting.values().filter(|it| origin.is_some() && it.1 == origin).count();
        if self.waiting.contains_key(key) {
            Some(Refused::Duplicate)
        } else if self.waiting.len() >= 12 {
            Some(Refused::Full { max: 12 })
        } else if sent >= 5 {
            Some(Refused::Share { max: 5 })
        } else {
            (caused >= 4).then_some(Refused::Share { max: 4 })
        }
    }

    fn tick(&self, due: u64) -> u64 {
        due.div_ceil(TICK).max(self.next)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert { to: u8, challenge: u8, origin: Option<u8>, wait: u64 },
    Postpone { to: u8, challenge: u8, wait: u64 },
    Remove { to: u8, challenge: u8 },
    Pass { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (to, name) = (|| 0_u8..4, || 0_u8..6);
    let wait = || prop_oneof![0..200_u64, 0..40_000_u64];
    prop_oneof![
        4 => (to(), name(), proptest::option::of(0..4_u8), wait())
            .prop_map(|(to, challenge, origin, wait)| Step::Insert { to, challenge, origin, wait }),
        1 => (to(), name(), wait())
            .prop_map(|(to, challenge, wait)| Step::Postpone { to, challenge, wait }),
        1 => (to(), name()).prop_map(|(to, challenge)| Step::Remove { to, challenge }),
        2 => wait().prop_map(|millis| Step::Pass { millis }),
    ]
}

proptest! {
    #[test]
    fn a_table_does_what_its_model_does(steps in proptest::collection::vec(step(), 1..80)) {
        let peers = [1, 2, 3, 4].map(peer);
        let key = |to: u8, name: u8| (peers[usize::from(to)], challenge(name));
        let (mut table, mut model, mut now) = (table(12, 5, 4), Model::default(), 0_u64);
        for (number, step) in (0_u32..).zip(steps) {
            match step {
                Step::Insert { to, challenge, origin, wait } => {
                    let (key, due) = (key(to, challenge), now + wait);
                    let origin = origin.map(|origin| peers[usize::from(origin)]);
                    let expected = model.refusal(&key, origin).map_or(Ok(()), |it| Err((it, number)));
                    prop_assert_eq!(table.insert(key, origin, number, at(due)), expected);
                    if expected.is_ok() {
                        model.waiting.insert(key, (number, origin, model.tick(due)));
                    }
                }
                Step::Postpone { to, challenge, wait } => {
                    let (key, tick) = (key(to, challenge), model.tick(now + wait));
                    table.postpone(&key, at(now + wait));
                    if let Some(waiting) = model.waiting.get_mut(&key) {
                        waiting.2 = tick;
                    }
                }
                Step::Remove { to, challenge } => {
                    let key = key(to, challenge);
                    let expected = model.waiting.remove(&key).map(|it| it.0);
                    prop_assert_eq!(table.get(&key).copied(), expected);
                    prop_assert_eq!(table.get_mut(&key).copied(), expected);
                    prop_assert_eq!(table.remove(&key), expected);
                }
                Step::Pass { millis } => {
                    now += millis;
                    let mut popped: Vec<_> = std::iter::from_fn(|| table.pop_due(at(now))).collect();
                    let due = |tick: u64| tick * TICK <= now;
                    let mut expected: Vec<_> = model.waiting.iter()
                        .filter(|(_, it)| due(it.2)).map(|(key, it)| (*key, it.0)).collect();
                    popped.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(popped, expected);
                    model.waiting.retain(|_, it| !due(it.2));
                    model.next = now / TICK + 1;
                }
            }
            prop_assert_eq!(table.len(), model.waiting.len());
            let soonest = model.waiting.values().map(|it| at(it.2 * TICK)).min();
            let deadline = table.next_deadline();
            prop_assert_eq!(deadline.is_some(), soonest.is_some());
            prop_assert!(deadline <= soonest);
            // What waits for longer than a turn may wake the runner once too often.
            if soonest.is_some_and(|soonest| soonest < at(model.next * TICK + 32_000)) {
                prop_assert_eq!(deadline, soonest);
            }
        }
    }
}
