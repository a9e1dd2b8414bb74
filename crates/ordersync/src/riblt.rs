//! The subprotocol `/riblt-shortid/version/0`: what is said follows what differs, not what there is.
//!
//! The life of one reconciliation:
//! 1. the requester opens with the digest of its items, their number and a rough fingerprint from
//!    which the size of the difference can be guessed;
//! 2. equal digests end it at once. If too much differs, the provider says so, and paging costs less.
//!    Otherwise it sends as many cells as the guess suggests, under the key of its present epoch, for
//!    which it has them at hand, or under one that either side made up for this session;
//! 3. the requester makes the same cells of its own items and peels the difference; if they do not
//!    suffice it asks for more;
//! 4. it asks for what it lacks by short id, and gives away what the provider lacks;
//! 5. it computes the digest that the provider has to have, from its own items, what differs and
//!    what came. Only if that is the digest that the provider stated, the two agree. If it is not,
//!    somebody has chosen items against the key of the epoch: the next attempt is made with a key that
//!    nobody knew before.

mod gifts;
mod json;
mod messages;
mod provide;
mod pursue;

pub(crate) use self::gifts::gifts;
pub use self::messages::{Head, Open, RibltRequest, RibltResponse};
pub use self::provide::{SESSION_MAX, Service};
pub use self::pursue::Pursuit;
use crate::Item;
use crate::message::{Request, Response};
use crate::outcome::{Fault, Refusal};
use crate::range::Range;
use crate::subprotocol::{Context, Left, Reaction, Subprotocol};

/// Its name.
pub const NAME: &str = "/riblt-shortid/version/0";

/// Most items asked for in one request.
pub const WANTED_MAX: usize = 1_024;

/// Most cells in one response.
pub const BLOCK_MAX: usize = 20_480;

/// Most cells of a comparison under a session key, and most that a requester takes.
pub const CELLS_MAX: usize = 131_072;

/// Most items that a requester gives away in one session: as many as a provider takes by default. The
/// rest goes in the sessions that follow.
pub const PUSH_MAX: usize = 10_000;

/// Reconciliation by the cells of a rateless table over keyed short ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct Riblt;

impl<I: Item> Subprotocol<I> for Riblt {
    type RequestMetadata = RibltRequest;
    type ResponseMetadata = RibltResponse;
    type Service = Service<I>;
    type Pursuit = Pursuit;

    fn name(&self) -> &str {
        NAME
    }

    fn first_request_metadata(
        &self,
        pursuit: &mut Self::Pursuit,
        _range: &Range,
        cx: &Context<I>,
    ) -> RibltRequest {
        pursuit.open(cx)
    }

    fn prepare(
        &self,
        request: &RibltRequest,
        service: &mut Self::Service,
        cx: &Context<I>,
    ) -> Result<bool, Refusal> {
        match request {
            RibltRequest::Open(open) => service.prepare(open, cx),
            RibltRequest::More { .. } | RibltRequest::Fetch { .. } => Ok(true),
        }
    }

    fn handle_request(
        &self,
        request: Request<RibltRequest>,
        service: &mut Self::Service,
        cx: &Context<I>,
    ) -> Result<Response<I, RibltResponse>, Refusal> {
        let (orders, metadata) = service.answer(request, cx)?;
        let complete = matches!(metadata, RibltResponse::Equal);
        Ok(Response { provider_id: cx.peer, orders, complete, metadata })
    }

    fn handle_response(
        &self,
        response: &Response<I, RibltResponse>,
        pursuit: &mut Self::Pursuit,
        cx: &Context<I>,
    ) -> Result<Reaction<I, RibltRequest>, Fault> {
        pursuit.react(response, cx)
    }

    fn left(&self, pursuit: &Self::Pursuit) -> Left {
        pursuit.left()
    }
}

/// Whether paging costs less than comparing cells.
///
/// It does if the requester has nothing, if the sides are apart by over 30 % of the larger, or if
/// about as many items differ as half of the larger. It never does while the provider's items fit
/// one page.
pub(crate) fn pages_instead(ours: u64, theirs: u64, estimate: u64, page: usize) -> bool {
    let larger = ours.max(theirs);
    if theirs <= u64::try_from(page).unwrap_or(u64::MAX) {
        return false;
    }
    let apart = ours.abs_diff(theirs);
    ours == 0 || apart.saturating_mul(10) > larger.saturating_mul(3) || estimate > larger / 2
}
