//! Any history leaves the book as a naive one would be, and what it keeps up to date as if new.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Filter;
use crate::book::rotation::Build;
use crate::sample::Prefix;

/// Items of a full book: few, so that the bound binds.
const FULL: usize = 12;

#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<(u32, bool)>),
    Remove(Vec<u32>),
    Expire(u64),
    Rotate(u8),
    Build(u8),
    Finish,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => vec((0..40_u32, prop::bool::weighted(0.2)), 1..6).prop_map(Op::Insert),
        2 => vec(0..40_u32, 1..4).prop_map(Op::Remove),
        1 => (0..12_u64).prop_map(Op::Expire),
        1 => any::<u8>().prop_map(Op::Rotate),
        1 => any::<u8>().prop_map(Op::Build),
        1 => Just(Op::Finish),
    ];
    vec(op, 1..40)
}

/// Ends of notes come in a few groups, so that there are equals; some never end.
fn nth(n: u32) -> Entry<Note> {
    note(n, u64::from(n % 8))
}

/// The book as one would write it without a thought of speed.
#[derive(Default)]
struct Naive(BTreeMap<ItemId, (u64, bool)>);

impl Naive {
    fn insert(&mut self, entry: &Entry<Note>, pinned: bool) -> Inserted {
        let end = entry.item.expires().map_or(u64::MAX, UnixTime::as_millis);
        if let Some(known) = self.0.get_mut(&entry.id) {
            known.1 |= pinned;
            return Inserted::Known;
        }
        let mut evicted = None;
        if self.0.len() == FULL {
            let loose = self.0.iter().filter(|(_, (_, pinned))| !pinned);
            match loose.map(|(id, (end, _))| (*end, *id)).max() {
                Some(last) if pinned || (end, entry.id) < last => evicted = Some(last.1),
                _ => return Inserted::Full,
            }
        }
        if let Some(id) = &evicted {
            self.0.remove(id);
        }
        self.0.insert(entry.id, (end, pinned));
        Inserted::New { evicted }
    }

    fn expire(&mut self, now: u64) -> BTreeSet<ItemId> {
        let ended = self.0.iter().filter(|(_, (end, _))| *end <= now);
        let ended: BTreeSet<_> = ended.map(|(id, _)| *id).collect();
        self.0.retain(|id, _| !ended.contains(id));
        ended
    }

    fn ids(&self) -> Vec<ItemId> {
        self.0.keys().copied().collect()
    }
}

/// What one knows who only hears of the changes.
#[derive(Default)]
struct Watcher {
    version: u64,
    ids: BTreeSet<ItemId>,
}

impl Watcher {
    fn catch_up(&mut self, book: &Book<Note>) {
        for update in book.changes_since(self.version).unwrap() {
            assert_eq!(update.version, self.version + 1);
            self.version = update.version;
            let was_new = match update.kind {
                UpdateKind::Added => self.ids.insert(update.id),
                UpdateKind::Expired | UpdateKind::Evicted | UpdateKind::Removed => {
                    self.ids.remove(&update.id)
                }
            };
            assert!(was_new);
        }
        assert_eq!(self.version, book.version());
    }
}

fn assert_equal(book: &Book<Note>, naive: &Naive) {
    let ids = naive.ids();
    assert_fresh(book, &ids);
    let everything = Prefix::default();
    assert_eq!(book.ids(&everything), ids);
    assert_eq!(book.len(), ids.len());
    let ends = naive.0.values().map(|(end, _)| *end).filter(|end| *end != u64::MAX);
    assert_eq!(book.next_expiry(), ends.min().map(UnixTime::from_millis));
    for (id, (_, pinned)) in &naive.0 {
        assert_eq!(book.holding(id).unwrap().pinned, *pinned);
    }
    let epoch = book.epoch();
    for n in 0..40 {
        let id = nth(n).id;
        let short = epoch.key().short_id(id.as_bytes());
        assert_eq!(epoch.find(short), naive.0.contains_key(&id).then_some(id));
    }
    let wanted = Prefix("b".to_owned());
    let matching = |id: &ItemId| wanted.matches(&book.get(id).unwrap().item);
    let some: Vec<_> = ids.iter().copied().filter(matching).collect();
    for (filter, ids) in [(everything, ids), (wanted, some)] {
        let (overview, snapshot) = (book.overview(&filter), book.snapshot(&filter));
        let digest: Digest = ids.iter().map(ItemId::as_bytes).collect();
        assert_eq!(overview.digest.finish(), digest.finish());
        assert_eq!(overview.count, u64::try_from(ids.len()).unwrap());
        assert_eq!(overview.estimator.to_bytes(), snapshot.estimator.to_bytes());
        assert_eq!(snapshot.digest.finish(), digest.finish());
        assert_eq!(snapshot.ids, ids);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_leaves_what_a_naive_book_holds(ops in ops()) {
        let book = book(FULL);
        let (mut naive, mut watcher) = (Naive::default(), Watcher::default());
        let mut building = None;
        for op in ops {
            match op {
                Op::Insert(newcomers) => {
                    let newcomers = newcomers.into_iter().map(|(n, pinned)| (nth(n), pinned));
                    let newcomers: Vec<_> = newcomers.collect();
                    let all = newcomers.iter().cloned().map(|(entry, pin)| held(entry, pin));
                    let alone = newcomers.len() == 1;
                    let would_take = book.would_take(&newcomers[0].0, newcomers[0].1);
                    let inserted = book.insert(all.collect());
                    let expected = newcomers.iter().map(|(entry, pin)| naive.insert(entry, *pin));
                    prop_assert_eq!(&inserted, &expected.collect::<Vec<_>>());
                    prop_assert!(!alone || would_take == (inserted[0] != Inserted::Full));
                }
                Op::Remove(numbers) => {
                    let ids: Vec<_> = numbers.into_iter().map(|n| nth(n).id).collect();
                    let left = book.remove(&ids);
                    let mut held = ids.into_iter().filter(|id| naive.0.remove(id).is_some());
                    prop_assert!(left.into_iter().eq(held.by_ref()));
                }
                Op::Expire(now) => {
                    let expired = book.expire(seconds(now));
                    let expected = naive.expire(now * 1000);
                    prop_assert_eq!(expired.into_iter().collect::<BTreeSet<_>>(), expected);
                }
                Op::Rotate(n) => {
                    let (before, held) = (book.epoch(), naive.ids());
                    prop_assert_eq!(book.rotate(key(n)), building.is_none());
                    assert_epoch(&before, &held);
                }
                Op::Build(n) => building = building.or_else(|| book.build(key(n))),
                Op::Finish => {
                    let finished = building.take().map(Build::finish);
                    prop_assert_ne!(finished, Some(false));
                }
            }
            watcher.catch_up(&book);
            assert_equal(&book, &naive);
        }
        prop_assert!(watcher.ids.into_iter().eq(naive.ids()));
        let Counts { added, evicted, expired, removed, .. } = book.counts();
        prop_assert_eq!(added + evicted + expired + removed, book.version());
    }
}
