//! Providers that lie, repeat themselves, or never come to an end.

use bytes::Bytes;
use meshwork_ordersync::requester::{Ended, Limits};
use meshwork_ordersync::riblt::{self, Head, RibltRequest, RibltResponse};
use meshwork_ordersync::{
    BadItem, Digest, Entry, Fault, Form, ItemId, Metadata as _, Raw, RawRequest, RawResponse,
    Summary, paging,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use reconcile::{Cell, Key, packed};

use super::{Manner, Puppet, Siege, asked, asked_page, page, response, says, with_blocks};
use crate::pair::{Side, forged, holds_all, is_whole, note};
use crate::sample::Note;

const FORMS: [Form; 2] = [Form::Binary, Form::Json];

/// The requester holds 300 notes, of which the provider has 280, and 30 others.
fn ours() -> Side {
    Side::new(1, 0..300)
}

fn theirs(form: Form) -> Puppet {
    Puppet::new(form, (0..280).chain(1_000..1_030))
}

/// Runs a session; whatever comes of it, nothing that was held is lost.
fn siege(
    manner: &Manner,
    ours: &Side,
    answer: &mut dyn FnMut(&RawRequest<Note>) -> Vec<RawResponse<Note>>,
) -> Siege {
    let before = ours.book.ids(&crate::sample::Prefix::default());
    let siege = manner.siege(ours, answer);
    assert!(before.iter().all(|id| ours.book.contains(id)), "something is lost");
    siege
}

fn head(key: Option<Key>, count: u64) -> Head {
    Head { key, summary: Summary { hash: [9; 32], count } }
}

/// Cells that no set has: whatever is peeled, something is left.
fn garbage(rng: &mut ChaCha8Rng, first: usize, cells: usize, count: u64) -> Bytes {
    let first = u64::try_from(first).unwrap();
    let cell = |index| Cell { sum: rng.random(), check: rng.random(), count: packed::expected(count, index) };
    let cells: Vec<Cell<u64>> = (first..).take(cells).map(cell).collect();
    packed::pack(&cells, first, count).into()
}
