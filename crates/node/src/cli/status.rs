//! `status`: one screen about the running node.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tonic::Code;

use super::arguments::Node;
use super::context::Context;
use super::failure::Failure;
use super::output::Report;
use super::words::{counted, each};
use crate::control::ClientError;
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

/// The status as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    peer_id: String,
    network: String,
    application: String,
    version: String,
    agent: String,
    role: &'static str,
    listen: Vec<String>,
    uptime_ms: u64,
    inbound: u32,
    outbound: u32,
    strangers: u32,
    pending: u32,
    known_addresses: u64,
    refused: BTreeMap<String, u64>,
    dropped: BTreeMap<String, u64>,
    swaps: BTreeMap<String, u64>,
    orders: u64,
    orders_digest: String,
    syncs: BTreeMap<String, u64>,
    relay: BTreeMap<String, u64>,
    /// `null` if it carries none.
    messages: Option<Messages>,
}

/// How it carries messages.
#[derive(Debug, Serialize)]
struct Messages {
    /// How much there is of what, now.
    now: BTreeMap<String, u64>,
    /// How often what happened since the start.
    since: BTreeMap<String, u64>,
}

impl From<proto::MessagesStatusReply> for Messages {
    fn from(proto::MessagesStatusReply { gauges, counts }: proto::MessagesStatusReply) -> Self {
        Self { now: gauges, since: counts }
    }
}

impl Messages {
    fn text(&self) -> String {
        [counts(&self.now), counts(&self.since)].join("; since the start: ")
    }
}

impl Shown {
    fn of(status: proto::StatusReply, messages: Option<proto::MessagesStatusReply>) -> Self {
        let role = match status.role() {
            proto::Role::Node => "node",
            proto::Role::Seed => "seed",
            proto::Role::Unspecified => "unknown",
        };
        Self {
            peer_id: status.peer_id,
            network: status.network,
            application: status.application,
            version: status.version,
            agent: status.agent,
            role,
            listen: status.listen_addresses,
            uptime_ms: status.uptime_ms,
            inbound: status.inbound,
            outbound: status.outbound,
            strangers: status.strangers,
            pending: status.pending,
            known_addresses: status.known_addresses,
            refused: status.refused,
            dropped: status.dropped,
            swaps: status.swaps,
            orders: status.orders,
            orders_digest: status.orders_digest,
            syncs: status.syncs,
            relay: status.relay,
            messages: messages.map(Into::into),
        }
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let uptime = Duration::from_secs(self.uptime_ms / 1000);
        let Self { inbound, outbound, strangers, pending, .. } = self;
        let lines = [
            ("peer id", self.peer_id.clone()),
            ("network", self.network.clone()),
            ("application", format!("{} {}", self.application, self.version)),
            ("agent", self.agent.clone()),
            ("role", self.role.to_owned()),
            ("listening", self.listen.join(" ")),
            ("uptime", humantime::format_duration(uptime).to_string()),
            ("peers", format!("{inbound} inbound, {outbound} outbound")),
            ("others", format!("{}, {pending} pending", counted(strangers, "stranger"))),
            ("known addresses", self.known_addresses.to_string()),
            ("refused", counts(&self.refused)),
            ("dropped", counts(&self.dropped)),
            ("swaps", counts(&self.swaps)),
            ("orders", format!("{}, digest {}", self.orders, self.orders_digest)),
            ("syncs", counts(&self.syncs)),
            ("relay", counts(&self.relay)),
            ("messages", self.messages.as_ref().map_or_else(|| "off".to_owned(), Messages::text)),
        ];
        let lines = lines.map(|(name, value)| format!("{name:<15}  {}", Printable(&value)));
        lines.join("\n")
    }
}

fn counts(reasons: &BTreeMap<String, u64>) -> String {
    let counts = each(reasons.iter().map(|(reason, count)| (reason, *count)));
    if counts.is_empty() { "none".to_owned() } else { counts }
}

pub(super) fn status(context: &Context<'_>, node: &Node) -> Result<(), Failure> {
    let (status, messages) = context.talk(node, async |client| {
        let status = client.status().await?;
        let messages = match client.messages_status().await {
            Ok(messages) => Some(messages),
            // One that carries none is a node all the same.
            Err(error) if error.code() == Some(Code::Unavailable) => None,
            Err(error) => return Err(error),
        };
        Ok::<_, ClientError>((status, messages))
    })?;
    context.output.report(&Shown::of(status, messages))
}
