//! The subprotocols of 0x-Mesh: the orders above an id, page by page, ascending.
//!
//! | subprotocol | where the next page begins | who speaks it |
//! |---|---|---|
//! | [`V1`] | above the last id that was looked at | 0x-Mesh from 10.0 on, and this node |
//! | [`V0`] | above an id that travels as a snapshot's name, or at a page of a snapshot | 0x-Mesh |
//! | [`V4`] | above the last id received | 0x-Mesh from 11.0 on, for v4 orders |
//!
//! An item that a provider holds throughout is handed over exactly once. No snapshot is kept: items
//! that come or go meanwhile may be handed over or not.

mod hash;
mod progress;
mod v0;
mod v1;
mod v4;

pub use self::progress::Progress;
pub use self::v0::{Pages, V0, V0Request, V0Response};
pub use self::v1::{V1, V1Request, V1Response};
pub use self::v4::{V4, V4Request, V4Response};
use crate::book::Page;
use crate::outcome::Refusal;
use crate::{Context, Filter, Form, Item, ItemId, Range};

/// Most items that a provider looks at for one response, unless it has leave to scan.
///
/// In our own envelope an empty page need not be the last, and the requester goes on from there.
/// Those of 0x-Mesh do not allow that: there it goes on until something matches, or is busy.
pub const SCAN_MAX: usize = 8_192;

/// A page of a provider's book.
fn page<I: Item>(cx: &Context<I>, range: Range, filter: &I::Filter) -> Result<Page<I>, Refusal> {
    let Range { after, until } = range;
    let limit = cx.page.max(1);
    let page = cx.book.page(&after, &until, limit, filter, SCAN_MAX);
    if cx.form == Form::Binary || page.end || !page.entries.is_empty() {
        return Ok(page);
    }
    if !cx.scans.granted() {
        return Err(Refusal::Busy);
    }
    let after = page.scanned.unwrap_or(after);
    let rest = cx.book.page(&after, &until, limit, filter, usize::MAX);
    Ok(Page { scanned: rest.scanned.or(page.scanned), ..rest })
}

/// A page of everything above an id.
fn page_above<I: Item>(
    cx: &Context<I>,
    after: ItemId,
    filter: &I::Filter,
) -> Result<Page<I>, Refusal> {
    page(cx, Range { after, until: ItemId::MAX }, filter)
}

/// The filter in a request's metadata; without one, everything is wanted.
fn filter_of<I: Item>(json: Option<&str>) -> Result<I::Filter, crate::BadMetadata> {
    Ok(<I::Filter as Filter<I>>::from_json(json.unwrap_or("null"))?)
}

#[cfg(test)]
mod tests;
