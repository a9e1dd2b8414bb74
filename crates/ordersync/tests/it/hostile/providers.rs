//! Providers that lie, repeat themselves, or never come to an end.

mod pages;

use bytes::Bytes;
use meshwork_ordersync::requester::{Ended, Limits};
use meshwork_ordersync::riblt::{self, Head, RibltRequest, RibltResponse};
use meshwork_ordersync::{
    Entry, Fault, Filter as _, Form, Metadata as _, Raw, RawRequest, RawResponse, paging,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use reconcile::{Cell, Digest, Key, Summary, packed};

use super::{Manner, Puppet, Siege, asked, response, says, with_blocks};
use crate::pair::{Side, holds_all, is_whole, note};
use crate::sample::{Note, Prefix};

const FORMS: [Form; 2] = [Form::Binary, Form::Json];

type Answers = Vec<RawResponse<Note>>;

/// The requester holds 300 notes, of which the provider has 280, and 30 others.
fn ours() -> Side {
    Side::new(1, 0..300)
}

fn theirs(form: Form) -> Puppet {
    Puppet::new(form, (0..280).chain(1_000..1_030))
}

/// Runs a session of which nobody may believe that it brought everything; nothing that was held, and
/// nothing good that came, gets lost.
fn siege(
    manner: &Manner,
    ours: &Side,
    answer: &mut dyn FnMut(&RawRequest<Note>) -> Answers,
) -> Siege {
    let before = ours.book.ids(&Prefix::default());
    let siege = manner.siege(ours, answer);
    assert!(before.iter().all(|id| ours.book.contains(id)), "something is lost");
    for entry in siege.came.iter().filter(|entry| manner.filter.matches(&entry.item)) {
        let is_good = !entry.item.text.contains("forged");
        assert_eq!(ours.book.contains(&entry.id), is_good, "{:?} of what came", entry.item);
    }
    siege
}

/// Runs a session that has to end with a fault, in both forms.
#[track_caller]
fn faulted(
    is_it: impl Fn(&Fault) -> bool,
    mut answer: impl FnMut(&mut Puppet, &RawRequest<Note>) -> Answers,
) {
    for form in FORMS {
        let (ours, mut theirs) = (ours(), theirs(form));
        let siege = siege(&Manner::of(form), &ours, &mut |request| answer(&mut theirs, request));
        let Ended::Faulted(fault) = &siege.outcome.ended else {
            panic!("{form:?}: {:?}", siege.outcome)
        };
        assert!(is_it(fault), "{form:?}: {fault:?}");
        assert!(siege.requests < 100, "{form:?}: {} requests", siege.requests);
        assert!(siege.reports.contains(fault), "{form:?}: {:?}", siege.reports);
    }
}

fn is_cells(fault: &Fault) -> bool {
    matches!(fault, Fault::Cells { .. })
}

/// Something that says otherwise than what was said before.
fn is_out_of_place(fault: &Fault) -> bool {
    matches!(fault, Fault::Unasked | Fault::Cells { .. })
}

/// The head of a block that answers `request`.
fn head(request: &RawRequest<Note>, count: u64) -> Option<Head> {
    match asked(request) {
        Some(RibltRequest::Open(open)) => {
            let key = open.key.is_none().then(|| Key::from_bytes([8; 16]));
            Some(Head { key, summary: Summary { hash: [9; 32], count } })
        }
        _ => None,
    }
}

/// Cells that no set has: whatever is peeled of them, something is left.
fn garbage(rng: &mut ChaCha8Rng, first: usize, cells: usize, count: u64) -> Bytes {
    let first = u64::try_from(first).unwrap();
    let mut cell = |index| {
        let count = packed::expected(count, index);
        Cell { sum: rng.random(), check: rng.random(), count }
    };
    let cells: Vec<Cell<u64>> = (first..).take(cells).map(&mut cell).collect();
    packed::pack(&cells, first, count).into()
}

#[test]
fn cells_that_never_peel_end_after_three_attempts() {
    let (ours, mut theirs) = (ours(), theirs(Form::Binary));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut bytes = 0;
    let siege = siege(&Manner::of(Form::Binary), &ours, &mut |request| {
        let (first, cells) = match asked(request) {
            Some(RibltRequest::Open(_)) => (0, 32),
            Some(RibltRequest::More { first, cells }) => (first, cells),
            Some(RibltRequest::Fetch { .. }) => panic!("nothing can be known of them"),
            None => return theirs.answers(request),
        };
        let packed = garbage(&mut rng, first, cells, 310);
        bytes += packed.len();
        says(Form::Binary, &RibltResponse::Block { head: head(request, 310), cells, packed })
    });
    let tally = siege.outcome.tally;
    assert_eq!(siege.outcome.ended, Ended::Incomplete { missing: 0 }, "{tally:?}");
    assert_eq!(tally.attempts, 3);
    assert!(siege.requests < 500, "{}", siege.requests);
    assert!(bytes <= 3 * riblt::CELLS_MAX * packed::CELL_MAX, "{bytes}");
    assert!(holds_all(&ours, &theirs.side), "the pages in between were good");
}

#[test]
fn cells_of_another_length_or_number_are_a_fault() {
    faulted(is_cells, |theirs, request| {
        with_blocks(theirs.answers(request), |head, cells, packed| {
            let packed = packed.slice(..packed.len() - 1);
            RibltResponse::Block { head, cells, packed }
        })
    });
    faulted(is_cells, |theirs, request| {
        with_blocks(theirs.answers(request), |head, cells, packed| {
            let longer = [&packed[..], &[0]].concat().into();
            RibltResponse::Block { head, cells, packed: longer }
        })
    });
    // The first cell holds every item.
    faulted(is_cells, |theirs, request| {
        with_blocks(theirs.answers(request), |head, cells, packed| {
            let count = head.as_ref().unwrap().summary.count;
            let mut counted = packed::unpack(&packed, 0, cells, count).unwrap();
            counted[0].count -= 1;
            let packed = packed::pack(&counted, 0, count).into();
            RibltResponse::Block { head, cells, packed }
        })
    });
}

#[test]
fn a_wrong_number_of_items_is_never_agreed_on() {
    for form in FORMS {
        let (ours, mut theirs) = (ours(), theirs(form));
        let siege = siege(&Manner::of(form), &ours, &mut |request| {
            let more = |summary: Summary| Summary { count: summary.count + 1, ..summary };
            let answers = theirs.answers(request);
            answers.into_iter().map(|answer| with_summary(answer, more)).collect()
        });
        assert_ne!(siege.outcome.ended, Ended::Agreed, "{:?}", siege.outcome);
        assert!(siege.requests < 500, "{}", siege.requests);
    }
}

#[test]
fn a_block_without_a_head_or_with_two_is_a_fault() {
    faulted(is_out_of_place, |theirs, request| {
        with_blocks(theirs.answers(request), |_, cells, packed| RibltResponse::Block {
            head: None,
            cells,
            packed,
        })
    });
    // A new head would have the requester go through its whole book for every cell.
    faulted(is_out_of_place, |_, request| {
        let form = form_of(request);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let packed = garbage(&mut rng, 0, 1, 310);
        let key = Some(Key::from_bytes([8; 16]));
        let head = Some(Head { key, summary: Summary { hash: [9; 32], count: 310 } });
        says(form, &RibltResponse::Block { head, cells: 1, packed })
    });
}

#[test]
fn a_key_that_was_not_left_to_the_provider_is_a_fault() {
    faulted(is_cells, |theirs, request| {
        with_blocks(theirs.answers(request), |head, cells, packed| {
            let head = head.map(|head| Head { key: None, ..head });
            RibltResponse::Block { head, cells, packed }
        })
    });
}

/// What a fetch is answered with instead of items.
fn instead_of_items(answer: impl Fn(Form) -> RibltResponse) {
    faulted(is_out_of_place, |theirs, request| match asked(request) {
        Some(RibltRequest::Fetch { .. }) => {
            let form = form_of(request);
            says(form, &answer(form))
        }
        _ => theirs.answers(request),
    });
}

#[test]
fn who_has_shown_a_difference_cannot_say_that_there_is_none() {
    instead_of_items(|_| RibltResponse::Equal);
    let nothing = Digest::new().finish();
    instead_of_items(move |_| RibltResponse::Page { summary: nothing });
}

#[test]
fn cells_after_the_difference_is_known_are_a_fault_and_push_nothing_again() {
    for form in FORMS {
        let (ours, mut theirs) = (ours(), theirs(form));
        let mut last = None;
        let siege = siege(&Manner::of(form), &ours, &mut |request| {
            if let Some(RibltRequest::Fetch { .. }) = asked(request) {
                let more = RibltRequest::More { first: last.unwrap(), cells: 1 };
                return theirs.answers(&theirs.riblt(&more));
            }
            let answers = theirs.answers(request);
            for answer in &answers {
                if let Ok(RibltResponse::Block { cells, .. }) =
                    RibltResponse::from_raw(&answer.metadata)
                {
                    last = Some(last.unwrap_or(0) + cells);
                }
            }
            answers
        });
        let Ended::Faulted(fault) = &siege.outcome.ended else { panic!("{:?}", siege.outcome) };
        assert!(is_out_of_place(fault), "{fault:?}");
        assert!(siege.pushed <= 20, "{} were given away", siege.pushed);
    }
}

#[test]
fn a_digest_that_is_not_of_the_items_is_never_agreed_on() {
    for form in FORMS {
        let (ours, mut theirs) = (ours(), theirs(form));
        let siege = siege(&Manner::of(form), &ours, &mut |request| {
            let lie = |summary: Summary| Summary { hash: [1; 32], ..summary };
            let answers = theirs.answers(request);
            answers.into_iter().map(|answer| with_summary(answer, lie)).collect()
        });
        let outcome = siege.outcome;
        assert_ne!(outcome.ended, Ended::Agreed, "{form:?}: {outcome:?}");
        if form == Form::Binary {
            assert_eq!(outcome.ended, Ended::Incomplete { missing: 0 }, "{outcome:?}");
            assert!(outcome.tally.attempts >= 2, "{:?}", outcome.tally);
        }
        assert!(siege.requests < 100, "{}", siege.requests);
        assert!(holds_all(&ours, &theirs.side), "what came is good nevertheless");
    }
}

/// Changes what a response of reconciliation says of the whole set.
fn with_summary(
    mut response: RawResponse<Note>,
    change: impl Fn(Summary) -> Summary,
) -> RawResponse<Note> {
    if response.subprotocol != riblt::NAME {
        return response;
    }
    let metadata = match RibltResponse::from_raw(&response.metadata).unwrap() {
        RibltResponse::Block { head, cells, packed } => {
            let head = head.map(|head| Head { summary: change(head.summary), ..head });
            RibltResponse::Block { head, cells, packed }
        }
        RibltResponse::Page { summary } => RibltResponse::Page { summary: change(summary) },
        RibltResponse::Items { gone, summary } => {
            RibltResponse::Items { gone, summary: change(summary) }
        }
        RibltResponse::Equal => {
            RibltResponse::Page { summary: change(Summary { hash: [0; 32], count: 310 }) }
        }
    };
    response.metadata = metadata.to_raw(response.metadata.form());
    response
}

#[test]
fn items_that_were_not_asked_for_are_a_fault() {
    faulted(
        |fault| *fault == Fault::Unwanted { orders: 1 },
        |theirs, request| {
            let mut answers = theirs.answers(request);
            if let Some(RibltRequest::Fetch { .. }) = asked(request) {
                answers[0].orders.push(Entry::new(note(77_777)));
            }
            answers
        },
    );
}

#[test]
fn items_that_come_twice_are_a_fault() {
    faulted(
        |fault| *fault == Fault::Unwanted { orders: 30 },
        |theirs, request| {
            let mut answers = theirs.answers(request);
            if let Some(RibltRequest::Fetch { .. }) = asked(request) {
                let twice = answers[0].orders.clone();
                answers[0].orders.extend(twice);
            }
            answers
        },
    );
}

#[test]
fn who_says_of_everything_that_it_is_gone_is_not_believed() {
    for form in FORMS {
        let (ours, mut theirs) = (ours(), theirs(form));
        let siege = siege(&Manner::of(form), &ours, &mut |request| match asked(request) {
            Some(RibltRequest::Fetch { wanted }) => {
                let summary = theirs.side.book.summary();
                says(form, &RibltResponse::Items { gone: wanted, summary })
            }
            Some(_) => theirs.answers(request),
            // Of the pages there is only the last.
            None => response(
                &request.subprotocols[0],
                Vec::new(),
                true,
                paging::V1Response::default().to_raw(form),
            ),
        });
        assert_ne!(siege.outcome.ended, Ended::Agreed, "{:?}", siege.outcome);
        assert!(siege.requests < 50, "{}", siege.requests);
    }
}

#[test]
fn who_gives_one_cell_or_one_item_at_a_time_is_followed_as_long_as_it_helps() {
    let manner = Manner::of(Form::Binary);
    // One item at a time.
    let (ours, mut theirs) = (ours(), theirs(Form::Binary));
    let siege = siege(&manner, &ours, &mut |request| {
        let mut answers = theirs.answers(request);
        if let Some(RibltRequest::Fetch { .. }) = asked(request) {
            answers[0].orders.truncate(1);
        }
        answers
    });
    assert_eq!(siege.outcome.ended, Ended::Agreed, "{:?}", siege.outcome);
    assert_eq!(siege.outcome.tally.attempts, 0);
    assert!(siege.requests < 50, "{}", siege.requests);

    // Cells without end, one at a time.
    let ours = self::ours();
    let limits = Limits { responses_max: 300, ..Limits::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let endless = Manner { limits, ..manner };
    let siege = self::siege(&endless, &ours, &mut |request| {
        let first = match asked(request) {
            Some(RibltRequest::More { first, .. }) => first,
            _ => 0,
        };
        let packed = garbage(&mut rng, first, 1, 310);
        says(Form::Binary, &RibltResponse::Block { head: head(request, 310), cells: 1, packed })
    });
    let too_much = Fault::TooMuch { what: "responses", max: 300 };
    assert_eq!(siege.outcome.ended, Ended::Faulted(too_much));
}

#[test]
fn pages_for_ever_are_asked_for_a_few_times() {
    for form in FORMS {
        let (ours, mut theirs) = (ours(), theirs(form));
        let siege = siege(&Manner::of(form), &ours, &mut |request| match asked(request) {
            Some(_) => {
                let summary = Summary { hash: [1; 32], count: 5_000 };
                says(form, &RibltResponse::Page { summary })
            }
            None => theirs.answers(request),
        });
        assert_ne!(siege.outcome.ended, Ended::Agreed, "{:?}", siege.outcome);
        assert!(siege.requests < 150, "{}", siege.requests);
        assert!(holds_all(&ours, &theirs.side));
    }
}

#[test]
fn answers_that_nobody_asked_for_are_a_fault() {
    faulted(
        |fault| *fault == Fault::Unasked,
        |theirs, request| {
            let mut answers = theirs.answers(request);
            answers.extend(says(form_of(request), &RibltResponse::Equal));
            answers.extend(says(form_of(request), &RibltResponse::Equal));
            answers
        },
    );
}

#[test]
fn a_subprotocol_that_was_not_offered_is_a_fault() {
    let name = "/mine/1";
    let is_it = |fault: &Fault| matches!(fault, Fault::NotOffered { name: given } if given == name);
    faulted(is_it, |theirs, request| {
        let mut answers = theirs.answers(request);
        for answer in &mut answers {
            name.clone_into(&mut answer.subprotocol);
        }
        answers
    });
    // One that was offered once, but not in this request.
    faulted(
        |fault| matches!(fault, Fault::NotOffered { .. }),
        |theirs, request| {
            let mut answers = theirs.answers(request);
            if let Some(RibltRequest::Fetch { .. }) = asked(request) {
                paging::V1::NAME.clone_into(&mut answers[0].subprotocol);
            }
            answers
        },
    );
}

#[test]
fn metadata_that_is_none_is_a_fault() {
    for (json, binary) in [("null", &b"\xff\xff"[..]), ("{\"block\":7}", b""), ("{", b"\x0a\x05")] {
        faulted(
            |fault| matches!(fault, Fault::Metadata(_)),
            |_, request| {
                let raw = match form_of(request) {
                    Form::Json => Raw::Json(json.to_owned()),
                    Form::Binary => Raw::Binary(Bytes::from_static(binary)),
                };
                response(riblt::NAME, Vec::new(), false, raw)
            },
        );
    }
}

/// In the JSON envelope nothing is answered after a complete response.
#[test]
fn a_last_word_that_leaves_something_open_is_not_everything() {
    let (ours, mut theirs) = (ours(), theirs(Form::Json));
    let siege = siege(&Manner::of(Form::Json), &ours, &mut |request| {
        let mut answers = theirs.answers(request);
        for answer in &mut answers {
            answer.complete = true;
        }
        answers
    });
    assert!(!is_whole(&siege.outcome), "{:?}", siege.outcome);
    assert!(!holds_all(&ours, &theirs.side));
}

/// An honest provider whose notes are so large that a page of them does not fit a frame.
#[test]
fn what_does_not_fit_a_frame_is_asked_for_again() {
    let (ours, mut theirs) = (Side::new(1, 0..400), Puppet::new(Form::Binary, 100..430));
    let siege = siege(&Manner::of(Form::Binary), &ours, &mut |request| {
        let mut answers = theirs.answers(request);
        answers[0].orders.truncate(12);
        answers
    });
    let outcome = siege.outcome;
    assert_eq!((outcome.ended, outcome.tally.attempts), (Ended::Agreed, 0), "{:?}", outcome.tally);
    assert!(holds_all(&ours, &theirs.side) && holds_all(&theirs.side, &ours));
}

fn form_of(request: &RawRequest<Note>) -> Form {
    use meshwork_ordersync::RequestMetadata::{Bare, First};
    match &request.metadata {
        Bare(raw) => raw.form(),
        First(first) => first.metadata[0].form(),
    }
}
