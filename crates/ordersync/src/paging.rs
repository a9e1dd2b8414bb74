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
mod looked;
mod progress;
mod v0;
mod v1;
mod v4;

pub use self::looked::Looked;
pub use self::progress::Progress;
pub use self::v0::{Pages, V0, V0Request, V0Response};
pub use self::v1::{V1, V1Request, V1Response};
pub use self::v4::{V4, V4Request, V4Response};
use crate::book::{LOOK_MAX, Page};
use crate::outcome::Refusal;
use crate::{Context, Filter, Form, Item, ItemId, Range};

/// Most that a provider looks at for one response without asking for [leave](crate::Leave), in looks
/// at an item ([`Filter::cost`]): some 5 ms.
///
/// In our own envelope an empty page need not be the last, and the requester goes on from there.
/// Those of 0x-Mesh do not allow that: there it goes on a [look](LOOK_MAX) at a time until something
/// matches, or is busy.
pub const SCAN_MAX: usize = 8_192;

/// What a provider has found for a request that is not answered yet.
#[derive(Debug)]
pub struct Search<I: Item> {
    found: Option<Page<I>>,
    /// Up to there it has looked in vain.
    looked: Option<ItemId>,
}

impl<I: Item> Default for Search<I> {
    fn default() -> Self {
        Self { found: None, looked: None }
    }
}

impl<I: Item> Search<I> {
    /// Looks on for a page of a range; whether there is one now.
    fn go_on(
        &mut self,
        cx: &Context<I>,
        range: Range,
        filter: &I::Filter,
    ) -> Result<bool, Refusal> {
        if self.found.is_some() {
            return Ok(true);
        }
        let Range { after, until } = range;
        let (after, effort) = match self.looked {
            None => (after, SCAN_MAX),
            Some(looked) => {
                cx.scans.look()?;
                (looked, LOOK_MAX)
            }
        };
        let filter = &cx.asked(filter.clone());
        let page = cx.book.page(&after, &until, cx.page.max(1), filter, effort);
        let scanned = page.scanned.or(self.looked);
        if cx.form == Form::Binary || page.end || !page.entries.is_empty() {
            *self = Self { found: Some(Page { scanned, ..page }), looked: None };
            return Ok(true);
        }
        self.looked = scanned;
        Ok(false)
    }

    /// A page of a range: the one that was found, or else one that is looked for now.
    fn page(
        &mut self,
        cx: &Context<I>,
        range: Range,
        filter: &I::Filter,
    ) -> Result<Page<I>, Refusal> {
        loop {
            self.go_on(cx, range, filter)?;
            if let Some(page) = self.found.take() {
                return Ok(page);
            }
        }
    }
}

/// Everything above an id.
const fn above(after: ItemId) -> Range {
    Range { after, until: ItemId::MAX }
}

/// The filter in a request's metadata; without one, everything is wanted.
fn filter_of<I: Item>(json: Option<&str>) -> Result<I::Filter, crate::BadMetadata> {
    Ok(<I::Filter as Filter<I>>::from_json(json.unwrap_or("null"))?)
}

#[cfg(test)]
mod tests;
