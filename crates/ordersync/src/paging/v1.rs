//! `/pagination-with-filter/version/1`: each page begins above the last id of the one before.

use super::{Looked, Progress, filter_of, hash};
use crate::json::Members;
use crate::outcome::{Fault, Refusal};
use crate::{
    BadMetadata, Context, Filter, Finding, Form, Item, ItemId, Metadata, Next, Paging, Range,
    Reaction, Request, Response, Subprotocol,
};

/// Pages above an id, of what a filter wants.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct V1 {
    /// Whether a provider says so only with an empty page that nothing follows, as 0x-Mesh does,
    /// and not with the last page already. Costs a round trip.
    pub empty_last_page: bool,
}

/// What a request says.
#[derive(Clone, Debug)]
pub struct V1Request<I: Item> {
    /// What the requester wants.
    pub filter: I::Filter,
    /// Wanted are ids above this one,
    pub after: ItemId,
    /// up to and with this one. JSON has no place for it: there it is [`ItemId::MAX`].
    pub until: ItemId,
}

/// What a response says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct V1Response {
    /// The last id that the provider looked at; zero if there was none to look at.
    pub next: ItemId,
}

impl V1 {
    /// Its name.
    pub const NAME: &'static str = "/pagination-with-filter/version/1";
}

impl<I: Item> Subprotocol<I> for V1 {
    type RequestMetadata = V1Request<I>;
    type ResponseMetadata = V1Response;
    type Service = Looked<I>;
    type Pursuit = Progress;

    fn name(&self) -> &str {
        Self::NAME
    }

    fn paging(&self) -> Paging {
        Paging::Ranges
    }

    fn first_request_metadata(
        &self,
        pursuit: &mut Progress,
        range: &Range,
        cx: &Context<I>,
    ) -> V1Request<I> {
        *pursuit = Progress::start(range);
        request(pursuit, cx)
    }

    fn prepare(
        &self,
        request: &V1Request<I>,
        looked: &mut Looked<I>,
        cx: &Context<I>,
    ) -> Result<bool, Refusal> {
        let V1Request { filter, after, until } = request;
        let range = Range { after: looked.beyond(filter, *after), until: *until };
        looked.search.go_on(cx, range, filter)
    }

    fn handle_request(
        &self,
        request: Request<V1Request<I>>,
        looked: &mut Looked<I>,
        cx: &Context<I>,
    ) -> Result<Response<I, V1Response>, Refusal> {
        let V1Request { filter, after, until } = request.metadata;
        let from = looked.beyond(&filter, after);
        let page = looked.search.page(cx, Range { after: from, until }, &filter)?;
        if let (Some(last), Some(scanned)) = (page.entries.last(), page.scanned) {
            looked.remember(&filter, last.id, scanned);
        }
        let complete = page.end && (page.entries.is_empty() || !self.empty_last_page);
        let metadata = V1Response { next: page.scanned.unwrap_or(ItemId::ZERO) };
        Ok(Response { provider_id: cx.peer, orders: page.entries, complete, metadata })
    }

    fn handle_response(
        &self,
        response: &Response<I, V1Response>,
        pursuit: &mut Progress,
        cx: &Context<I>,
    ) -> Result<Reaction<I, V1Request<I>>, Fault> {
        let before = *pursuit;
        pursuit.take(&response.orders)?;
        // Further than the last order if what came after it was dropped here as malformed or
        // unwanted. In our own envelope the end of a page may have been cut off to fit a frame:
        // there the last order counts if there is one.
        if cx.form == Form::Json || response.orders.is_empty() {
            pursuit.at_least(response.metadata.next);
        }
        let valid = response.orders.len();
        if response.complete || pursuit.is_done() {
            return Ok(Reaction { next: Vec::new(), valid, finding: Finding::Through });
        }
        if *pursuit == before {
            return Err(Fault::Stuck);
        }
        let next = Next { metadata: request(pursuit, cx), push: Vec::new() };
        Ok(Reaction { next: vec![next], valid, finding: Finding::Open })
    }
}

fn request<I: Item>(progress: &Progress, cx: &Context<I>) -> V1Request<I> {
    let Range { after, until } = progress.rest();
    V1Request { filter: cx.filter.clone(), after, until }
}

/// In the binary form: whether `after` follows, and whether `until` follows.
const HAS_AFTER: u8 = 1;
const HAS_UNTIL: u8 = 2;

impl<I: Item> Metadata for V1Request<I> {
    fn to_json(&self) -> String {
        let (filter, after) = (self.filter.to_json(), self.after);
        format!(r#"{{"orderfilter":{filter},"minOrderHash":"{after}"}}"#)
    }

    fn from_json(raw: &str) -> Result<Self, BadMetadata> {
        let members = Members::of(raw, ["orderfilter", "minOrderHash"]);
        let [filter, after] = members.map_err(|_| not_an_object())?.values;
        let after = hash::member(after, "minOrderHash")?;
        Ok(Self { filter: filter_of::<I>(filter)?, after, until: ItemId::MAX })
    }

    /// A byte of flags, the ids that they announce, and the filter. Ids that do not restrict
    /// anything are left out.
    fn to_bytes(&self) -> Vec<u8> {
        let after = (self.after != ItemId::ZERO).then_some((HAS_AFTER, self.after));
        let until = (self.until != ItemId::MAX).then_some((HAS_UNTIL, self.until));
        let mut bytes = vec![0];
        for (flag, id) in [after, until].into_iter().flatten() {
            if let Some(flags) = bytes.first_mut() {
                *flags |= flag;
            }
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes.extend(self.filter.to_bytes());
        bytes
    }

    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata> {
        let Some((flags, rest)) = raw.split_first() else {
            return Err(BadMetadata::new("flags", "are missing"));
        };
        if flags & !(HAS_AFTER | HAS_UNTIL) != 0 {
            return Err(BadMetadata::new("flags", format!("are {flags:#04x}, must be 0 to 3")));
        }
        let (after, rest) = take_id(rest, flags & HAS_AFTER != 0, ItemId::ZERO, "after")?;
        let (until, rest) = take_id(rest, flags & HAS_UNTIL != 0, ItemId::MAX, "until")?;
        Ok(Self { filter: <I::Filter as Filter<I>>::from_bytes(rest)?, after, until })
    }
}

impl<I: Item> PartialEq for V1Request<I> {
    fn eq(&self, other: &Self) -> bool {
        (&self.filter, self.after, self.until) == (&other.filter, other.after, other.until)
    }
}

fn take_id<'a>(
    bytes: &'a [u8],
    announced: bool,
    absent: ItemId,
    field: &str,
) -> Result<(ItemId, &'a [u8]), BadMetadata> {
    if !announced {
        return Ok((absent, bytes));
    }
    let (id, rest) =
        bytes.split_first_chunk().ok_or_else(|| BadMetadata::new(field, "is cut short"))?;
    if *id == absent.0 {
        return Err(BadMetadata::new(field, "is there and restricts nothing"));
    }
    Ok((ItemId(*id), rest))
}

impl Metadata for V1Response {
    fn to_json(&self) -> String {
        format!(r#"{{"nextMinOrderHash":"{}"}}"#, self.next)
    }

    fn from_json(raw: &str) -> Result<Self, BadMetadata> {
        let members = Members::of(raw, ["nextMinOrderHash"]);
        let [next] = members.map_err(|_| not_an_object())?.values;
        Ok(Self { next: hash::member(next, "nextMinOrderHash")? })
    }

    /// Empty for zero.
    fn to_bytes(&self) -> Vec<u8> {
        if self.next == ItemId::ZERO { Vec::new() } else { self.next.as_bytes().to_vec() }
    }

    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata> {
        let (next, rest) = take_id(raw, !raw.is_empty(), ItemId::ZERO, "next")?;
        if rest.is_empty() {
            Ok(Self { next })
        } else {
            Err(BadMetadata::new("next", format!("is {} bytes, must be 32", raw.len())))
        }
    }
}

pub(super) fn not_an_object() -> BadMetadata {
    BadMetadata::new("metadata", "is not an object")
}
