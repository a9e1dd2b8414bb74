//! `orders import`: lines of JSON in.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::{Output, Report};
use super::super::progress::Progress;
use super::super::words::{counted, each, given};
use super::arguments::{Import, Place};
use super::input::{Ended, Input};
use crate::control::{Client, Stream};
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

/// What was imported so far.
#[derive(Debug, Default, Serialize)]
struct Imported {
    lines: u64,
    new: u64,
    known: u64,
    bad: u64,
    /// Bad lines by reason.
    reasons: BTreeMap<String, u64>,
    #[serde(skip)]
    bytes: u64,
}

impl Report for Imported {
    fn text(&self) -> String {
        let reasons = given(each(self.reasons.iter().map(|(code, count)| (code, *count))));
        let reasons = reasons.map_or_else(String::new, |reasons| format!(" ({reasons})"));
        Printable(&format!("{}{reasons}", self.counts())).to_string()
    }
}

/// A bad line.
#[derive(Debug, Serialize)]
struct Bad {
    line: u64,
    code: String,
    reason: String,
}

impl Report for Bad {
    fn text(&self) -> String {
        format!("line {}: {}", self.line, Printable(&self.reason))
    }
}

impl Imported {
    fn add(&mut self, batch: proto::OrdersImportReply, output: Output) {
        let proto::OrdersImportReply { bytes, lines, new, known, bad } = batch;
        for (total, more) in [
            (&mut self.bytes, bytes),
            (&mut self.lines, lines),
            (&mut self.new, new),
            (&mut self.known, known),
        ] {
            *total = total.saturating_add(more);
        }
        for proto::BadLine { line, code, reason } in bad {
            self.bad = self.bad.saturating_add(1);
            let count = self.reasons.entry(code.clone()).or_default();
            *count = count.saturating_add(1);
            output.remark(&Bad { line, code, reason });
        }
    }

    /// Without the reasons, for which there may be no room.
    fn counts(&self) -> String {
        let Self { lines, new, known, bad, .. } = self;
        let lines = counted(lines, "line");
        format!("{lines}: {new} new, {known} known, {bad} bad")
    }
}

pub(super) fn import(context: &Context<'_>, asked: Import) -> Result<(), Failure> {
    let Import { file, node } = asked;
    let unread = |source| Failure::Input { file: file.to_string(), source };
    let Input { parts, ended, len } = Input::open(&file).map_err(unread)?;
    let output = context.output;
    let mut imported = Imported::default();
    let told = context.talk(&node, async |client: Client| {
        let mut batches = client.orders_import(parts).await?;
        take(&mut batches, &mut imported, len, output).await
    });
    // Also of an import that broke it is to be known how far it came.
    if imported.lines > 0 || told.is_ok() {
        output.report(&imported)?;
    }
    told?;
    whole(&file, ended)?;
    match imported.bad {
        0 => Ok(()),
        bad => Err(Failure::BadLines { bad, lines: imported.lines }),
    }
}

async fn take(
    batches: &mut Stream<proto::OrdersImportReply>,
    imported: &mut Imported,
    len: Option<u64>,
    output: Output,
) -> Result<(), crate::control::ClientError> {
    let mut progress = Progress::of(output);
    while let Some(batch) = batches.next().await? {
        imported.add(batch, output);
        progress.show(imported.bytes, len, &imported.counts());
    }
    Ok(())
}

/// Whether all of the file was read.
fn whole(file: &Place, mut ended: Ended) -> Result<(), Failure> {
    match ended.try_recv() {
        Ok(Err(source)) => Err(Failure::Input { file: file.to_string(), source }),
        // Told before the parts end.
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}
