//! Requesters that ask for what there is not, for too much, or for nothing that makes sense.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use meshwork_ordersync::book::LOOK_MAX;
use meshwork_ordersync::provider::Input;
use meshwork_ordersync::provider::{Effect, Limits};
use meshwork_ordersync::riblt::{self, BLOCK_MAX, Open, RibltRequest, RibltResponse, WANTED_MAX};
use meshwork_ordersync::{
    Entry, Fault, Form, ItemId, Leave, Metadata as _, Raw, RawRequest, RawResponse, Refusal, Room,
    book, paging,
};
use proptest::prelude::*;
use reconcile::{Estimator, Key, Summary};

use super::{Puppet, bare};
use crate::pair::{Side, forged, note};
use crate::sample::Note;

const FORMS: [Form; 2] = [Form::Binary, Form::Json];

/// When there is leave again, as is said to who has none.
const LATER: Duration = Duration::from_secs(7);

const BUSY: Refusal = Refusal::Busy { retry_after: Some(LATER) };

fn provider(form: Form) -> Puppet {
    Puppet::new(form, 0..300)
}

/// One that has leave to go through its book so many times.
fn with_leave(form: Form, times: u32) -> Puppet {
    let left = Arc::new(AtomicU32::new(times));
    let take = move || {
        let taken =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| LATER)
    };
    let leave = Leave::new(take, Room::new(usize::MAX));
    Puppet::of(form, Side::new(2, 0..300), leave, Limits::default())
}

fn open(form: Form, key: Option<Key>) -> Open {
    let filter = match form {
        Form::Json => Raw::Json("null".to_owned()),
        Form::Binary => Raw::Binary(Bytes::new()),
    };
    let book = Side::new(1, 0..290).book;
    Open { filter, summary: book.summary(), estimator: book.estimator().to_bytes(), key }
}

/// Begins a comparison. Says how many cells came.
fn begin(provider: &mut Puppet, key: Option<Key>) -> usize {
    let open = RibltRequest::Open(open(provider.form, key));
    match answer(provider, &open) {
        Ok(RibltResponse::Block { head: Some(head), cells, .. }) => {
            assert_eq!(head.key.is_none(), key.is_some());
            cells
        }
        other => panic!("{other:?}"),
    }
}

/// What is answered in the subprotocol of reconciliation, or why nothing is.
fn answer(provider: &mut Puppet, request: &RibltRequest) -> Result<RibltResponse, Refusal> {
    let request = provider.riblt(request);
    let response = respond(provider, request)?;
    Ok(RibltResponse::from_raw(&response.metadata).unwrap())
}

fn respond(provider: &mut Puppet, request: RawRequest<Note>) -> Result<RawResponse<Note>, Refusal> {
    for effect in provider.effects(request) {
        match effect {
            Effect::Respond(response) => return Ok(response),
            Effect::End(Err(refusal)) => return Err(refusal),
            Effect::End(Ok(())) | Effect::Admit(_) | Effect::Report(_) => {}
        }
    }
    panic!("neither an answer nor a reason");
}

fn is_unavailable<T>(answer: &Result<T, Refusal>) -> bool {
    matches!(answer, Err(Refusal::Unavailable { .. }))
}

#[test]
fn who_has_not_opened_gets_neither_cells_nor_items() {
    for form in FORMS {
        for request in
            [RibltRequest::More { first: 0, cells: 32 }, RibltRequest::Fetch { wanted: vec![1] }]
        {
            let mut provider = provider(form);
            let refused = answer(&mut provider, &request);
            assert!(is_unavailable(&refused), "{refused:?}");
            // It is over: whatever follows is not answered.
            let again = RibltRequest::Open(open(form, None));
            assert!(provider.answers(&provider.riblt(&again)).is_empty());
        }
    }
}

#[test]
fn cells_come_in_order_and_once() {
    for form in FORMS {
        for wrong in [0, 1, 31, 33, usize::from(u16::MAX)] {
            let mut provider = provider(form);
            assert_eq!(begin(&mut provider, None), 32);
            let refused = answer(&mut provider, &RibltRequest::More { first: wrong, cells: 1 });
            assert!(is_unavailable(&refused), "{wrong}: {refused:?}");
        }
    }
}

/// Asks for cells until there are none. Says how many there were, and in how many answers.
fn all_cells(provider: &mut Puppet, key: Option<Key>) -> (usize, u32) {
    let (mut first, mut answers) = (begin(provider, key), 1);
    loop {
        match answer(provider, &RibltRequest::More { first, cells: BLOCK_MAX }) {
            Ok(RibltResponse::Block { head: None, cells, packed }) => {
                assert!(cells <= BLOCK_MAX && packed.len() <= cells * reconcile::packed::CELL_MAX);
                (first, answers) = (first + cells, answers + 1);
            }
            last => {
                assert!(matches!(last, Ok(RibltResponse::Page { .. })), "{last:?}");
                return (first, answers);
            }
        }
    }
}

#[test]
fn there_are_no_cells_beyond_those_that_there_are() {
    for form in FORMS {
        let kept = book::Config::default().cells;
        assert_eq!(all_cells(&mut provider(form), None), (kept, 2));
        let key = Key::from_bytes([6; 16]);
        let (cells, answers) = all_cells(&mut provider(form), Some(key));
        assert_eq!(cells, riblt::CELLS_MAX);
        assert!(answers <= 8, "{answers}");
    }
}

#[test]
fn an_estimate_of_anything_makes_a_block_of_bounded_size() {
    for form in FORMS {
        for filling in [0x00, 0x55, 0x7f, 0xff] {
            let mut provider = provider(form);
            let open = Open {
                estimator: [filling; Estimator::LEN],
                summary: Summary { hash: [4; 32], count: 300 },
                ..open(form, None)
            };
            match answer(&mut provider, &RibltRequest::Open(open)) {
                Ok(RibltResponse::Block { cells, .. }) => assert!(cells <= BLOCK_MAX, "{cells}"),
                Ok(RibltResponse::Page { summary }) => assert_eq!(summary.count, 300),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_number_of_items_that_cannot_be_leads_to_pages() {
    for form in FORMS {
        let mut provider = provider(form);
        let summary = Summary { hash: [4; 32], count: u64::MAX };
        let open = RibltRequest::Open(Open { summary, ..open(form, None) });
        let answered = answer(&mut provider, &open);
        assert!(matches!(answered, Ok(RibltResponse::Page { .. })), "{answered:?}");
    }
}

#[test]
fn of_ids_that_nobody_has_all_are_gone() {
    for form in FORMS {
        for key in [None, Some(Key::from_bytes([6; 16]))] {
            let mut provider = provider(form);
            begin(&mut provider, key);
            let wanted: Vec<u64> = (1..).take(WANTED_MAX).collect();
            let fetch = provider.riblt(&RibltRequest::Fetch { wanted: wanted.clone() });
            let response = respond(&mut provider, fetch).unwrap();
            assert!(response.orders.is_empty());
            let items = RibltResponse::from_raw(&response.metadata).unwrap();
            let summary = provider.side.book.summary();
            assert_eq!(items, RibltResponse::Items { gone: wanted, summary });
        }
    }
}

#[test]
fn a_wish_list_is_short_and_in_order() {
    for wanted in [(0..).take(WANTED_MAX + 1).collect(), vec![2, 1], vec![1, 1]] {
        for form in FORMS {
            let mut provider = provider(form);
            begin(&mut provider, None);
            let refused = answer(&mut provider, &RibltRequest::Fetch { wanted: wanted.clone() });
            assert!(matches!(refused, Err(Refusal::Metadata(_))), "{refused:?}");
        }
    }
}

#[test]
fn going_through_the_book_is_rationed() {
    for form in FORMS {
        let mut provider = with_leave(form, 2);
        for attempt in 0..2 {
            begin(&mut provider, Some(Key::from_bytes([attempt; 16])));
        }
        // Under the key of the epoch it costs nothing, and needs no leave.
        for _ in 0..10 {
            begin(&mut provider, None);
        }
        let open = RibltRequest::Open(open(form, Some(Key::from_bytes([2; 16]))));
        assert_eq!(answer(&mut provider, &open), Err(BUSY));
    }
}

/// A comparison under a key of its own, of 300 notes.
fn keyed(provider: &mut Puppet, byte: u8) -> RibltResponse {
    let open = open(provider.form, Some(Key::from_bytes([byte; 16])));
    answer(provider, &RibltRequest::Open(open)).expect("leave enough")
}

#[test]
fn what_all_sessions_hold_together_is_bounded() {
    let room = Room::new(2 * 300 * 72);
    let puppet = |form| {
        let leave = Leave::new(|| Ok(()), room.clone());
        Puppet::of(form, Side::new(2, 0..300), leave, Limits::default())
    };
    for form in FORMS {
        let mut puppets: Vec<_> = (0..3).map(|_| puppet(form)).collect();
        let is_block = |response: &_| matches!(response, RibltResponse::Block { .. });
        assert!(is_block(&keyed(&mut puppets[0], 1)));
        assert!(is_block(&keyed(&mut puppets[1], 1)));
        let paged = keyed(&mut puppets[2], 1);
        let summary = puppets[2].side.book.summary();
        assert_eq!(paged, RibltResponse::Page { summary }, "no room, and no refusal");
        // Another comparison of a session takes the place of the one before, whatever comes of it.
        assert!(is_block(&keyed(&mut puppets[1], 2)));
        begin(&mut puppets[1], None);
        assert!(is_block(&keyed(&mut puppets[2], 2)), "given back");
        drop(puppets.remove(0));
        assert!(is_block(&keyed(&mut puppets[0], 3)), "what has ended holds nothing");
        drop(puppets);
    }
    assert!(room.hold(2 * 300 * 72).is_some());
}

#[test]
fn a_filter_is_gone_through_the_book_with_a_look_at_a_time() {
    // Each note costs a hundredth of a look: 300 take three. Before them the filter is read, and what
    // is made of them, and the cells of that, are jobs of their own.
    let filter = "x".repeat(LOOK_MAX / 100 * 16);
    let raw = |form| match form {
        Form::Json => Raw::Json(format!("{filter:?}")),
        Form::Binary => Raw::Binary(Bytes::from(filter.clone())),
    };
    for form in FORMS {
        for (leave, enough) in [(3, true), (2, false)] {
            let mut provider = with_leave(form, leave);
            let summary = Summary { hash: [4; 32], count: 0 };
            let open = Open { filter: raw(form), summary, ..open(form, None) };
            let request = provider.riblt(&RibltRequest::Open(open));
            let mut jobs = 1;
            let mut more = provider.core.begin(Input::Received(request));
            while more {
                assert!(
                    provider.core.poll_effect().is_none(),
                    "nothing is said before it is known"
                );
                jobs += 1;
                more = provider.core.go_on();
            }
            match provider.core.poll_effect() {
                Some(Effect::Respond(_)) if enough => assert_eq!(jobs, 6),
                Some(Effect::End(Err(refusal))) if !enough => assert_eq!(refusal, BUSY),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_filter_that_is_none_is_refused_in_every_subprotocol() {
    let json = |filter: &str| Raw::Json(filter.to_owned());
    for filter in [json("7"), json("{\"$ref\":\"x\"}"), json("[[[[]]]]")] {
        let mut provider = provider(Form::Json);
        let open = RibltRequest::Open(Open { filter: filter.clone(), ..open(Form::Json, None) });
        assert!(matches!(answer(&mut provider, &open), Err(Refusal::Metadata(_))));
        let Raw::Json(filter) = filter else { unreachable!("made as JSON") };
        let page = format!(r#"{{"orderfilter":{filter},"minOrderHash":"{}"}}"#, ItemId::ZERO);
        let mut provider = self::provider(Form::Json);
        let refused = respond(&mut provider, bare(paging::V1::NAME, json(&page)));
        assert!(matches!(refused, Err(Refusal::Metadata(_))), "{refused:?}");
    }
    let mut provider = provider(Form::Binary);
    let filter = Raw::Binary(Bytes::from_static(&[0xff, 0xfe]));
    let open = RibltRequest::Open(Open { filter, ..open(Form::Binary, None) });
    assert!(matches!(answer(&mut provider, &open), Err(Refusal::Metadata(_))));
}

#[test]
fn a_filter_that_wants_nothing_is_answered_with_nothing() {
    for form in FORMS {
        let filter = match form {
            Form::Json => Raw::Json("\"nothing begins like this\"".to_owned()),
            Form::Binary => Raw::Binary(Bytes::from_static(b"nothing begins like this")),
        };
        let mut provider = with_leave(form, 1);
        let opened =
            Open { filter, summary: Summary { hash: [4; 32], count: 0 }, ..open(form, None) };
        let opened = RibltRequest::Open(opened);
        let head = match answer(&mut provider, &opened) {
            Ok(RibltResponse::Block { head: Some(head), .. }) => head,
            other => panic!("{other:?}"),
        };
        assert_eq!(head.summary.count, 0);
        assert_eq!(answer(&mut provider, &opened), Err(BUSY), "it takes a scan each time");
    }
}

#[test]
fn names_that_nobody_knows_are_refused_with_those_that_are_known() {
    let mut provider = provider(Form::Binary);
    let refused = respond(&mut provider, bare("/mine/1", Raw::Binary(Bytes::new())));
    let Err(Refusal::NoMatch(none)) = refused else { panic!("{refused:?}") };
    assert_eq!(none.requested, ["/mine/1"]);
    assert_eq!(none.supported, [riblt::NAME, paging::V1::NAME]);
}

#[test]
fn requests_without_end_come_to_an_end() {
    let limits = Limits { requests_max: 20, ..Limits::default() };
    let side = Side::new(2, 0..300);
    let mut provider = Puppet::of(Form::Binary, side, Leave::fixed(true), limits);
    begin(&mut provider, None);
    for _ in 1..20 {
        answer(&mut provider, &RibltRequest::Fetch { wanted: vec![1] }).unwrap();
    }
    let refused = answer(&mut provider, &RibltRequest::Fetch { wanted: vec![1] });
    let too_much = Refusal::TooMuch { what: "number of requests", wanted: 21, max: 20 };
    assert_eq!(refused, Err(too_much));
}

/// A request that gives items away.
fn pushing(provider: &Puppet, pushed: Vec<Entry<Note>>) -> RawRequest<Note> {
    let fetch = RibltRequest::Fetch { wanted: Vec::new() };
    RawRequest { pushed, ..provider.riblt(&fetch) }
}

#[test]
fn ten_thousand_gifts_are_taken_and_no_more() {
    let mut provider = provider(Form::Binary);
    begin(&mut provider, None);
    for part in 0..10 {
        let numbers = 10_000 + part * 1_000..11_000 + part * 1_000;
        let gifts = numbers.map(|number| Entry::new(note(number))).collect();
        let request = pushing(&provider, gifts);
        respond(&mut provider, request).unwrap();
    }
    assert_eq!(provider.side.book.len(), 10_300);
    let request = pushing(&provider, vec![Entry::new(note(99_999))]);
    let too_much =
        Refusal::TooMuch { what: "number of pushed orders", wanted: 10_001, max: 10_000 };
    assert_eq!(respond(&mut provider, request), Err(too_much));
    assert_eq!(provider.side.book.len(), 10_300);
}

#[test]
fn forged_gifts_are_blamed_on_the_giver_and_kept_out() {
    let mut provider = provider(Form::Binary);
    begin(&mut provider, None);
    let gifts = (0..10).map(forged).chain([Entry::new(note(700))]).collect();
    let request = pushing(&provider, gifts);
    let effects = provider.effects(request);
    let blamed =
        |effect: &Effect<Note>| matches!(effect, Effect::Report(Fault::Invalid { orders: 10 }));
    assert!(effects.iter().any(blamed), "{effects:?}");
    assert_eq!(provider.side.book.len(), 301, "the good one is in");
}

/// Bytes as metadata of one of the subprotocols.
fn garbage() -> impl Strategy<Value = (Form, &'static str, Raw)> {
    let names = [riblt::NAME, paging::V1::NAME, paging::V0::NAME, "/mine/1"];
    let json = prop_oneof![
        any::<String>(),
        Just("{}".to_owned()),
        Just("{\"open\":{}}".to_owned()),
        Just("{\"more\":{\"first\":18446744073709551615,\"cells\":1}}".to_owned()),
        Just("{\"fetch\":{\"wanted\":\"AA==\"}}".to_owned()),
        Just("{\"orderfilter\":null,\"minOrderHash\":\"0x\"}".to_owned()),
        Just("{\"page\":18446744073709551615,\"snapshotID\":\"0x\"}".to_owned()),
    ];
    let raw = prop_oneof![
        json.prop_map(|text| (Form::Json, Raw::Json(text))),
        proptest::collection::vec(any::<u8>(), 0..80)
            .prop_map(|bytes| (Form::Binary, Raw::Binary(bytes.into()))),
    ];
    (raw, proptest::sample::select(names.to_vec()))
        .prop_map(|((form, raw), name)| (form, name, raw))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_asked_there_is_an_answer_or_a_reason((form, name, raw) in garbage()) {
        let mut provider = Puppet::new(form, 0..30);
        let held = provider.side.book.summary();
        let request = provider.request(name, raw);
        if let Ok(response) = respond(&mut provider, request) {
            prop_assert!(response.orders.len() <= 50);
        }
        prop_assert_eq!(provider.side.book.summary(), held);
    }
}
