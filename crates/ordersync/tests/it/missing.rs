//! A session that breaks says what it did not bring.

use meshwork_ordersync::requester::{Break, Ended, Missing, Outcome};
use meshwork_ordersync::{Form, RawResponse};

use crate::pair::{Script, Side, run};
use crate::sample::Note;

fn script(tamper: &mut dyn FnMut(RawResponse<Note>) -> Option<RawResponse<Note>>) -> Script<'_> {
    let (form, secret) = (Form::Binary, [7; 32]);
    Script { form, page: 500, window: 8, push: false, secret, scans: true, tamper }
}

/// A session whose stream is cut behind so many answers, if it has more.
fn cut_behind(answers: usize, ours: &Side, theirs: &Side) -> Outcome {
    let mut seen = 0;
    let mut cut = |response| {
        seen += 1;
        (seen <= answers).then_some(response)
    };
    run(ours, theirs, &mut script(&mut cut))
}

#[test]
fn a_comparison_that_breaks_says_how_many_items_did_not_come() {
    let theirs = Side::new(2, 0..6_500);
    theirs.rotate(3);
    let lacking = || Side::new(1, 0..5_000);
    let nothing = cut_behind(0, &lacking(), &theirs);
    assert!(nothing.missing.is_empty(), "nobody knows: {nothing:?}");
    // Cells take one answer or two; then come 1,024 items, and the rest.
    let known: Vec<_> = (1..5)
        .map(|answers| cut_behind(answers, &lacking(), &theirs))
        .take_while(|outcome| outcome.ended == Ended::Broken(Break::Closed))
        .inspect(|outcome| assert_eq!(outcome.rest, None, "a comparison begins anew"))
        .map(|outcome| outcome.missing.items)
        .collect();
    assert!(known.windows(2).any(|pair| pair == [1_500, 476]), "{known:?}");
    let missing = Missing { items: 476, ranges: Vec::new() };
    assert_eq!(missing.to_string(), "476 items wanted and not received");
}

#[test]
fn paging_that_breaks_says_which_ids_did_not_come() {
    let (ours, theirs) = (Side::new(1, []), Side::new(2, 0..4_000));
    // The answer that says page, and one page of each range but the last.
    let outcome = cut_behind(4, &ours, &theirs);
    let Missing { items, ranges } = &outcome.missing;
    assert_eq!((*items, ranges.len()), (0, 4), "{outcome:?}");
    let missing = theirs.book.ids(&crate::sample::Prefix::default());
    let missing = missing.into_iter().filter(|id| !ours.book.contains(id));
    for id in missing {
        assert!(ranges.iter().any(|range| range.contains(&id)), "{id} is not said to be missing");
    }
    let said = outcome.missing.to_string();
    assert!(said.ends_with("and 3 other ranges not paged"), "{said}");
}
