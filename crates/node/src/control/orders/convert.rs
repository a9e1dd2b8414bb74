//! Orders, as messages, and what an operator asks about them.

use bytes::Bytes;
use libp2p::PeerId;
use machine::UnixTime;
use orders::{Address, AssetData};
use ordersync::Item;
use ordersync::ItemId;
use ordersync::book::{Counts, UpdateKind};
use ordersync::requester::{Ended, Outcome, Tally};
use ordersync::service::Synced;
use ordersync::zeroex::Order;
use tonic::Status;

use super::super::parse;
use super::{ORDERS_LIST_MAX, PART_BYTES_MAX};
use crate::config::SYNC_PEERS_MAX;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::orders_sync_reply::What;
use crate::orders::{
    Batch, Changed, Changes, Exported, Held, Listing, OrdersStatus, Query, Refused, SyncError,
    SyncReport, SyncWish,
};

impl proto::OrdersStatusReply {
    pub(super) fn of(status: OrdersStatus, count_v4: u64) -> Self {
        let Counts { added, known, refused, evicted, expired, removed, rotations: _ } =
            status.counts;
        let counts = [
            ("added", added),
            ("known", known),
            ("refused", refused),
            ("evicted", evicted),
            ("expired", expired),
            ("removed", removed),
        ];
        Self {
            count: status.count,
            count_max: status.items_max as u64,
            digest: status.digest.to_vec().into(),
            chain_id: status.network.chain_id,
            exchange: status.network.exchange.to_string(),
            exchange_v4: status
                .exchange_v4
                .map_or_else(String::new, |exchange| exchange.to_string()),
            count_v4,
            schema: status.schema,
            counts: counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        }
    }
}

impl From<Batch> for proto::OrdersImportReply {
    fn from(Batch { bytes, lines, new, known, bad }: Batch) -> Self {
        Self { bytes, lines, new, known, bad: bad.into_iter().map(Into::into).collect() }
    }
}

impl From<Refused> for proto::BadLine {
    fn from(Refused { line, code, reason }: Refused) -> Self {
        Self { line, code: code.to_owned(), reason }
    }
}

impl From<Listing> for proto::OrdersListReply {
    fn from(Listing { orders, count, more }: Listing) -> Self {
        Self { orders: orders.into_iter().map(Into::into).collect(), count: count as u64, more }
    }
}

impl From<Held> for proto::Order {
    fn from(held: Held) -> Self {
        let (version, offers, asks) = match &*held.entry.item {
            Order::V3(signed) => {
                let order = &signed.order;
                let amounts = [&order.maker_asset_amount, &order.taker_asset_amount];
                let [offered, asked] = amounts.map(ToString::to_string);
                (
                    3,
                    (order.maker_asset_data.to_string(), offered),
                    (order.taker_asset_data.to_string(), asked),
                )
            }
            Order::V4(signed) => {
                let order = &signed.order;
                let token = |token| AssetData::erc20(token).to_string();
                let (offered, asked) =
                    (order.maker_amount.to_string(), order.taker_amount.to_string());
                (4, (token(order.maker_token), offered), (token(order.taker_token), asked))
            }
        };
        let ((maker_asset, maker_amount), (taker_asset, taker_amount)) = (offers, asks);
        Self {
            hash: held.entry.id.as_bytes().to_vec().into(),
            maker: held.entry.item.maker().0.to_vec().into(),
            maker_asset,
            maker_amount,
            taker_asset,
            taker_amount,
            version,
            expires_ms: held.entry.item.expires().map(UnixTime::as_millis),
            received_ms: held.received.as_millis(),
            own: held.pinned,
        }
    }
}

impl From<Exported> for proto::OrdersExportReply {
    fn from(Exported { lines, count }: Exported) -> Self {
        Self { lines, count }
    }
}

impl From<Changes> for proto::OrdersWatchReply {
    fn from(Changes { changes, missed }: Changes) -> Self {
        Self { changes: changes.into_iter().map(Into::into).collect(), missed }
    }
}

impl From<Changed> for proto::OrderChange {
    fn from(Changed { kind, id, order }: Changed) -> Self {
        let kind = match kind {
            UpdateKind::Added => proto::OrderChangeKind::Added,
            UpdateKind::Expired => proto::OrderChangeKind::Expired,
            UpdateKind::Evicted => proto::OrderChangeKind::Evicted,
            UpdateKind::Removed => proto::OrderChangeKind::Removed,
        };
        let hash = Bytes::from(id.as_bytes().to_vec());
        Self { kind: kind.into(), hash, order: order.map(Into::into) }
    }
}

pub(super) fn report(report: SyncReport) -> proto::OrdersSyncReply {
    let what = match report {
        SyncReport::Progress { peer, tally } => {
            let tally = Some(tally.into());
            What::Progress(proto::SyncProgress { peer_id: peer.to_string(), tally })
        }
        SyncReport::Session { peer, protocol, outcome } => {
            let protocol = protocol.map_or_else(String::new, |protocol| protocol.to_string());
            What::Session(session(peer, protocol, &outcome))
        }
        SyncReport::Unreached { peer, error } => What::Session(proto::SyncSession {
            peer_id: peer.to_string(),
            ended: "unreached".to_owned(),
            detail: error.to_string(),
            ..Default::default()
        }),
        SyncReport::Ended(ended) => What::End(end(ended)),
    };
    proto::OrdersSyncReply { what: Some(what) }
}

fn session(peer: PeerId, protocol: String, outcome: &Outcome) -> proto::SyncSession {
    let (ended, why) = match &outcome.ended {
        Ended::Agreed => ("agreed", None),
        Ended::Paged => ("paged", None),
        Ended::Incomplete { missing: 0 } => ("incomplete", None),
        Ended::Incomplete { missing } => ("incomplete", Some(format!("{missing} missing"))),
        Ended::Faulted(fault) => ("faulted", Some(fault.to_string())),
        Ended::Broken(reason) => ("broken", Some(reason.to_string())),
    };
    let missing = Some(&outcome.missing).filter(|it| !it.is_empty()).map(ToString::to_string);
    let detail: Vec<_> = why.into_iter().chain(missing).collect();
    let (peer_id, tally) = (peer.to_string(), Some(outcome.tally.into()));
    let detail = detail.join("; ");
    proto::SyncSession { peer_id, protocol, ended: ended.to_owned(), detail, tally }
}

fn end(ended: Result<Synced, SyncError>) -> proto::SyncEnd {
    match ended {
        Ok(synced) => {
            proto::SyncEnd { ok: true, reason: String::new(), peers: count(synced.peers.len()) }
        }
        Err(error) => {
            let peers = match error {
                SyncError::Partly { synced, .. } => count(synced),
                SyncError::NoOrders(_) | SyncError::Unreached { .. } => 0,
            };
            proto::SyncEnd { ok: false, reason: error.to_string(), peers }
        }
    }
}

fn count(peers: usize) -> u32 {
    u32::try_from(peers).unwrap_or(u32::MAX)
}

impl From<Tally> for proto::SyncTally {
    fn from(tally: Tally) -> Self {
        let Tally { round_trips, valid, new, known, pushed, holds, .. } = tally;
        let refused = tally.unwanted.saturating_add(tally.invalid).saturating_add(tally.later);
        let unwanted = tally.unmatched.saturating_add(tally.malformed);
        Self { round_trips, valid, new, known, refused, unwanted, given: pushed, holds }
    }
}

pub(super) fn part(asked: proto::OrdersImportRequest) -> Result<Bytes, Status> {
    let len = asked.part.len();
    if len > PART_BYTES_MAX {
        let bounds = format!("a part of {len} bytes, must have at most {PART_BYTES_MAX}");
        return Err(Status::invalid_argument(bounds));
    }
    Ok(asked.part)
}

pub(super) fn query(asked: &proto::OrdersListRequest) -> Result<Query, Status> {
    let proto::OrdersListRequest { limit, after, maker, token } = asked;
    if !(1..=ORDERS_LIST_MAX).contains(limit) {
        let bounds = format!("limit is {limit}, must be 1 to {ORDERS_LIST_MAX}");
        return Err(Status::invalid_argument(bounds));
    }
    Ok(Query {
        after: exactly("after", after)?.map_or(ItemId::ZERO, ItemId),
        maker: exactly("maker", maker)?.map(Address),
        token: exactly("token", token)?.map(Address),
        limit: usize::try_from(*limit).unwrap_or(usize::MAX),
    })
}

/// As many bytes as there must be, or none.
fn exactly<const N: usize>(name: &str, bytes: &[u8]) -> Result<Option<[u8; N]>, Status> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let wrong = |_| {
        Status::invalid_argument(format!("{name} has {} bytes, must have {N} or none", bytes.len()))
    };
    bytes.try_into().map(Some).map_err(wrong)
}

/// With whom to sync; with `default` many if nothing is said.
pub(super) fn wish(asked: proto::OrdersSyncRequest, default: usize) -> Result<SyncWish, Status> {
    let proto::OrdersSyncRequest { min_peers, from } = asked;
    if min_peers > SYNC_PEERS_MAX {
        let bounds = format!("min_peers is {min_peers}, must be at most {SYNC_PEERS_MAX}");
        return Err(Status::invalid_argument(bounds));
    }
    if from.is_empty() {
        let min_peers = usize::try_from(min_peers).ok().filter(|peers| *peers > 0);
        return Ok(SyncWish::Some(min_peers.unwrap_or(default)));
    }
    let given = from.len();
    if u32::try_from(given).map_or(true, |given| given > SYNC_PEERS_MAX) {
        let bounds = format!("{given} peers, must be at most {SYNC_PEERS_MAX}");
        return Err(Status::invalid_argument(bounds));
    }
    from.iter().map(|from| parse::dial_address(from)).collect::<Result<_, _>>().map(SyncWish::With)
}
