//! Pages that do not advance, do not end, or hold what they must not.

use meshwork_ordersync::requester::{Ended, Limits};
use meshwork_ordersync::riblt::RibltResponse;
use meshwork_ordersync::{BadItem, Entry, Fault, Form, ItemId, RawRequest, binary};
use reconcile::Summary;

use super::{Answers, FORMS, faulted, form_of, ours, siege, theirs};
use crate::hostile::{Manner, Puppet, asked_page, page, says};
use crate::pair::{forged, note};
use crate::sample::{Note, Prefix};

/// A provider that has everything paged, by its own pages.
fn pager(
    answer: impl Fn(Form, ItemId) -> Answers,
) -> impl FnMut(&mut Puppet, &RawRequest<Note>) -> Answers {
    move |_, request| {
        let form = form_of(request);
        if let Some(after) = asked_page(request) {
            return answer(form, after);
        }
        let summary = Summary { hash: [1; 32], count: 5_000 };
        says(form, &RibltResponse::Page { summary })
    }
}

fn ascending(numbers: std::ops::Range<u32>) -> Vec<Entry<Note>> {
    let mut entries: Vec<_> = numbers.map(|number| Entry::new(note(number))).collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

fn after(entries: Vec<Entry<Note>>, after: ItemId) -> Vec<Entry<Note>> {
    entries.into_iter().filter(|entry| entry.id > after).take(20).collect()
}

#[test]
fn pages_that_do_not_advance_are_a_fault() {
    let stuck = |fault: &Fault| *fault == Fault::Stuck;
    // The same again and again.
    faulted(stuck, pager(|form, _| page(form, ascending(0..20), ItemId::ZERO)));
    // Nothing, and nowhere.
    faulted(stuck, pager(|form, _| page(form, Vec::new(), ItemId::ZERO)));
    // Downwards.
    let downwards = |form, at| {
        let mut orders = after(ascending(0..500), at);
        orders.reverse();
        page(form, orders, ItemId::ZERO)
    };
    faulted(stuck, pager(downwards));
}

#[test]
fn what_is_merely_unwanted_counts_once_in_a_session() {
    for form in FORMS {
        let filter = Prefix("note 1".to_owned());
        let manner = Manner { filter, ..Manner::of(form) };
        // One of each ten notes is wanted, more or less, and all come.
        let (ours, mut theirs) = (ours(), theirs(form));
        let mut all = pager(|form, at| page(form, after(ascending(0..500), at), at));
        let siege = siege(&manner, &ours, &mut |request| all(&mut theirs, request));
        let unwanted = siege.reports.iter().filter(|fault| matches!(fault, Fault::Unwanted { .. }));
        assert_eq!(unwanted.count(), 1, "{form:?}: {:?}", siege.reports);
        let tally = siege.outcome.tally;
        assert!(tally.responses > 10 && tally.unmatched > 200, "{form:?}: {tally:?}");
    }
}

#[test]
fn empty_pages_without_end_come_to_an_end() {
    for form in FORMS {
        let limits = Limits { responses_max: 300, ..Limits::default() };
        let mut creep = pager(|form, at| {
            let mut next = at;
            next.0[31] = next.0[31].wrapping_add(1);
            next.0[30] = next.0[30].wrapping_add(u8::from(next.0[31] == 0));
            next.0[29] = next.0[29].wrapping_add(u8::from(next.0[31] == 0 && next.0[30] == 0));
            page(form, Vec::new(), next)
        });
        let (ours, mut theirs) = (ours(), theirs(form));
        let manner = Manner { limits, ..Manner::of(form) };
        let siege = siege(&manner, &ours, &mut |request| creep(&mut theirs, request));
        let Ended::Faulted(fault) = siege.outcome.ended else { panic!("{:?}", siege.outcome) };
        assert!(
            matches!(fault, Fault::Stuck | Fault::TooMuch { what: "responses", max: 300 }),
            "{fault:?}"
        );
    }
}

#[test]
fn pages_that_are_too_long_are_a_fault() {
    let orders = binary::ITEMS_MAX + 1;
    let too_long = |fault: &Fault| *fault == Fault::PageTooLong { orders, max: binary::ITEMS_MAX };
    let all = ascending(0..u32::try_from(orders).unwrap());
    faulted(too_long, pager(|form, _| page(form, all.clone(), ItemId::ZERO)));
    let malformed = |form, _| {
        let mut page = page(form, Vec::new(), ItemId::ZERO);
        page[0].malformed = vec![BadItem::new("note", "is none"); orders];
        page
    };
    faulted(too_long, pager(malformed));
}

#[test]
fn more_invalid_items_than_may_be_are_a_fault() {
    for form in FORMS {
        let limits = Limits { invalid_max: 100, malformed_max: 100, ..Limits::default() };
        let manner = Manner { limits, ..Manner::of(form) };
        let mut bad: Vec<_> = (0..1_000).map(forged).collect();
        bad.sort_by_key(|entry| entry.id);
        let mut pages = pager(|form, at| page(form, after(bad.clone(), at), ItemId::ZERO));
        let (ours, mut theirs) = (ours(), theirs(form));
        let ended = siege(&manner, &ours, &mut |request| pages(&mut theirs, request));
        let too_much = |what| Ended::Faulted(Fault::TooMuch { what, max: 100 });
        assert_eq!(ended.outcome.ended, too_much("invalid orders"));
        assert!(ended.reports.contains(&Fault::Invalid { orders: 20 }));
        assert_eq!(ours.book.len(), 300, "none of them is in");

        let mut pages = pager(|form, at| {
            let mut page = page(form, after(ascending(0..500), at), ItemId::ZERO);
            page[0].malformed = vec![BadItem::new("note", "is none"); 30];
            page
        });
        let ended = siege(&manner, &ours, &mut |request| pages(&mut theirs, request));
        assert_eq!(ended.outcome.ended, too_much("malformed orders"));
        assert!(ours.book.len() > 300, "what is good is in");
    }
}
