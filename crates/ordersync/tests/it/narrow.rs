//! Providers that keep fewer cells than a difference takes.

use std::sync::Arc;

use meshwork_ordersync::requester::Ended;
use meshwork_ordersync::{Book, Entry, Form, book};

use crate::pair::{Script, Side, holds_all, honest, note, run};

/// A side whose sketch is good for some twenty differences.
fn narrow(seed: u8, notes: impl Iterator<Item = u32>) -> Side {
    let params = book::Config { cells: 32, ..book::Config::default() }.check().unwrap();
    let side = Side { book: Arc::new(Book::new(params, [seed; 32])) };
    side.hold(notes.map(|number| Entry::new(note(number))).collect());
    side
}

#[test]
fn a_difference_that_the_kept_cells_do_not_tell_is_found_all_the_same() {
    for form in [Form::Binary, Form::Json] {
        for apart in [10, 20, 30, 100, 250] {
            for scans in [true, false] {
                let ours = narrow(1, 0..1_000);
                let theirs = narrow(2, apart..1_000 + apart);
                let mut pass = honest;
                let mut script = Script {
                    form,
                    page: 100,
                    window: 8,
                    push: true,
                    secret: [5; 32],
                    scans,
                    tamper: &mut pass,
                };
                let outcome = run(&ours, &theirs, &mut script);
                assert_eq!(outcome.ended, Ended::Agreed, "{form:?}, {apart} apart: {outcome:?}");
                assert!(holds_all(&ours, &theirs));
            }
        }
    }
}
