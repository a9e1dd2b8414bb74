//! `orders sync`: what peers have, fetched.

use std::collections::BTreeSet;

use serde::Serialize;
use tokio::time::timeout;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::{Output, Report};
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
        let proto::SyncTally { round_trips, valid, new, known, refused, unwanted, given } =
            tally.unwrap_or_default();
        Self { round_trips, valid, new, known, refused, unwanted, given }
    }
}

impl Tally {
    fn text(&self) -> String {
        let Self { round_trips, new, known, refused, unwanted, given, valid: _ } = self;
        let rest = [(refused, "refused"), (unwanted, "unwanted"), (given, "given")];
        let rest = rest.into_iter().filter(|(count, _)| **count > 0);
        let rest: Vec<_> = rest.map(|(count, what)| format!("{count} {what}, ")).collect();
        format!("{new} new, {known} known, {}{round_trips} round trips", rest.concat())
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
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self { peer_id, protocol: some(protocol), ended, detail: some(detail), tally: tally.into() }
    }
}

impl Report for Session {
    fn text(&self) -> String {
        let protocol = self.protocol.as_deref().unwrap_or("no protocol");
        let detail = self.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        let (peer, ended, tally) = (&self.peer_id, &self.ended, self.tally.text());
        Printable(&format!("{peer} {ended}{detail}: {tally}, {protocol}")).to_string()
    }
}

/// The end of it all.
#[derive(Debug, Serialize)]
struct Synced {
    synced: u32,
}

impl Report for Synced {
    fn text(&self) -> String {
        let peers = if self.synced == 1 { "peer" } else { "peers" };
        format!("synced with {} {peers}", self.synced)
    }
}

pub(super) fn sync(context: &Context<'_>, asked: &Sync) -> Result<(), Failure> {
    let output = context.output;
    let ended = context.talk(&asked.node, async |client: Client| {
        let follow = follow(&client, asked, output);
        timeout(asked.timeout, follow).await.unwrap_or(Err(Failure::SyncTimedOut(asked.timeout)))
    });
    output.progress("");
    let synced = ended?;
    output.report(&Synced { synced })?;
    let wanted = wanted(asked);
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
    while let Some(reply) = replies.next().await? {
        match reply.what {
            Some(What::Progress(proto::SyncProgress { peer_id, tally })) => {
                let tally = Tally::from(tally).text();
                output.progress(&Printable(&format!("{peer_id} {tally}")).to_string());
            }
            Some(What::Session(session)) => {
                output.progress("");
                output.report(&Session::from(session))?;
            }
            Some(What::End(proto::SyncEnd { ok: true, peers, .. })) => return Ok(peers),
            Some(What::End(proto::SyncEnd { reason, .. })) => return Err(Failure::Sync(reason)),
            None => {}
        }
    }
    Err(Failure::Sync("the node did not say how it ended".to_owned()))
}
