//! `peers ban`, `unban` and `bans`: who is kept out.

use std::time::Duration;

use handshake::Banned;
use machine::UnixTime;
use serde::Serialize;
use transport::clock::Clock;

use super::arguments::{Ban, Node};
use super::context::Context;
use super::failure::Failure;
use super::output::Report;
use super::table::table;
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

#[derive(Debug, Serialize)]
struct Done {
    whom: String,
    banned: bool,
    /// How long from now.
    for_ms: Option<u64>,
}

impl Report for Done {
    fn text(&self) -> String {
        let time = self.for_ms.map(|millis| humantime::format_duration(whole_seconds(millis)));
        match time {
            Some(time) => format!("{} is kept out for {time}", self.whom),
            None => format!("{} may come again", self.whom),
        }
    }
}

pub(super) fn ban(context: &Context<'_>, asked: &Ban) -> Result<(), Failure> {
    let Ban { whom, time, reason, node } = asked;
    context.talk(node, async |client| client.ban(*whom, *time, reason.clone()).await)?;
    let for_ms = Some(time.as_millis().try_into().unwrap_or(u64::MAX));
    context.output.report(&Done { whom: whom.to_string(), banned: true, for_ms })
}

pub(super) fn unban(context: &Context<'_>, whom: Banned, node: &Node) -> Result<(), Failure> {
    context.talk(node, async |client| client.unban(whom).await)?;
    context.output.report(&Done { whom: whom.to_string(), banned: false, for_ms: None })
}

/// One ban as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    whom: String,
    reason: String,
    until_ms: u64,
}

impl From<proto::Ban> for Shown {
    fn from(proto::Ban { whom, reason, until_ms }: proto::Ban) -> Self {
        Self { whom, reason, until_ms }
    }
}

/// All of them.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Shown>);

impl Report for List {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no bans".to_owned();
        }
        let now = Clock::wall();
        let row = |ban: &Shown| {
            let left = UnixTime::from_millis(ban.until_ms).since(now).as_secs();
            [
                Printable(&ban.whom).to_string(),
                humantime::format_duration(Duration::from_secs(left)).to_string(),
                Printable(&ban.reason).to_string(),
            ]
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        table(["BANNED", "LEFT", "REASON"], &rows)
    }
}

pub(super) fn list(context: &Context<'_>, node: &Node) -> Result<(), Failure> {
    let bans = context.talk(node, async |client| client.bans().await)?;
    context.output.report(&List(bans.into_iter().map(Into::into).collect()))
}

const fn whole_seconds(millis: u64) -> Duration {
    Duration::from_secs(millis / 1000)
}
