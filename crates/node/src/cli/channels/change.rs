//! `channels open`, `fund` and `close`.

use serde::Serialize;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::arguments::{Close, Fund, Open};
use super::shown::Channel;
use crate::generated::control::v1 as proto;

/// A channel, after what was done to it.
#[derive(Debug, Serialize)]
struct Done {
    done: &'static str,
    channel: Channel,
}

impl Done {
    fn of(done: &'static str, channel: Option<proto::PaymentChannel>) -> Self {
        Self { done, channel: channel.unwrap_or_default().into() }
    }
}

impl Report for Done {
    fn text(&self) -> String {
        let Self { done, channel } = self;
        let (id, other) = (&channel.id, channel.other());
        let way = if channel.direction == "outgoing" { "to" } else { "from" };
        let channel = match channel.closes_ms {
            Some(_) => format!("{}; run this again when that is over", channel.state()),
            None => format!("{}, {} tokens in it", channel.status, channel.balance),
        };
        format!("{done} {id} {way} {other}: {channel}")
    }
}

pub(super) fn open(context: &Context<'_>, asked: &Open) -> Result<(), Failure> {
    let Open { whom, amount, node } = asked;
    let channel = context.talk(node, async |client| client.open_channel(whom, *amount).await)?;
    context.output.report(&Done::of("opened", channel))
}

pub(super) fn fund(context: &Context<'_>, asked: &Fund) -> Result<(), Failure> {
    let Fund { whom, amount, node } = asked;
    let channel = context.talk(node, async |client| client.fund_channel(whom, *amount).await)?;
    context.output.report(&Done::of("funded", channel))
}

pub(super) fn close(context: &Context<'_>, asked: &Close) -> Result<(), Failure> {
    let Close { whom, node } = asked;
    let channel = context.talk(node, async |client| client.close_channel(whom).await)?;
    let is_closed = channel.as_ref().is_some_and(|channel| channel.closes_at.is_none());
    context.output.report(&Done::of(if is_closed { "closed" } else { "gave notice" }, channel))
}
