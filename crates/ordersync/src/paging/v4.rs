//! The one subprotocol of `/0x-mesh/order-sync/version/4`: pages above an id, of everything.

use super::v0::utf8;
use super::v1::not_an_object;
use super::{Progress, Search, above, filter_of, hash};
use crate::json::Members;
use crate::message::ID_V4;
use crate::outcome::{Fault, Refusal};
use crate::{
    BadMetadata, Context, Finding, Form, Item, ItemId, Metadata, Next, Paging, Range, Reaction,
    Request, Response, Subprotocol,
};

/// Pages above an id, up to an empty one. There is no filter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct V4;

/// What a request says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct V4Request {
    /// Wanted are ids above this one.
    pub after: ItemId,
}

/// What a response says beside its orders. Nothing of it travels.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct V4Response {
    /// The last id in the page, computed from what came before a filter dropped anything. Zero if
    /// there is none.
    pub last: ItemId,
}

impl V4 {
    /// Its name, which does not travel: that of the protocol.
    pub const NAME: &'static str = ID_V4;
}

impl<I: Item> Subprotocol<I> for V4 {
    type RequestMetadata = V4Request;
    type ResponseMetadata = V4Response;
    type Service = Search<I>;
    type Pursuit = Progress;

    fn name(&self) -> &str {
        Self::NAME
    }

    /// In JSON only: our own envelope has better.
    fn speaks(&self, form: Form) -> bool {
        form == Form::Json
    }

    fn paging(&self) -> Paging {
        Paging::Ranges
    }

    fn first_request_metadata(
        &self,
        pursuit: &mut Progress,
        range: &Range,
        _cx: &Context<I>,
    ) -> V4Request {
        *pursuit = Progress::start(range);
        V4Request { after: range.after }
    }

    fn prepare(
        &self,
        request: &V4Request,
        search: &mut Search<I>,
        cx: &Context<I>,
    ) -> Result<bool, Refusal> {
        search.go_on(cx, above(request.after), &filter_of::<I>(None)?)
    }

    fn handle_request(
        &self,
        request: Request<V4Request>,
        search: &mut Search<I>,
        cx: &Context<I>,
    ) -> Result<Response<I, V4Response>, Refusal> {
        let page = search.page(cx, above(request.metadata.after), &filter_of::<I>(None)?)?;
        // An empty page ends it, and nothing else does: there is no place to say more.
        let complete = page.entries.is_empty();
        let metadata = V4Response { last: page.scanned.unwrap_or(ItemId::ZERO) };
        Ok(Response { provider_id: cx.peer, orders: page.entries, complete, metadata })
    }

    fn handle_response(
        &self,
        response: &Response<I, V4Response>,
        pursuit: &mut Progress,
        _cx: &Context<I>,
    ) -> Result<Reaction<I, V4Request>, Fault> {
        let before = *pursuit;
        pursuit.take(&response.orders)?;
        pursuit.at_least(response.metadata.last);
        let valid = response.orders.len();
        if response.complete || pursuit.is_done() {
            return Ok(Reaction { next: Vec::new(), valid, finding: Finding::Through });
        }
        // A page that is not empty but has no order leads nowhere: nothing else says where it ends.
        if *pursuit == before {
            return Err(Fault::Stuck);
        }
        let metadata = V4Request { after: pursuit.rest().after };
        let next = Next { metadata, push: Vec::new() };
        Ok(Reaction { next: vec![next], valid, finding: Finding::Open })
    }
}

impl Metadata for V4Request {
    fn to_json(&self) -> String {
        format!(r#"{{"minOrderHash":"{}"}}"#, self.after)
    }

    fn from_json(raw: &str) -> Result<Self, BadMetadata> {
        let [after] = Members::of(raw, ["minOrderHash"]).map_err(|_| not_an_object())?.values;
        Ok(Self { after: hash::member(after, "minOrderHash")? })
    }

    /// The JSON: this subprotocol is for peers that have no other form.
    fn to_bytes(&self) -> Vec<u8> {
        self.to_json().into_bytes()
    }

    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata> {
        Self::from_json(utf8(raw)?)
    }
}

impl Metadata for V4Response {
    fn to_json(&self) -> String {
        format!(r#"{{"last":"{}"}}"#, self.last)
    }

    fn from_json(raw: &str) -> Result<Self, BadMetadata> {
        let [last] = Members::of(raw, ["last"]).map_err(|_| not_an_object())?.values;
        Ok(Self { last: hash::member(last, "last")? })
    }

    /// The JSON, as of the request.
    fn to_bytes(&self) -> Vec<u8> {
        self.to_json().into_bytes()
    }

    fn from_bytes(raw: &[u8]) -> Result<Self, BadMetadata> {
        Self::from_json(utf8(raw)?)
    }
}
