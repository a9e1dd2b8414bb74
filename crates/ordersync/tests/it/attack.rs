//! The linear attack through the whole protocol: items that were chosen against the key of the
//! provider's epoch, so that their sums, their checks and their number cancel.

use bytes::Bytes;
use meshwork_ordersync::requester::{Break, Ended, Outcome};
use meshwork_ordersync::riblt::{Head, RibltResponse};
use meshwork_ordersync::{Entry, Form, ItemId, Metadata as _, RawResponse};
use reconcile::{Key, packed};

use crate::pair::{Script, Side, holds_all, is_whole, note, run};
use crate::sample::Note;

/// The key of the epoch, which the attacker knows or does not know.
const EPOCH: u8 = 9;

fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 16])
}

/// What an item adds to the first cell of a difference: its short id, what is sent of its check, and
/// a bit that is always set.
fn equations(key: Key, id: &ItemId) -> [u64; 3] {
    let short = key.short_id(id.as_bytes());
    [short, key.check(short), 1]
}

fn add<const N: usize>(to: &mut [u64; N], other: &[u64; N]) {
    to.iter_mut().zip(other).for_each(|(word, other)| *word ^= other);
}

/// Whether a row has the bit that another row begins with.
fn has_first_bit(row: &[u64; 3], of: &[u64; 3]) -> bool {
    let first = of.iter().zip(row).find(|(of, _)| **of != 0);
    first.is_some_and(|(of, row)| row & (1 << of.trailing_zeros()) != 0)
}

/// Items that cancel in every equation: an even number of them.
fn cancelling(key: Key, candidates: &[Entry<Note>]) -> Vec<Entry<Note>> {
    let mut basis: Vec<([u64; 3], [u64; 4])> = Vec::new();
    for (number, candidate) in candidates.iter().enumerate() {
        let (mut row, mut made_of) = (equations(key, &candidate.id), [0; 4]);
        made_of[number / 64] |= 1 << (number % 64);
        for (other, others) in &basis {
            if has_first_bit(&row, other) {
                add(&mut row, other);
                add(&mut made_of, others);
            }
        }
        if row == [0; 3] {
            let chosen = |(number, _): &(usize, _)| made_of[number / 64] >> (number % 64) & 1 == 1;
            let chosen = candidates.iter().enumerate().filter(chosen);
            return chosen.map(|(_, candidate)| candidate.clone()).collect();
        }
        basis.push((row, made_of));
    }
    panic!("{} candidates are too few", candidates.len());
}

/// Two sides that have much in common and differ in items chosen against `known`, half of them each.
/// The provider's epoch has the key [`EPOCH`].
fn planted(known: Key) -> (Side, Side, usize) {
    let candidates: Vec<_> = (0..140).map(|number| Entry::new(note(50_000 + number))).collect();
    let chosen = cancelling(known, &candidates);
    let (left, right) = chosen.split_at(chosen.len() / 2);
    assert_eq!(left.len(), right.len(), "an even number");
    let (ours, theirs) = (Side::new(1, 0..2_000), Side::new(2, 0..2_000));
    ours.hold(left.to_vec());
    theirs.hold(right.to_vec());
    theirs.rotate(EPOCH);
    (ours, theirs, right.len())
}

/// What the blocks on the way said of their keys: whether the provider chose each.
type Chosen = Vec<bool>;

/// One session. If `first_only`, the attacker sits at the provider and lets no more than the first
/// cell through.
fn attacked(
    ours: &Side,
    theirs: &Side,
    form: Form,
    scans: bool,
    first_only: bool,
) -> (Outcome, Chosen) {
    let mut chosen = Vec::new();
    let mut tamper = |mut response: RawResponse<Note>| {
        if let Ok(RibltResponse::Block { head: Some(head), cells, packed }) =
            RibltResponse::from_raw(&response.metadata)
        {
            if first_only && chosen.is_empty() {
                response.metadata = first_cell(&head, cells, &packed).to_raw(form);
            }
            chosen.push(head.key.is_some());
        }
        Some(response)
    };
    let mut script = Script {
        form,
        page: 100,
        window: 8,
        push: true,
        secret: [77; 32],
        scans,
        tamper: &mut tamper,
    };
    let outcome = run(ours, theirs, &mut script);
    (outcome, chosen)
}

fn first_cell(head: &Head, cells: usize, bytes: &[u8]) -> RibltResponse {
    let count = head.summary.count;
    let cells = packed::unpack(bytes, 0, cells, count).unwrap();
    let packed = Bytes::from(packed::pack(&cells[..1], 0, count));
    RibltResponse::Block { head: Some(head.clone()), cells: 1, packed }
}

#[test]
fn items_chosen_against_another_key_are_items_like_any_other() {
    for form in [Form::Binary, Form::Json] {
        let (ours, theirs, planted) = planted(key(EPOCH + 1));
        let (outcome, chosen) = attacked(&ours, &theirs, form, true, false);
        assert_eq!(outcome.ended, Ended::Agreed, "{outcome:?}");
        assert_eq!(outcome.tally.attempts, 0, "{outcome:?}");
        assert_eq!(usize::try_from(outcome.tally.new), Ok(planted));
        assert_eq!(chosen, [true]);
        assert!(holds_all(&ours, &theirs));
    }
}

#[test]
fn a_leaked_key_costs_a_second_attempt_under_a_key_of_the_requesters() {
    for form in [Form::Binary, Form::Json] {
        let (ours, theirs, planted) = planted(key(EPOCH));
        let (outcome, chosen) = attacked(&ours, &theirs, form, true, false);
        assert_eq!(outcome.ended, Ended::Agreed, "{outcome:?}");
        assert_eq!(outcome.tally.attempts, 1, "the cells contradict each other: {outcome:?}");
        assert_eq!(usize::try_from(outcome.tally.new), Ok(planted));
        assert_eq!(chosen, [true, false]);
        assert!(holds_all(&ours, &theirs));
    }
}

#[test]
fn a_cell_in_which_everything_cancels_is_given_the_lie_by_the_digest() {
    for form in [Form::Binary, Form::Json] {
        let (ours, theirs, planted) = planted(key(EPOCH));
        let (outcome, chosen) = attacked(&ours, &theirs, form, true, true);
        assert_eq!(outcome.ended, Ended::Agreed, "{outcome:?}");
        assert_eq!(outcome.tally.attempts, 1, "nothing seems to differ: {outcome:?}");
        assert_eq!(usize::try_from(outcome.tally.new), Ok(planted));
        assert_eq!(chosen, [true, false]);
        assert!(holds_all(&ours, &theirs));
    }
}

#[test]
fn the_same_cell_says_that_more_are_needed_if_the_key_was_not_known() {
    let (ours, theirs, _) = planted(key(EPOCH + 1));
    let (outcome, _) = attacked(&ours, &theirs, Form::Binary, true, true);
    // It asks for the second cell, which the provider believes to have sent.
    assert_eq!(outcome.ended, Ended::Broken(Break::Closed), "{outcome:?}");
    assert_eq!((outcome.tally.requests, outcome.tally.attempts), (2, 0), "{outcome:?}");
}

#[test]
fn who_gets_no_second_attempt_does_not_believe_the_first() {
    for first_only in [false, true] {
        let (ours, theirs, _) = planted(key(EPOCH));
        let (outcome, _) = attacked(&ours, &theirs, Form::Binary, false, first_only);
        assert!(!is_whole(&outcome), "{outcome:?}");
        assert_eq!(outcome.ended, Ended::Broken(Break::Closed), "the provider is busy");
        assert!(!holds_all(&ours, &theirs));
    }
}
