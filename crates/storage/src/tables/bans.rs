//! Bans, by whom they name.

use std::net::IpAddr;

use futures::future::{BoxFuture, FutureExt, ready};
use handshake::{Ban, BanStore, BanStoreError, Banned};
use libp2p_identity::PeerId;
use machine::UnixTime;

use crate::error::StoreError;
use crate::row::{self, BadRow, Change, Row};
use crate::schema::Table;
use crate::storage::Storage;

/// Keeps bans over restarts.
///
/// # Bounds
/// A reason is cut to 128 bytes. How many bans there are is up to the gate, which removes those that
/// have ended or that it has no room for.
#[derive(Clone, Debug)]
pub struct BanTable(pub(crate) Storage);

/// Longest reason in bytes.
const REASON_MAX: usize = 128;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredBan {
    #[prost(string, tag = "1")]
    reason: String,
    /// Milliseconds since 1970.
    #[prost(uint64, tag = "2")]
    until: u64,
}

/// A letter for the kind, then the bytes.
fn key_of(banned: Banned) -> Vec<u8> {
    let (kind, bytes) = match banned {
        Banned::Peer(peer) => (b'p', peer.to_bytes()),
        Banned::Address(IpAddr::V4(ip)) => (b'4', ip.octets().to_vec()),
        Banned::Address(IpAddr::V6(ip)) => (b'6', ip.octets().to_vec()),
    };
    [&[kind], bytes.as_slice()].concat()
}

fn banned_of(key: &[u8]) -> Option<Banned> {
    let (kind, bytes) = key.split_first()?;
    match kind {
        b'p' => PeerId::from_bytes(bytes).ok().map(Banned::Peer),
        b'4' => <[u8; 4]>::try_from(bytes).ok().map(|ip| Banned::Address(ip.into())),
        b'6' => <[u8; 16]>::try_from(bytes).ok().map(|ip| Banned::Address(ip.into())),
        _ => None,
    }
}

impl Row for Ban {
    const TABLE: Table = Table::Bans;
    const WHAT: &'static str = "a ban";
    const LEN_MAX: usize = 1 + 3 + REASON_MAX + 11;

    type Message = StoredBan;

    fn key(&self) -> Vec<u8> {
        key_of(self.banned)
    }

    fn to_message(&self) -> Result<StoredBan, StoreError> {
        let mut reason = self.reason.clone();
        reason.truncate(reason.floor_char_boundary(REASON_MAX));
        Ok(StoredBan { reason, until: self.until.as_millis() })
    }

    fn from_message(key: &[u8], message: StoredBan) -> Result<Self, BadRow> {
        let StoredBan { reason, until } = message;
        let banned = banned_of(key).ok_or(BadRow::Field { field: "key" })?;
        if reason.len() > REASON_MAX {
            return Err(BadRow::Field { field: "reason" });
        }
        Ok(Self { banned, reason, until: UnixTime::from_millis(until) })
    }
}

impl From<StoreError> for BanStoreError {
    fn from(error: StoreError) -> Self {
        Self { message: error.to_string() }
    }
}

impl BanStore for BanTable {
    fn load(&self) -> BoxFuture<'static, Result<Vec<Ban>, BanStoreError>> {
        let loaded = self.0.queue().load(row::load::<Ban>);
        loaded.map(|loaded| Ok(loaded?.all)).boxed()
    }

    fn put(&self, ban: Ban) -> BoxFuture<'static, Result<(), BanStoreError>> {
        match Change::put(&ban) {
            Ok(change) => self.apply(vec![change]),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }

    fn remove(&self, banned: Banned) -> BoxFuture<'static, Result<(), BanStoreError>> {
        self.remove_all(vec![banned])
    }

    fn remove_all(&self, banned: Vec<Banned>) -> BoxFuture<'static, Result<(), BanStoreError>> {
        let gone = |banned| Change::Remove { table: Table::Bans, key: key_of(banned) };
        self.apply(banned.into_iter().map(gone).collect())
    }
}

impl BanTable {
    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), BanStoreError>> {
        self.0.queue().write(changes).map(|kept| kept.map_err(Into::into)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::check_round_trip;

    #[test]
    fn every_kind_of_ban_survives() {
        let addresses = ["192.0.2.1", "2001:db8:1:2::", "0.0.0.0", "::"];
        let addresses = addresses.map(|ip| Banned::Address(ip.parse().unwrap()));
        for banned in addresses.into_iter().chain([Banned::Peer(PeerId::random())]) {
            for until in [0, 1, u64::MAX] {
                let until = UnixTime::from_millis(until);
                check_round_trip(&Ban { banned, reason: "spam ".repeat(20), until });
            }
        }
    }

    #[test]
    fn a_long_reason_is_cut_where_a_character_ends() {
        let ban = Ban {
            banned: Banned::Peer(PeerId::random()),
            reason: "é".repeat(100),
            until: UnixTime::from_millis(u64::MAX),
        };
        let message = ban.to_message().unwrap();
        assert_eq!(message.reason, "é".repeat(64));
        let kept = Ban::from_message(&ban.key(), message).unwrap();
        check_round_trip(&kept);
    }
}
