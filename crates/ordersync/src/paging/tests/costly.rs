//! How far a provider looks for a page, and what it has to ask for to look on.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::*;
use crate::Room;

#[test]
fn a_costly_filter_gets_as_much_time_as_a_cheap_one() {
    let provider = node(Form::Binary, "", texts(1_000));
    let ids = wanted(&provider, "");
    // Each note costs a hundredth of what is looked at for one response.
    let filter = Prefix("x".repeat(SCAN_MAX / 100 * 16));
    let request = |after| {
        let metadata = V1Request { filter: filter.clone(), after, until: ItemId::MAX };
        Request { requester_id: provider.peer, metadata, pushed: Vec::new() }
    };
    let ask = |after| {
        let asked = request(after);
        V1::default().handle_request(asked, &mut Looked::default(), &provider).unwrap()
    };
    let first = ask(ItemId::ZERO);
    assert!(first.orders.is_empty() && !first.complete);
    assert_eq!(first.metadata.next, ids[99]);
    assert_eq!(ask(ids[99]).metadata.next, ids[199]);
    let last = ask(ids[899]);
    assert!(last.complete && last.metadata.next == ids[999]);
}

#[test]
fn in_json_a_page_is_looked_for_in_jobs_that_leave_is_given_for_one_by_one() {
    let provider = |leave| {
        let looks = Arc::new(AtomicU32::new(leave));
        let look = move || {
            let taken = looks.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
            taken.map(drop).map_err(|_| Duration::from_secs(5))
        };
        let cx = node(Form::Json, "", texts(1_000));
        Context { scans: Leave::new(look, Room::new(0)), ..cx }
    };
    // A look gets through 250 notes, and what is free through 31.
    let filter = Prefix("x".repeat((LOOK_MAX / 250 - 1) * 16));
    let request = V1Request::<Note> { filter, after: ItemId::ZERO, until: ItemId::MAX };
    let jobs = |leave| {
        let (cx, mut looked) = (provider(leave), Looked::default());
        for jobs in 1..100 {
            if V1::default().prepare(&request, &mut looked, &cx)? {
                let metadata = request.clone();
                let request = Request { requester_id: cx.peer, metadata, pushed: Vec::new() };
                let answer = V1::default().handle_request(request, &mut looked, &cx)?;
                assert!(answer.complete && answer.orders.is_empty());
                return Ok(jobs);
            }
        }
        panic!("it does not end");
    };
    assert_eq!(jobs(4), Ok(5));
    let later = Some(Duration::from_secs(5));
    assert_eq!(jobs(3), Err(Refusal::Busy { retry_after: later }));
}
