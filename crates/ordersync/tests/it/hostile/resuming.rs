//! Streams that break while something is being stored: whoever goes on begins before that.

use meshwork_ordersync::requester::{self, Break, Ended, Rest};
use meshwork_ordersync::{Admission, Entry, Form, Rejected, Requester, Subprotocols, paging};

use super::{Manner, Puppet, asked_page};
use crate::pair::{Side, holds_all, subprotocols};
use crate::sample::Note;

/// Pages until `pages` have come, stores the first `stored` of them as `admit` says, and breaks.
/// Says what is left.
fn broken(
    ours: &Side,
    theirs: &mut Puppet,
    pages: usize,
    stored: usize,
    admit: impl Fn(Vec<Entry<Note>>) -> Vec<Admission>,
) -> Option<Rest> {
    let only_pages = Subprotocols::new().with(paging::V1::default()).unwrap();
    let cx = Manner::of(Form::Json).context(ours);
    let mut core = Requester::start(only_pages, requester::Limits::default(), cx);
    let (mut came, mut done) = (0, 0);
    loop {
        match core.poll_effect() {
            Some(requester::Effect::Send(request)) if came < pages => {
                came += 1;
                for response in theirs.answers(&request) {
                    core.handle(requester::Input::Received(response));
                }
            }
            None if core.is_ending() => core.handle(requester::Input::StopStoring),
            Some(requester::Effect::Send(_)) | None => {
                core.handle(requester::Input::Broken(Break::Closed));
            }
            Some(requester::Effect::Admit(entries)) => {
                done += 1;
                if done <= stored {
                    core.handle(requester::Input::Admitted(admit(entries)));
                }
            }
            Some(requester::Effect::End(outcome)) => {
                assert_eq!(outcome.ended, Ended::Broken(Break::Closed));
                return outcome.rest;
            }
            Some(_) => {}
        }
    }
}

/// Goes on, and ends with everything paged.
fn resume(ours: &Side, theirs: &mut Puppet, rest: Option<Rest>) {
    let limits = requester::Limits::default();
    let cx = Manner::of(Form::Json).context(ours);
    let mut core = if let Some(rest) = rest {
        Requester::resume(subprotocols(Form::Json), limits, cx, rest)
    } else {
        let only_pages = Subprotocols::new().with(paging::V1::default()).unwrap();
        Requester::start(only_pages, limits, cx)
    };
    loop {
        match core.poll_effect().unwrap() {
            requester::Effect::Send(request) => {
                assert!(asked_page(&request).is_some());
                for response in theirs.answers(&request) {
                    core.handle(requester::Input::Received(response));
                }
            }
            requester::Effect::Admit(entries) => {
                core.handle(requester::Input::Admitted(ours.admit(entries)));
            }
            requester::Effect::End(outcome) => {
                assert_eq!(outcome.ended, Ended::Paged, "{outcome:?}");
                return;
            }
            _ => {}
        }
    }
}

#[test]
fn pages_that_were_not_stored_come_again() {
    for (pages, stored) in [(3, 0), (3, 1), (4, 2), (4, 4)] {
        let (ours, mut theirs) = (Side::new(1, []), Puppet::new(Form::Json, 0..500));
        let rest = broken(&ours, &mut theirs, pages, stored, |entries| ours.admit(entries));
        assert_eq!(ours.book.len(), 50 * stored);
        resume(&ours, &mut theirs, rest);
        assert!(holds_all(&ours, &theirs.side), "{stored} of {pages} pages were stored");
    }
}

#[test]
fn items_that_could_not_be_stored_come_again() {
    let (ours, mut theirs) = (Side::new(1, []), Puppet::new(Form::Json, 0..500));
    let full = |entries: Vec<Entry<Note>>| {
        let later = |entry: Entry<Note>| {
            let outcome = Err(Rejected::Later { reason: "the disk is full".into() });
            Admission { id: entry.id, outcome }
        };
        entries.into_iter().map(later).collect()
    };
    let rest = broken(&ours, &mut theirs, 3, 3, full);
    resume(&ours, &mut theirs, rest);
    assert!(holds_all(&ours, &theirs.side));
}
