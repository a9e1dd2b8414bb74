//! `book`: whom the running node has heard of.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::arguments::Book;
use super::context::Context;
use super::failure::Failure;
use super::output::Report;
use super::table::table;
use super::words::{each, given};
use crate::generated::control::v1 as proto;
use crate::handle::Colour;
use crate::printable::Printable;

/// One entry as it is shown.
#[derive(Debug, Serialize)]
struct Entry {
    peer_id: String,
    addresses: Vec<String>,
    colour: &'static str,
    /// `null` when it introduced itself or the operator named it.
    source: Option<String>,
    failures: u32,
    /// Milliseconds since it was last reached.
    reached_ms: Option<u64>,
    /// Milliseconds until it may be dialled again; `null` while there is no question of it.
    retry_ms: Option<u64>,
}

impl From<proto::BookEntry> for Entry {
    fn from(entry: proto::BookEntry) -> Self {
        let colour = match entry.colour() {
            proto::Colour::Gold => Colour::Gold.as_str(),
            proto::Colour::White => Colour::White.as_str(),
            proto::Colour::Grey => Colour::Grey.as_str(),
            proto::Colour::Dark => Colour::Dark.as_str(),
            proto::Colour::Black => Colour::Black.as_str(),
            proto::Colour::Unspecified => "unknown",
        };
        Self {
            peer_id: entry.peer_id,
            addresses: entry.addresses,
            colour,
            source: given(entry.source),
            failures: entry.failures,
            reached_ms: entry.reached_ms,
            retry_ms: entry.retry_ms,
        }
    }
}

/// What was asked for, and how much there is in all.
#[derive(Debug, Serialize)]
struct Shown {
    entries: Vec<Entry>,
    counts: BTreeMap<String, u64>,
}

impl Report for Shown {
    fn text(&self) -> String {
        let rows: Vec<_> = self.entries.iter().map(row).collect();
        let head = ["PEER", "COLOUR", "FAILURES", "REACHED", "RETRY", "SOURCE", "ADDRESSES"];
        let count = |name: &'static str| (name, self.counts.get(name).copied().unwrap_or(0));
        let counts = each(Colour::EACH.into_iter().map(Colour::as_str).map(count));
        let counts = given(counts).unwrap_or_else(|| "nobody".to_owned());
        let all: u64 = self.counts.values().sum();
        let of_all = format!("{} of {all} shown; in the book: {counts}", rows.len());
        if rows.is_empty() { of_all } else { format!("{}\n\n{of_all}", table(head, &rows)) }
    }
}

fn row(entry: &Entry) -> [String; 7] {
    let shown = |text: &str| Printable(text).to_string();
    let time = |millis: Option<u64>, suffix: &str| match millis.map(|millis| millis / 1000) {
        None => "-".to_owned(),
        Some(0) => "now".to_owned(),
        Some(seconds) => {
            format!("{}{suffix}", humantime::format_duration(Duration::from_secs(seconds)))
        }
    };
    [
        shown(&entry.peer_id),
        entry.colour.to_owned(),
        entry.failures.to_string(),
        time(entry.reached_ms, " ago"),
        time(entry.retry_ms, ""),
        entry.source.as_deref().map_or_else(|| "-".to_owned(), shown),
        shown(&entry.addresses.join(" ")),
    ]
}

pub(super) fn book(context: &Context<'_>, asked: &Book) -> Result<(), Failure> {
    let Book { colour, limit, node } = asked;
    let reply = context.talk(node, async |client| client.book(*colour, *limit).await)?;
    let proto::BookListReply { entries, counts } = reply;
    context.output.report(&Shown { entries: entries.into_iter().map(Into::into).collect(), counts })
}
