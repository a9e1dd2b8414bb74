//! `orders watch`: what comes and goes.

use serde::Serialize;
use transport::clock::Clock;

use super::super::arguments::Node;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::{Output, Report};
use super::super::words::hex;
use super::shown::Order;
use crate::control::Client;
use crate::generated::control::v1 as proto;

/// One change as it is shown.
#[derive(Debug, Serialize)]
struct Change {
    kind: &'static str,
    /// `null` of the first line, and of changes that were missed.
    hash: Option<String>,
    /// The order, if it came in and is still there.
    order: Option<Order>,
}

const WATCHING: &str = "watching";
const MISSED: &str = "missed";

impl Change {
    const fn bare(kind: &'static str) -> Self {
        Self { kind, hash: None, order: None }
    }
}

impl Report for Change {
    fn text(&self) -> String {
        let hash = self.hash.as_deref().unwrap_or_default();
        match &self.order {
            None if self.kind == MISSED => "missed changes: they came too fast".to_owned(),
            None => format!("{:<8} {hash}", self.kind),
            Some(order) => {
                let (offers, asks) = (order.offers(), order.asks());
                let left = order.left(Clock::wall());
                format!("{:<8} {hash} offers {offers}, asks {asks}, left {left}", self.kind)
            }
        }
    }
}

impl From<proto::OrderChange> for Change {
    fn from(change: proto::OrderChange) -> Self {
        let kind = match change.kind() {
            proto::OrderChangeKind::Added => "added",
            proto::OrderChangeKind::Expired => "expired",
            proto::OrderChangeKind::Evicted => "evicted",
            proto::OrderChangeKind::Removed => "removed",
            proto::OrderChangeKind::Unspecified => "unknown",
        };
        Self { kind, hash: Some(hex(&change.hash)), order: change.order.map(Into::into) }
    }
}

pub(super) fn watch(context: &Context<'_>, node: &Node) -> Result<(), Failure> {
    let output = context.output;
    context.talk(node, async |client: Client| {
        let mut replies = client.orders_watch().await?;
        // The first reply says nothing but that none is missed from now on.
        replies.next().await?;
        output.line(&Change::bare(WATCHING))?;
        while let Some(reply) = replies.next().await? {
            if !tell(reply, output)? {
                break;
            }
        }
        Ok::<_, Failure>(())
    })
}

/// Says whether somebody wants to hear more.
fn tell(reply: proto::OrdersWatchReply, output: Output) -> Result<bool, Failure> {
    if reply.missed && !output.line(&Change::bare(MISSED))? {
        return Ok(false);
    }
    for change in reply.changes {
        if !output.line(&Change::from(change))? {
            return Ok(false);
        }
    }
    Ok(true)
}
