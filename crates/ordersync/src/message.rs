//! Requests and responses: as the envelopes carry them, and as a subprotocol sees them.

use machine::PeerId;

use crate::intake::Admission;
use crate::{BadItem, Entry, Raw};

/// The protocol of 0x-Mesh for v3 orders.
pub const ID: &str = "/0x-mesh/order-sync/version/0";
/// Its sibling for v4 orders.
pub const ID_V4: &str = "/0x-mesh/order-sync/version/4";
/// Our own: binary, pipelined, with explicit errors.
pub const ID_BINARY: &str = "/meshwork/ordersync/1";
/// What a request of the JSON envelope says it is.
pub const TYPE_REQUEST: &str = "Request";
/// What a response of the JSON envelope says it is.
pub const TYPE_RESPONSE: &str = "Response";

/// Metadata of a first request that offers several subprotocols: one for each, in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FirstRequestsForSubprotocols {
    /// That of the n-th name offered.
    pub metadata: Vec<Raw>,
}

/// A request as an envelope carries it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRequest<I> {
    /// Names, best first; one once a subprotocol has been agreed on. 1 to [`NAMES_MAX`].
    pub subprotocols: Vec<String>,
    /// What the envelope had as metadata.
    pub metadata: RequestMetadata,
    /// Items that the requester gives away. Our own envelope alone carries any.
    pub pushed: Vec<Entry<I>>,
}

/// Most names in one request.
pub const NAMES_MAX: usize = 16;

/// The metadata of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestMetadata {
    /// For the one subprotocol named; or for whichever is picked, from requesters that knew only
    /// one.
    Bare(Raw),
    /// One for each subprotocol named. Not necessarily as many.
    First(FirstRequestsForSubprotocols),
}

/// A response as an envelope carries it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawResponse<I> {
    /// The subprotocol that was picked.
    pub subprotocol: String,
    /// Items whose ids were computed from what came.
    pub orders: Vec<Entry<I>>,
    /// What came as an item and is none.
    pub malformed: Vec<BadItem>,
    /// Whether no further request will be answered.
    pub complete: bool,
    /// For the subprotocol.
    pub metadata: Raw,
}

/// A request as a subprotocol sees it.
#[derive(Clone, Debug)]
pub struct Request<M> {
    /// Who asks: proven by the connection, never a claim.
    pub requester_id: PeerId,
    /// What for.
    pub metadata: M,
    /// What became of the items that came with it.
    pub pushed: Vec<Admission>,
}

/// A response as a subprotocol sees it.
#[derive(Clone, Debug)]
pub struct Response<I, M> {
    /// Who answers: proven by the connection, never a claim.
    pub provider_id: PeerId,
    /// What it gave. The requester's side sees only those that its filter wants.
    pub orders: Vec<Entry<I>>,
    /// Whether no further request will be answered.
    pub complete: bool,
    /// What it says beside.
    pub metadata: M,
}
