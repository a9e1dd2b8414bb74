//! `tickets aggregate` and `redeem`: many tickets for one, and tickets for money.

use std::time::Duration;

use serde::Serialize;

use super::super::amounts::{Sum, tokens};
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::orders::hex;
use super::super::output::{Output, Report};
use super::arguments::Settle;
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

/// What became of the tickets of a channel.
#[derive(Debug, Serialize)]
struct Settled {
    channel: String,
    /// `null` if who issued them has not announced itself.
    peer_id: Option<String>,
    tickets: u64,
    /// In tokens.
    amount: String,
    /// What went wrong; `null` if nothing did.
    code: Option<String>,
    reason: Option<String>,
    retry_after_ms: Option<u64>,
    #[serde(skip)]
    done: &'static str,
}

impl Settled {
    fn of(settled: &proto::TicketsSettled, done: &'static str) -> Self {
        let proto::TicketsSettled {
            channel,
            peer_id,
            tickets,
            amount,
            code,
            reason,
            retry_after_ms,
        } = settled;
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            channel: hex(channel),
            peer_id: some(peer_id),
            tickets: *tickets,
            amount: tokens(amount),
            code: some(code),
            reason: some(reason),
            retry_after_ms: *retry_after_ms,
            done,
        }
    }
}

impl Report for Settled {
    fn text(&self) -> String {
        let Self { channel, tickets, amount, done, .. } = self;
        let from = self.peer_id.as_ref().map_or_else(String::new, |peer| format!(" from {peer}"));
        let why = self.code.as_ref().map_or_else(String::new, |code| {
            let reason = self.reason.as_deref().unwrap_or_default();
            format!("; {code}: {reason}")
        });
        let again = self.retry_after_ms.map_or_else(String::new, |millis| {
            let after = humantime::format_duration(Duration::from_millis(millis));
            format!("; try again in {after}")
        });
        let text =
            format!("{channel}{from}: {tickets} tickets {done}, {amount} tokens{why}{again}");
        Printable(&text).to_string()
    }
}

/// All channels together.
#[derive(Debug, Serialize)]
struct Total {
    channels: u64,
    tickets: u64,
    /// In tokens.
    amount: String,
    #[serde(skip)]
    done: &'static str,
}

impl Report for Total {
    fn text(&self) -> String {
        let Self { channels, tickets, amount, done } = self;
        match channels {
            0 => format!("nothing {done}: no channel has tickets for it"),
            1 => format!("{tickets} tickets of 1 channel {done}, {amount} tokens"),
            _ => format!("{tickets} tickets of {channels} channels {done}, {amount} tokens"),
        }
    }
}

/// What came so far.
#[derive(Debug, Default)]
struct Tally {
    channels: u64,
    bad: u64,
    tickets: u64,
    amount: Sum,
}

impl Tally {
    fn count(
        &mut self,
        settled: Option<proto::TicketsSettled>,
        done: &'static str,
        output: Output,
    ) -> Result<(), Failure> {
        let Some(settled) = settled else { return Ok(()) };
        self.channels = self.channels.saturating_add(1);
        self.bad = self.bad.saturating_add(u64::from(!settled.code.is_empty()));
        self.tickets = self.tickets.saturating_add(settled.tickets);
        self.amount.add(&settled.amount);
        output.report(&Settled::of(&settled, done))
    }

    fn end(&self, done: &'static str, output: Output) -> Result<(), Failure> {
        let Self { channels, bad, tickets, ref amount } = *self;
        output.report(&Total { channels, tickets, amount: amount.text(), done })?;
        if bad > 0 { Err(Failure::Unsettled { bad, channels }) } else { Ok(()) }
    }
}

pub(super) fn aggregate(context: &Context<'_>, asked: &Settle) -> Result<(), Failure> {
    const DONE: &str = "traded for one each";
    let output = context.output;
    let tally = context.talk(&asked.node, async |client| {
        let (mut tally, whom) = (Tally::default(), asked.whom.as_ref());
        let mut replies = client.aggregate_tickets(whom).await?;
        while let Some(reply) = replies.next().await? {
            tally.count(reply.settled, "traded for one", output)?;
        }
        Ok::<_, Failure>(tally)
    })?;
    tally.end(DONE, output)
}

pub(super) fn redeem(context: &Context<'_>, asked: &Settle) -> Result<(), Failure> {
    const DONE: &str = "redeemed";
    let output = context.output;
    let tally = context.talk(&asked.node, async |client| {
        let (mut tally, whom) = (Tally::default(), asked.whom.as_ref());
        let mut replies = client.redeem_tickets(whom).await?;
        while let Some(reply) = replies.next().await? {
            tally.count(reply.settled, DONE, output)?;
        }
        Ok::<_, Failure>(tally)
    })?;
    tally.end(DONE, output)
}
