//! What who goes through the book page by page can count on.

use std::collections::BTreeMap;

use super::*;
use crate::sample::Prefix;

/// Goes through a range page by page; `between` is called after each.
fn walk(
    book: &Book<Note>,
    (after, until): (ItemId, ItemId),
    filter: &Prefix,
    (limit, scan_max): (usize, usize),
    mut between: impl FnMut(),
) -> Vec<ItemId> {
    let (mut ids, mut cursor) = (Vec::new(), after);
    loop {
        let page = book.page(&cursor, &until, limit, filter, scan_max);
        assert!(page.entries.len() <= limit);
        ids.extend(page.entries.iter().map(|entry| entry.id));
        if page.end {
            return ids;
        }
        let scanned = page.scanned.unwrap();
        assert!(scanned > cursor && scanned <= until);
        cursor = scanned;
        between();
    }
}

#[test]
fn pages_go_through_a_range_in_order_and_know_their_end() {
    let book = book(2_000);
    fill(&book, 0..1_300);
    let all = book.ids(&Prefix::default());
    assert!(all.is_sorted());
    let some = book.ids(&Prefix("b".to_owned()));
    assert_eq!(some.len(), 434);
    let everywhere = (ItemId::ZERO, ItemId::MAX);
    for limits in [(1, 1), (7, 3), (100, 1_000), (513, 600), (1_300, 1_300), (5_000, 5_000)] {
        assert_eq!(walk(&book, everywhere, &Prefix::default(), limits, || {}), all);
        assert_eq!(walk(&book, everywhere, &Prefix("b".to_owned()), limits, || {}), some);
        let range = (all[100], all[900]);
        assert_eq!(walk(&book, range, &Prefix::default(), limits, || {}), all[101..=900]);
    }
    assert!(walk(&book, (all[5], all[5]), &Prefix::default(), (9, 9), || {}).is_empty());
    assert!(walk(&book, (all[6], all[5]), &Prefix::default(), (9, 9), || {}).is_empty());
}

#[test]
fn a_page_of_a_rare_item_goes_on_until_it_is_found_or_enough_is_looked_at() {
    let book = book(2_000);
    fill(&book, 0..1_300);
    let rare = Prefix("a1000".to_owned());
    let page = book.page(&ItemId::ZERO, &ItemId::MAX, 10, &rare, usize::MAX);
    assert_eq!(page.entries, [note(1_000, 0)]);
    assert!(page.end);
    let none = Prefix("c".to_owned());
    let page = book.page(&ItemId::ZERO, &ItemId::MAX, 10, &none, 600);
    assert!(page.entries.is_empty() && !page.end);
    assert_eq!(page.scanned, Some(book.ids(&Prefix::default())[599]));
}

#[test]
fn what_is_held_throughout_comes_exactly_once_whatever_else_changes() {
    let book = book(2_000);
    fill(&book, 0..900);
    let mut next = 900;
    let between = || {
        // Those below 300 stay.
        let leave: Vec<_> = (0..5).map(|i| note(300 + (next * 7 + i * 131) % 600, 0).id).collect();
        book.remove(&leave);
        fill(&book, next..next + 6);
        next += 6;
    };
    let seen = walk(&book, (ItemId::ZERO, ItemId::MAX), &Prefix::default(), (20, 20), between);
    let mut times: BTreeMap<ItemId, u32> = BTreeMap::new();
    for id in seen {
        *times.entry(id).or_default() += 1;
    }
    assert!(next > 1_000 && times.values().all(|times| *times == 1));
    assert!((0..300).all(|n| times.contains_key(&note(n, 0).id)));
}

#[test]
fn a_survey_in_many_parts_is_one_of_the_whole() {
    let book = book(2_000);
    fill(&book, 0..1_300);
    for filter in [Prefix::default(), Prefix("b".to_owned()), Prefix("c".repeat(640))] {
        for (effort, ids_max) in [(1, 9_999), (7, 20), (100, 0), (usize::MAX, 9_999)] {
            let mut survey = Survey::new(ids_max);
            let mut parts = 1;
            while !book.survey(&mut survey, &filter, effort) {
                parts += 1;
            }
            let (whole, ids) = (book.overview(&filter), book.ids(&filter));
            assert_eq!(survey.digest.finish(), whole.digest.finish());
            assert_eq!(survey.estimator.to_bytes(), whole.estimator.to_bytes());
            assert_eq!(survey.ids, ids[..ids.len().min(ids_max)]);
            let cost = 1_300 * (filter.0.len() / 16 + 1);
            assert!(parts > cost / effort.saturating_add(41), "{parts} parts");
        }
    }
}
