//! `/pagination-with-filter/version/0`: a page of a snapshot, or what passes for one.
//!
//! Providers up to 9.4 keep a snapshot of their database under a random name, and count its pages.
//! From 10.0 on the name *is* the id above which the next page begins. A requester that repeats
//! what it is told serves both; this node provides the second.

use super::v1::not_an_object;
use super::{Progress, Search, above, filter_of, hash};
use crate::json::{Members, text};
use crate::outcome::{Fault, Refusal};
use crate::{
    BadMetadata, Context, Filter, Finding, Form, Item, ItemId, Metadata, Next, Paging, Range,
    Reaction, Request, Response, Subprotocol,
};

/// Pages of a snapshot, of what a filter wants.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct V0;

/// What a request says.
#[derive(Clone, Debug)]
pub struct V0Request<I: Item> {
    /// What the requester wants.
    pub filter: I::Filter,
    /// Which page of the snapshot.
    pub page: u64,
    /// Name of the snapshot, as the provider gave it; empty at first. At most
    /// [`V0::SNAPSHOT_BYTES_MAX`].
    pub snapshot: String,
}

/// What a response says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct V0Response {
    /// The last page that the provider looked at, or the page as it was asked for.
    pub page: u64,
    /// Name of the snapshot. At most [`V0::SNAPSHOT_BYTES_MAX`].
    pub snapshot: String,
}

/// How far a requester has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages {
    progress: Progress,
    /// The page that was asked for.
    page: u64,
    /// Pages of a snapshot that came.
    taken: u64,
}

impl V0 {
    /// Its name.
    pub const NAME: &'static str = "/pagination-with-filter/version/0";
    /// Most bytes of a snapshot's name.
    pub const SNAPSHOT_BYTES_MAX: usize = 128;
    /// Most pages of one snapshot: there is no order in them by which progress could be seen.
    pub const PAGES_MAX: u64 = 4_096;
}

impl<I: Item> Subprotocol<I> for V0 {
    type RequestMetadata = V0Request<I>;
    type ResponseMetadata = V0Response;
    type Service = Search<I>;
    type Pursuit = Pages;

    fn name(&self) -> &str {
        Self::NAME
    }

    /// In JSON only: our own envelope has better.
    fn speaks(&self, form: Form) -> bool {
        form == Form::Json
    }

    fn paging(&self) -> Paging {
        Paging::Whole
    }

    fn first_request_metadata(
        &self,
        pursuit: &mut Pages,
        range: &Range,
        cx: &Context<I>,
    ) -> V0Request<I> {
        *pursuit = Pages { progress: Progress::start(range), ..Pages::default() };
        // A name to begin with only where there is something to skip: providers up to 9.4 would
        // not know it.
        let after = (range.after != ItemId::ZERO).then(|| range.after.to_string());
        V0Request { filter: cx.filter.clone(), page: 0, snapshot: after.unwrap_or_default() }
    }

    fn prepare(
        &self,
        request: &V0Request<I>,
        search: &mut Search<I>,
        cx: &Context<I>,
    ) -> Result<bool, Refusal> {
        search.go_on(cx, range_of(&request.snapshot)?, &request.filter)
    }

    fn handle_request(
        &self,
        request: Request<V0Request<I>>,
        search: &mut Search<I>,
        cx: &Context<I>,
    ) -> Result<Response<I, V0Response>, Refusal> {
        let V0Request { filter, page, snapshot } = request.metadata;
        let found = search.page(cx, range_of(&snapshot)?, &filter)?;
        let complete = found.end && found.entries.is_empty();
        let snapshot = found.scanned.unwrap_or(ItemId::ZERO).to_string();
        let metadata = V0Response { page, snapshot };
        Ok(Response { provider_id: cx.peer, orders: found.entries, complete, metadata })
    }

    fn handle_response(
        &self,
        response: &Response<I, V0Response>,
        pursuit: &mut Pages,
        cx: &Context<I>,
    ) -> Result<Reaction<I, V0Request<I>>, Fault> {
        let V0Response { page, snapshot } = &response.metadata;
        pursuit.take(response, hash::strict(snapshot))?;
        let valid = response.orders.len();
        if response.complete || pursuit.progress.is_done() {
            return Ok(Reaction { next: Vec::new(), valid, finding: Finding::Through });
        }
        pursuit.page = page.saturating_add(1);
        let metadata =
            V0Request { filter: cx.filter.clone(), page: pursuit.page, snapshot: snapshot.clone() };
        let next = Next { metadata, push: Vec::new() };
        Ok(Reaction { next: vec![next], valid, finding: Finding::Open })
    }
}

/// What is above the id that a snapshot's name is.
fn range_of(snapshot: &str) -> Result<Range, Refusal> {
    let after = hash::cropped(snapshot);
    after.map(above).ok_or(Refusal::Unavailable { what: "a snapshot of another kind" })
}

impl Pages {
    /// Sees to it that a page is not one that came before.
    fn take<I: Item>(
        &mut self,
        response: &Response<I, V0Response>,
        after: Option<ItemId>,
    ) -> Result<(), Fault> {
        let Some(after) = after else {
            self.taken = self.taken.saturating_add(1);
            if self.taken > V0::PAGES_MAX {
                return Err(Fault::TooMuch { what: "pages of a snapshot", max: V0::PAGES_MAX });
            }
            // An empty snapshot ends with a page of any number.
            let stuck = response.metadata.page < self.page && !response.complete;
            return if stuck { Err(Fault::Stuck) } else { Ok(()) };
        };
        let before = self.progress;
        self.progress.take(&response.orders)?;
        self.progress.at_least(after);
        if self.progress == before && !response.complete {
            return Err(Fault::Stuck);
        }
        Ok(())
    }
}

impl<I: Item> Metadata for V0Request<I> {
    fn to_json(&self) -> String {
        let filter = self.filter.to_json();
        let rest = page_and_snapshot(self.page, &self.snapshot);
        format!(r#"{{"orderfilter":{filter},{rest}}}"#)
    }

    fn from_json(raw: &str) -> Result<Self, BadMetadata> {
        let members = Members::of(raw, ["orderfilter", "page", "snapshotID"]);
        let [filter, page, snapshot] = members.map_err(|_| not_an_object())?.values;
        let (page, snapshot) = (number(page)?, name(snapshot)?);
        Ok(Self { filter: filter_of::<I>(filter)?, page, snapshot })
    }

    /// The JSON: this subprotocol is for peers that have no other form.
    fn to_bytes(&self) -> Vec<u8> {
        self.to_json().into_bytes()
    }

    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata> {
        Self::from_json(utf8(raw)?)
    }
}

impl<I: Item> PartialEq for V0Request<I> {
    fn eq(&self, other: &Self) -> bool {
        (&self.filter, self.page, &self.snapshot) == (&other.filter, other.page, &other.snapshot)
    }
}

impl Metadata for V0Response {
    fn to_json(&self) -> String {
        format!("{{{}}}", page_and_snapshot(self.page, &self.snapshot))
    }

    fn from_json(raw: &str) -> Result<Self, BadMetadata> {
        let members = Members::of(raw, ["page", "snapshotID"]);
        let [page, snapshot] = members.map_err(|_| not_an_object())?.values;
        Ok(Self { page: number(page)?, snapshot: name(snapshot)? })
    }

    /// The JSON: this subprotocol is for peers that have no other form.
    fn to_bytes(&self) -> Vec<u8> {
        self.to_json().into_bytes()
    }

    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata> {
        Self::from_json(utf8(raw)?)
    }
}

fn page_and_snapshot(page: u64, snapshot: &str) -> String {
    let snapshot = serde_json::Value::from(snapshot);
    format!(r#""page":{page},"snapshotID":{snapshot}"#)
}

fn number(page: Option<&str>) -> Result<u64, BadMetadata> {
    let page: Option<u64> =
        text(page).map_err(|_| BadMetadata::new("page", "must be a whole number from 0 on"))?;
    Ok(page.unwrap_or(0))
}

fn name(snapshot: Option<&str>) -> Result<String, BadMetadata> {
    let snapshot: Option<String> =
        text(snapshot).map_err(|_| BadMetadata::new("snapshotID", "must be a string"))?;
    let snapshot = snapshot.unwrap_or_default();
    let (len, max) = (snapshot.len(), V0::SNAPSHOT_BYTES_MAX);
    if len > max {
        return Err(BadMetadata::new("snapshotID", format!("{len} bytes, must be at most {max}")));
    }
    Ok(snapshot)
}

pub(super) fn utf8(raw: &[u8]) -> Result<&str, BadMetadata> {
    std::str::from_utf8(raw).map_err(|_| BadMetadata::new("metadata", "is not UTF-8"))
}
