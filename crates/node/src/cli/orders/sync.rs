//! `orders sync`: what peers have, fetched.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tokio::time::timeout;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::{Output, Report};
use super::super::progress::Progress;
use super::super::words::{self, counted, each};
use super::arguments::Sync;
use crate::config::DialAddress;
use crate::control::Client;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::orders_sync_reply::What;
use crate::printable::Printable;

/// What is counted in a session.
#[derive(Debug, Serialize)]
struct Tally {
    round_trips: u32,
    valid: u64,
    new: u64,
    known: u64,
    refused: u64,
    unwanted: u64,
    given: u64,
}

impl From<Option<proto::SyncTally>> for Tally {
    fn from(tally: Option<proto::SyncTally>) -> Self {
        let proto::SyncTally { round_trips, valid, new, known, refused, unwanted, given, holds: _ } =
            tally.unwrap_or_default();
        Self { round_trips, valid, new, known, refused, unwanted, given }
    }
}

impl Tally {
    fn text(&self) -> String {
        let Self { round_trips, new, known, refused, unwanted, given, valid: _ } = self;
        let rest = [("refused", *refused), ("unwanted", *unwanted), ("given", *given)];
        let rest = words::given(each(rest)).map_or_else(String::new, |rest| format!("{rest}, "));
        let round_trips = counted(round_trips, "round trip");
        format!("{new} new, {known} known, {rest}{round_trips}")
    }
}

/// A session that ended.
#[derive(Debug, Serialize)]
struct Session {
    peer_id: String,
    /// `null` if none was agreed on.
    protocol: Option<String>,
    ended: String,
    detail: Option<String>,
    #[serde(flatten)]
    tally: Tally,
}

impl From<proto::SyncSession> for Session {
    fn from(session: proto::SyncSession) -> Self {
        let proto::SyncSession { peer_id, protocol, ended, detail, tally } = session;
        let (protocol, detail) = (words::given(protocol), words::given(detail));
        Self { peer_id, protocol, ended, detail, tally: tally.into() }
    }
}

impl Report for Session {
    fn text(&self) -> String {
        let detail = self.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        let (peer, ended, tally) = (&self.peer_id, &self.ended, self.tally.text());
        let text = match &self.protocol {
            Some(protocol) => format!("{peer} {ended}{detail}: {tally}, {protocol}"),
            // Without one there is nothing to count.
            None => format!("{peer} {ended}{detail}"),
        };
        Printable(&text).to_string()
    }
}

/// What has come so far, of all sessions together.
#[derive(Debug, Default)]
struct Coming {
    /// Sessions that go on, by peer.
    now: BTreeMap<String, proto::SyncTally>,
    /// Orders of sessions that ended.
    before: u64,
    /// Most that a peer holds, where that is known. Several share the work of one.
    holds: u64,
}

impl Coming {
    fn goes_on(&mut self, peer: String, tally: proto::SyncTally) {
        self.holds = self.holds.max(tally.holds);
        self.now.insert(peer, tally);
    }

    fn ended(&mut self, session: &proto::SyncSession) {
        self.now.remove(&session.peer_id);
        let came = session.tally.map_or(0, |tally| tally.valid);
        self.before = self.before.saturating_add(came);
    }

    fn orders(&self) -> u64 {
        self.now.values().fold(self.before, |sum, tally| sum.saturating_add(tally.valid))
    }

    /// How many there are to be, if that is known. More than were said come when the book of the peer
    /// grows meanwhile.
    fn of(&self) -> Option<u64> {
        Some(self.holds).filter(|holds| *holds >= self.orders() && *holds > 0)
    }

    fn text(&self) -> String {
        let peers = counted(self.now.len(), "peer");
        let orders = match self.of() {
            Some(of) => format!("{} of {}", self.orders(), counted(of, "order")),
            None => counted(self.orders(), "order"),
        };
        format!("{orders}, {peers}")
    }
}

/// The end of it all.
#[derive(Debug, Serialize)]
struct Synced {
    synced: u32,
    /// Of so many at least.
    wanted: u32,
}

impl Report for Synced {
    fn text(&self) -> String {
        format!("synced with {}", counted(self.synced, "peer"))
    }
}

pub(super) fn sync(context: &Context<'_>, asked: &Sync) -> Result<(), Failure> {
    let output = context.output;
    let ended = context.talk(&asked.node, async |client: Client| {
        let follow = follow(&client, asked, output);
        timeout(asked.timeout, follow).await.unwrap_or(Err(Failure::SyncTimedOut(asked.timeout)))
    });
    let (synced, wanted) = (ended?, wanted(asked));
    output.report(&Synced { synced, wanted })?;
    if synced < wanted {
        return Err(Failure::SyncedWithFew { synced, wanted });
    }
    Ok(())
}

/// With how many peers it has to be done. What the node is set to is a wish: there may be fewer.
fn wanted(asked: &Sync) -> u32 {
    let named: BTreeSet<_> = asked.from.iter().map(DialAddress::peer).collect();
    let named = u32::try_from(named.len()).unwrap_or(u32::MAX);
    asked.min_peers.unwrap_or(named).max(1)
}

/// Tells how it goes until the end; says with how many peers it went well.
async fn follow(client: &Client, asked: &Sync, output: Output) -> Result<u32, Failure> {
    let min_peers = asked.min_peers.unwrap_or(0);
    let mut replies = client.orders_sync(min_peers, &asked.from).await?;
    let (mut coming, mut progress) = (Coming::default(), Progress::of(output));
    while let Some(reply) = replies.next().await? {
        match reply.what {
            Some(What::Progress(proto::SyncProgress { peer_id, tally })) => {
                coming.goes_on(peer_id, tally.unwrap_or_default());
                progress.show(coming.orders(), coming.of(), &coming.text());
            }
            Some(What::Session(session)) => {
                coming.ended(&session);
                output.progress("");
                output.report(&Session::from(session))?;
            }
            // With some of those that were named is not nothing.
            Some(What::End(proto::SyncEnd { ok, peers, .. })) if ok || peers > 0 => {
                return Ok(peers);
            }
            Some(What::End(proto::SyncEnd { reason, .. })) => return Err(Failure::Sync(reason)),
            None => {}
        }
    }
    Err(Failure::Sync("the node did not say how it ended".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(valid: u64, holds: u64) -> proto::SyncTally {
        proto::SyncTally { valid, holds, ..Default::default() }
    }

    #[test]
    fn what_comes_of_several_peers_adds_up() {
        let mut coming = Coming::default();
        coming.goes_on("one".into(), tally(3, 0));
        assert_eq!((coming.of(), coming.text()), (None, "3 orders, 1 peer".into()));
        coming.goes_on("one".into(), tally(500, 2_000));
        coming.goes_on("two".into(), tally(1_000, 1_900));
        assert_eq!(coming.text(), "1500 of 2000 orders, 2 peers");
        let one = proto::SyncSession {
            peer_id: "one".into(),
            tally: Some(tally(900, 2_000)),
            ..Default::default()
        };
        coming.ended(&one);
        assert_eq!((coming.orders(), coming.of()), (1_900, Some(2_000)));
        // The next session with the same peer begins from nothing.
        coming.goes_on("one".into(), tally(200, 0));
        assert_eq!(coming.text(), "2100 orders, 2 peers", "more than it said");
    }
}
