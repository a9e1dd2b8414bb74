//! Pages go forward or the session ends, in each of the dialects.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test")]

mod costly;

use std::fmt::Debug;
use std::sync::Arc;

use libp2p_identity::PeerId;
use machine::UnixTime;
use proptest::prelude::*;

use super::*;
use crate::book::Config;
use crate::outcome::{Fault, Refusal};
use crate::sample::{Note, Prefix};
use crate::{
    Book, Entry, Finding, Holding, Leave, Metadata, Reaction, Request, Response, Subprotocol,
};

const PAGE: usize = 4;

/// A node with these notes.
fn node(
    form: Form,
    filter: &str,
    texts: impl IntoIterator<Item = impl Into<String>>,
) -> Context<Note> {
    let book = Book::new(Config::default().check().unwrap(), [7; 32]);
    let hold = |text| Holding {
        entry: Entry::new(Note::new(text)),
        received: UnixTime::from_millis(0),
        pinned: false,
    };
    book.insert(texts.into_iter().map(hold).collect());
    Context {
        book: Arc::new(book),
        peer: PeerId::random(),
        form,
        filter: Prefix(filter.to_owned()),
        page: PAGE,
        secret: [7; 32],
        scans: Leave::fixed(true),
        push: false,
    }
}

fn requester(form: Form, filter: &str) -> Context<Note> {
    node(form, filter, [""; 0])
}

fn texts(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{}{number}", if number % 3 == 0 { "a" } else { "b" }))
        .collect()
}

/// A whole session; what arrived, and in how many responses.
fn sync<S: Subprotocol<Note>>(
    subprotocol: &S,
    provider: &Context<Note>,
    requester: &Context<Note>,
    range: Range,
) -> (Vec<ItemId>, usize) {
    let (mut pursuit, mut service) = (S::Pursuit::default(), S::Service::default());
    let mut metadata = subprotocol.first_request_metadata(&mut pursuit, &range, requester);
    let mut ids = Vec::new();
    for round in 1..10_000 {
        let raw = metadata.to_raw(requester.form);
        let metadata_in = subprotocol.parse_request_metadata(&raw).unwrap();
        let asked = Request { requester_id: provider.peer, metadata: metadata_in, pushed: vec![] };
        let answer = subprotocol.handle_request(asked, &mut service, provider).unwrap();
        let raw = answer.metadata.to_raw(provider.form);
        let metadata_in = subprotocol.parse_response_metadata(&raw).unwrap();
        let answer = Response { metadata: metadata_in, ..answer };
        ids.extend(answer.orders.iter().map(|entry| entry.id));
        let reaction = subprotocol.handle_response(&answer, &mut pursuit, requester).unwrap();
        assert_eq!(reaction.valid, answer.orders.len());
        match reaction.finding {
            Finding::Through => return (ids, round),
            Finding::Open => metadata = reaction.next.into_iter().next().unwrap().metadata,
            other => panic!("{other:?}"),
        }
    }
    panic!("it does not end");
}

fn wanted(provider: &Context<Note>, filter: &str) -> Vec<ItemId> {
    provider.book.ids(&Prefix(filter.to_owned()))
}

#[test]
fn every_dialect_hands_over_what_is_wanted_once() {
    for count in [0, 1, 3, 4, 5, 8, 50] {
        let notes = texts(count);
        for form in [Form::Json, Form::Binary] {
            let provider = node(form, "", &notes);
            for filter in ["", "a", "nothing"] {
                let (requester, wanted) = (requester(form, filter), wanted(&provider, filter));
                let original = V1 { empty_last_page: true };
                assert_eq!(sync(&V1::default(), &provider, &requester, Range::ALL).0, wanted);
                assert_eq!(sync(&original, &provider, &requester, Range::ALL).0, wanted);
                assert_eq!(sync(&V0, &provider, &requester, Range::ALL).0, wanted);
            }
            let (requester, wanted) = (requester(form, ""), wanted(&provider, ""));
            assert_eq!(sync(&V4, &provider, &requester, Range::ALL).0, wanted);
        }
    }
}

#[test]
fn the_last_page_says_so_unless_it_is_as_0x_mesh_does_it() {
    let notes = texts(2 * PAGE);
    let provider = node(Form::Json, "", &notes);
    let rounds = |v1: &V1| sync(v1, &provider, &requester(Form::Json, ""), Range::ALL).1;
    assert_eq!(rounds(&V1::default()), 2);
    assert_eq!(rounds(&V1 { empty_last_page: true }), 3);
}

#[test]
fn a_provider_says_how_far_it_looked() {
    let notes = texts(PAGE);
    let provider = node(Form::Json, "", &notes);
    let ids = wanted(&provider, "");
    let texts: Vec<_> = ids.iter().map(|id| provider.book.get(id).unwrap()).collect();
    let filter = Prefix(texts[0].item.text.clone());
    let metadata = V1Request::<Note> { filter, after: ItemId::ZERO, until: ItemId::MAX };
    let request = Request { requester_id: provider.peer, metadata, pushed: Vec::new() };
    let answer = V1::default().handle_request(request, &mut Looked::default(), &provider).unwrap();
    assert_eq!(answer.orders, texts[..1]);
    assert_eq!(answer.metadata.next, ids[PAGE - 1], "not only to what matches");
}

#[test]
fn shards_cover_everything() {
    let notes = texts(100);
    for (form, more) in [(Form::Json, PAGE), (Form::Binary, 0)] {
        let provider = node(form, "", &notes);
        let requester = requester(form, "");
        let mut all = Vec::new();
        for shard in Range::shards(7) {
            let (ids, _) = sync(&V1::default(), &provider, &requester, shard);
            let beyond = ids.iter().filter(|id| !shard.contains(id)).count();
            assert!(beyond <= more, "{beyond} beyond the shard: at most what is left of a page");
            all.extend(ids.into_iter().filter(|id| shard.contains(id)));
        }
        assert_eq!(all, wanted(&provider, ""));
    }
}

#[test]
fn a_filter_that_matches_little_is_paid_for_in_round_trips_or_from_the_budget() {
    let mut notes: Vec<_> = (0..SCAN_MAX).map(|number| format!("b{number}")).collect();
    notes.push("a".to_owned());
    let first = V1Request::<Note> {
        filter: Prefix("a".to_owned()),
        after: ItemId::ZERO,
        until: ItemId::MAX,
    };
    let mut provider = node(Form::Binary, "", &notes);
    let (ids, rounds) = sync(&V1::default(), &provider, &requester(Form::Binary, "a"), Range::ALL);
    assert_eq!(ids, [Entry::new(Note::new("a")).id]);
    assert!(rounds > 1, "no response looks at more than {SCAN_MAX}");

    let nothing = V1Request { filter: Prefix("nothing".to_owned()), ..first };
    let request = Request { requester_id: provider.peer, metadata: nothing, pushed: Vec::new() };
    let empty = V1::default().handle_request(request, &mut Looked::default(), &provider).unwrap();
    assert!(empty.orders.is_empty() && !empty.complete, "the budget is not touched");

    provider.form = Form::Json;
    let mut answer = |granted| {
        provider.scans = Leave::fixed(granted);
        let metadata = V1Request { filter: Prefix("nothing".to_owned()), ..first };
        let request = Request { requester_id: provider.peer, metadata, pushed: Vec::new() };
        V1::default().handle_request(request, &mut Looked::default(), &provider)
    };
    assert!(answer(true).unwrap().complete);
    let busy = Refusal::Busy { retry_after: None };
    assert_eq!(answer(false).unwrap_err(), busy, "and never an empty page before the end");
}

/// What a requester of a subprotocol makes of the answers, one after the other.
fn reactions<S: Subprotocol<Note>>(
    subprotocol: &S,
    form: Form,
    range: Range,
    answers: impl IntoIterator<Item = (Vec<Entry<Note>>, bool, S::ResponseMetadata)>,
) -> Vec<Result<Reaction<Note, S::RequestMetadata>, Fault>> {
    let cx = requester(form, "");
    let mut pursuit = S::Pursuit::default();
    subprotocol.first_request_metadata(&mut pursuit, &range, &cx);
    let answer = |(orders, complete, metadata)| {
        let response = Response { provider_id: cx.peer, orders, complete, metadata };
        subprotocol.handle_response(&response, &mut pursuit, &cx)
    };
    answers.into_iter().map(answer).collect()
}

fn last<S: Subprotocol<Note>>(
    subprotocol: &S,
    answers: impl IntoIterator<Item = (Vec<Entry<Note>>, bool, S::ResponseMetadata)>,
) -> Result<(Finding, Option<S::RequestMetadata>), Fault> {
    let last = reactions(subprotocol, Form::Json, Range::ALL, answers).pop().unwrap()?;
    Ok((last.finding, last.next.into_iter().next().map(|next| next.metadata)))
}

/// Entries in ascending order.
fn entries(count: usize) -> Vec<Entry<Note>> {
    let mut entries: Vec<_> =
        texts(count).into_iter().map(|text| Entry::new(Note::new(text))).collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

fn next(next: ItemId) -> V1Response {
    V1Response { next }
}

fn open_after(outcome: Result<(Finding, Option<V1Request<Note>>), Fault>) -> ItemId {
    let (finding, metadata) = outcome.unwrap();
    assert_eq!(finding, Finding::Open);
    metadata.unwrap().after
}

#[test]
fn pages_that_do_not_advance_end_the_session() {
    let all = entries(6);
    let page = |range: std::ops::Range<usize>| all[range].to_vec();
    let stuck = |answers: Vec<(Vec<Entry<Note>>, bool, V1Response)>| {
        assert_eq!(last(&V1::default(), answers).unwrap_err(), Fault::Stuck);
    };
    let zero = next(ItemId::ZERO);
    stuck(vec![(page(0..3), false, zero), (page(0..3), false, zero)]);
    stuck(vec![(page(0..3), false, zero), (page(2..4), false, zero)]);
    stuck(vec![(vec![all[1].clone(), all[0].clone()], false, zero)]);
    stuck(vec![(vec![all[1].clone(), all[1].clone()], true, zero)]);
    stuck(vec![(vec![], false, zero)]);
    stuck(vec![(page(0..3), false, zero), (vec![], false, next(all[2].id))]);
}

#[test]
fn the_next_page_begins_above_the_last_order_or_further() {
    let all = entries(6);
    let after = |orders: &[Entry<Note>], claimed| {
        open_after(last(&V1::default(), [(orders.to_vec(), false, next(claimed))]))
    };
    assert_eq!(after(&all[..2], ItemId::ZERO), all[1].id, "what is claimed is not needed");
    assert_eq!(after(&all[..2], all[0].id), all[1].id);
    assert_eq!(after(&all[..2], all[4].id), all[4].id, "the orders up to there were dropped");
    assert_eq!(after(&[], all[4].id), all[4].id, "none was of use");

    let cut = |orders: &[Entry<Note>]| {
        let answers = [(orders.to_vec(), false, next(all[4].id))];
        let reaction = reactions(&V1::default(), Form::Binary, Range::ALL, answers).pop();
        reaction.unwrap().unwrap().next[0].metadata.after
    };
    assert_eq!(cut(&all[..2]), all[1].id, "the rest may have been cut off");
    assert_eq!(cut(&[]), all[4].id);
}

#[test]
fn a_page_past_the_range_ends_it() {
    let all = entries(6);
    let range = Range { after: all[0].id, until: all[2].id };
    let answers = [(all[1..4].to_vec(), false, next(ItemId::ZERO))];
    let reaction = reactions(&V1::default(), Form::Json, range, answers).pop().unwrap().unwrap();
    assert_eq!((reaction.finding, reaction.valid), (Finding::Through, 3));
    let answers = [(all[..1].to_vec(), false, next(ItemId::ZERO))];
    let below = reactions(&V1::default(), Form::Json, range, answers).pop().unwrap();
    assert_eq!(below.unwrap_err(), Fault::Stuck, "below the range");
}

fn snapshot(page: u64, snapshot: &str) -> V0Response {
    V0Response { page, snapshot: snapshot.to_owned() }
}

const UUID: &str = "5b0a2b8e-2a0d-4b4c-9d55-0f4f1f3a7c11";

#[test]
fn a_snapshot_of_old_is_paged_by_number() {
    let mut orders = entries(6);
    orders.reverse();
    let answers = [
        (orders[..3].to_vec(), false, snapshot(0, UUID)),
        (orders[3..].to_vec(), false, snapshot(4, UUID)),
    ];
    let (finding, metadata) = last(&V0, answers).unwrap();
    let metadata = metadata.unwrap();
    assert_eq!((finding, metadata.page, &*metadata.snapshot), (Finding::Open, 5, UUID));

    let back = [(vec![], false, snapshot(3, UUID)), (vec![], false, snapshot(3, UUID))];
    assert_eq!(last(&V0, back).unwrap_err(), Fault::Stuck);
    let end = [(vec![], false, snapshot(3, UUID)), (vec![], true, snapshot(0, UUID))];
    assert_eq!(last(&V0, end).unwrap().0, Finding::Through);
    let endless = (0..=V0::PAGES_MAX).map(|page| (vec![], false, snapshot(page, UUID)));
    assert!(matches!(last(&V0, endless).unwrap_err(), Fault::TooMuch { .. }));
}

#[test]
fn a_snapshot_that_is_an_id_has_to_advance() {
    let all = entries(6);
    let at = |place: usize| snapshot(0, &all[place].id.to_string());
    let (finding, metadata) = last(&V0, [(all[..3].to_vec(), false, at(3))]).unwrap();
    let metadata = metadata.unwrap();
    assert_eq!((finding, metadata.page), (Finding::Open, 1));
    assert_eq!(metadata.snapshot, all[3].id.to_string(), "repeated as it came");
    let again = [(all[..3].to_vec(), false, at(3)), (vec![], false, at(3))];
    assert_eq!(last(&V0, again).unwrap_err(), Fault::Stuck);
}

fn ask_v0(snapshot: &str) -> Result<Response<Note, V0Response>, Refusal> {
    let provider = node(Form::Json, "", texts(9));
    let filter = Prefix::default();
    let metadata = V0Request { filter, page: 17, snapshot: snapshot.to_owned() };
    let request = Request { requester_id: provider.peer, metadata, pushed: Vec::new() };
    V0.handle_request(request, &mut Search::default(), &provider)
}

#[test]
fn a_provider_takes_any_hexadecimal_for_a_snapshot() {
    let all = entries(9);
    let from = |name: &str| ask_v0(name).unwrap().orders[0].id;
    let id = all[2].id.to_string();
    let digits = id.strip_prefix("0x").unwrap();
    for name in ["", "0x", "0", "0x0", "00"] {
        assert_eq!(from(name), all[0].id, "{name:?}");
    }
    for name in [id.as_str(), digits, &digits.to_uppercase(), &format!("0xabc{digits}")] {
        assert_eq!(from(name), all[3].id, "{name:?}");
    }
    assert_eq!(ask_v0("").unwrap().metadata.page, 17, "repeated");
    let snapshot = ask_v0("").unwrap().metadata.snapshot;
    assert_eq!(snapshot, all[PAGE - 1].id.to_string(), "lower case");
    for name in [UUID, "0xzz", "0x0x"] {
        assert!(matches!(ask_v0(name), Err(Refusal::Unavailable { .. })), "{name:?}");
    }
}

#[test]
fn a_page_of_v4_has_to_lead_somewhere() {
    let all = entries(3);
    let at = |last| V4Response { last };
    let answers = [(vec![], false, at(ItemId::ZERO))];
    assert_eq!(last(&V4, answers).unwrap_err(), Fault::Stuck, "only what is no order");
    let (_, metadata) = last(&V4, [(vec![], false, at(all[1].id))]).unwrap();
    assert_eq!(metadata.unwrap().after, all[1].id, "all dropped by the filter");
}

fn same<M: Metadata>(metadata: &M) {
    assert_eq!(M::from_json(&metadata.to_json()).as_ref(), Ok(metadata));
    assert_eq!(M::from_bytes(&metadata.to_bytes()).as_ref(), Ok(metadata));
}

fn refused<M: Metadata + Debug>(json: &[&str], field: &str) {
    for json in json {
        let bad = M::from_json(json).unwrap_err();
        assert_eq!(bad.0.field, field, "{json}: {bad}");
    }
}

#[test]
fn hashes_are_strict_where_0x_mesh_is() {
    let digits = "aB".repeat(32);
    let id = ItemId([0xab; 32]);
    for prefix in ["0x", "0X"] {
        let json = format!(r#"{{"nextminorderhash":"{prefix}{digits}","x":1}}"#);
        assert_eq!(V1Response::from_json(&json), Ok(next(id)));
    }
    for nothing in ["null", "{}"] {
        assert_eq!(V1Response::from_json(nothing), Ok(next(ItemId::ZERO)), "{nothing}");
    }
    let long = format!(r#"{{"nextMinOrderHash":"0x{digits}0"}}"#);
    let bare = format!(r#"{{"nextMinOrderHash":"{digits}"}}"#);
    let two = format!(r#"{{"nextMinOrderHash":"0x0x{}"}}"#, "a".repeat(62));
    let wrong = [
        r#"{"nextMinOrderHash":null}"#,
        r#"{"nextMinOrderHash":""}"#,
        r#"{"nextMinOrderHash":7}"#,
        &long,
        &bare,
        &two,
    ];
    refused::<V1Response>(&wrong, "nextMinOrderHash");
    refused::<V1Response>(&["7", "[]", "\"\"", "", "{}{}"], "metadata");
}

#[test]
fn null_metadata_is_the_first_page_of_everything() {
    let first = V1Request::<Note>::from_json("null").unwrap();
    assert_eq!((first.filter, first.after), (Prefix::default(), ItemId::ZERO));
    let first = V0Request::<Note>::from_json("null").unwrap();
    assert_eq!((first.page, first.snapshot), (0, String::new()));
}

#[test]
fn pages_and_snapshots_are_checked() {
    let wrong = [r#"{"page":-1}"#, r#"{"page":1.5}"#, r#"{"page":"1"}"#];
    refused::<V0Response>(&wrong, "page");
    let long = format!(r#"{{"snapshotID":"{}"}}"#, "a".repeat(V0::SNAPSHOT_BYTES_MAX + 1));
    refused::<V0Response>(&[r#"{"snapshotID":7}"#, &long], "snapshotID");
    refused::<V1Request<Note>>(&[r#"{"orderfilter":7}"#], "prefix");
}

#[test]
fn the_binary_form_is_small_and_has_one_spelling() {
    let filter = Prefix::default();
    let whole = V1Request::<Note> { filter, after: ItemId::ZERO, until: ItemId::MAX };
    assert_eq!(whole.to_bytes(), [0]);
    assert_eq!(next(ItemId::ZERO).to_bytes(), [0_u8; 0]);
    let refused = |bytes: &[u8]| V1Request::<Note>::from_bytes(bytes).unwrap_err().0.field;
    assert_eq!(refused(&[]), "flags");
    assert_eq!(refused(&[4]), "flags");
    assert_eq!(refused(&[&[1][..], &[9; 31]].concat()), "after");
    assert_eq!(refused(&[&[1][..], &[0; 32]].concat()), "after");
    assert_eq!(refused(&[&[2][..], &[0xff; 32]].concat()), "until");
    for wrong in [&[0; 32][..], &[1; 31], &[1; 33]] {
        assert!(V1Response::from_bytes(wrong).is_err());
    }
}

proptest! {
    #[test]
    fn metadata_comes_back(
        (after, until) in any::<([u8; 32], [u8; 32])>(),
        filter in any::<String>(),
        page in 0..=u64::MAX,
        name in "[ -~é\"]{0,60}",
    ) {
        let (after, until, filter) = (ItemId(after), ItemId(until), Prefix(filter));
        let request = V1Request::<Note> { filter: filter.clone(), after, until };
        prop_assert_eq!(&V1Request::from_bytes(&request.to_bytes()).unwrap(), &request);
        same(&V1Request::<Note> { until: ItemId::MAX, ..request });
        same(&next(after));
        same(&V0Request::<Note> { filter, page, snapshot: name.clone() });
        same(&V0Response { page, snapshot: name });
        same(&V4Request { after });
        same(&V4Response { last: until });
    }

    #[test]
    fn binary_metadata_has_one_spelling(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(request) = V1Request::<Note>::from_bytes(&bytes) {
            prop_assert_eq!(request.to_bytes(), &bytes[..]);
        }
        if let Ok(response) = V1Response::from_bytes(&bytes) {
            prop_assert_eq!(response.to_bytes(), &bytes[..]);
        }
    }
}
