//! Lines of JSON in, batch by batch.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use orders::OrderError;
use ordersync::zeroex::Order;
use ordersync::{Admitted, Entry, Origin, Rejected};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Orders;
use super::lines::{LINE_MAX, Line, Lines};

/// Most lines of a batch.
const LINES_MAX: usize = 500;

/// Bytes after which a batch is not made longer: some thousand ordinary orders, so that only long
/// ones are held back.
const BYTES_MAX: u64 = 1 << 20;

/// Batches under way: one is read and verified while another one is written.
const BATCHES: usize = 2;

/// How long an incomplete batch waits for more, so that a slow stream does not wait for its end.
const LINGER: Duration = Duration::from_millis(100);

/// What became of a batch of lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Batch {
    /// Bytes of the lines, line feeds and empty lines included.
    pub bytes: u64,
    /// Lines that are not empty.
    pub lines: u64,
    /// Orders that were not there, and now are, durably.
    pub new: u64,
    /// Orders that were there.
    pub known: u64,
    /// The others, in their order.
    pub bad: Vec<Refused>,
}

/// A line of which nothing became.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// Its number, from 1, empty lines counted.
    pub line: u64,
    /// A stable name of the reason.
    pub code: &'static str,
    /// The reason, for people.
    pub reason: String,
}

impl Orders {
    /// Takes in the orders in `parts`, lines of JSON that are cut anywhere, as the node's own: they
    /// are kept until they end. Tells what became of each batch, when what is good in it is durable.
    ///
    /// # Bounds
    /// Reads on as fast as the batches are taken. Holds at most two of them, each of at most 500
    /// lines and about 1 MiB, and the lines of one part.
    ///
    /// # Errors
    /// Those of `parts`. It ends with the first one; what was told before stays.
    ///
    /// # Cancel safety
    /// When the stream is dropped, batches that were not told may have been taken in.
    pub fn import<E: Send + 'static>(
        &self,
        parts: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    ) -> impl Stream<Item = Result<Batch, E>> + Send + 'static {
        let orders = self.clone();
        let take_in = move |uncounted: Result<Uncounted, E>| {
            let orders = orders.clone();
            async move {
                // On a task of its own: a batch that nobody waits for must not stand in the way of
                // what others store.
                let (mut task, uncounted) = (JoinSet::new(), uncounted?);
                task.spawn(async move { orders.take_in(uncounted).await });
                match task.join_next().await {
                    Some(Ok(batch)) => Ok(batch),
                    Some(Err(error)) => resume_unwind(error.into_panic()),
                    None => Ok(Batch::default()),
                }
            }
        };
        Cutting::batches(parts).map(take_in).buffered(BATCHES)
    }

    async fn take_in(&self, Uncounted { bytes, lines }: Uncounted) -> Batch {
        let count = lines.len() as u64;
        let mut batch = Batch { bytes, lines: count, ..Batch::default() };
        let lines: Arc<[Line]> = lines.into();
        let work = Arc::clone(&lines);
        // A job that panics is a bug; its lines are told like all others.
        let read = self.on_pool(move || work.iter().map(read).collect::<Vec<_>>()).await;
        let read = read.unwrap_or_else(|error| {
            let reason = error.to_string();
            lines.iter().map(|_| Err(("later", reason.clone()))).collect()
        });
        let (mut numbers, mut entries) = (Vec::new(), Vec::new());
        for (line, read) in lines.iter().zip(read) {
            match read {
                Ok(entry) => {
                    numbers.push(line.number);
                    entries.push(entry);
                }
                Err((code, reason)) => batch.bad.push(Refused { line: line.number, code, reason }),
            }
        }
        let admissions = self.shared.intake.admit(entries, Origin::Own).await;
        for (line, admission) in numbers.into_iter().zip(admissions) {
            match admission.outcome {
                Ok(Admitted::New) => batch.new = batch.new.saturating_add(1),
                Ok(Admitted::Known) => batch.known = batch.known.saturating_add(1),
                Err(rejected) => {
                    let (code, reason) = explained(rejected);
                    batch.bad.push(Refused { line, code, reason });
                }
            }
        }
        batch.bad.sort_by_key(|bad| bad.line);
        batch
    }
}

fn read(line: &Line) -> Result<Entry<Order>, (&'static str, String)> {
    let Some(text) = &line.text else {
        return Err(("too_long", format!("more than {LINE_MAX} bytes")));
    };
    Order::read(text).map(Entry::new).map_err(|error| match error {
        OrderError::TooLong { .. } => ("too_long", error.to_string()),
        OrderError::Field { .. } => ("field", error.to_string()),
        OrderError::Syntax { line: 0, column } => ("syntax", format!("not UTF-8 at byte {column}")),
        OrderError::Syntax { column, .. } => {
            ("syntax", format!("not one JSON object: wrong at column {column}"))
        }
    })
}

fn explained(rejected: Rejected) -> (&'static str, String) {
    match rejected {
        Rejected::Invalid { code, detail } | Rejected::Unwanted { code, detail } => (code, detail),
        Rejected::Expired => ("expired", rejected.to_string()),
        Rejected::Full => ("full", rejected.to_string()),
        Rejected::Later { reason } => ("later", reason),
    }
}

/// Lines that are read together.
#[derive(Debug)]
struct Uncounted {
    bytes: u64,
    lines: Vec<Line>,
}

/// The way from parts to batches.
struct Cutting<S> {
    parts: S,
    lines: Lines,
    /// Lines that wait for their batch: those of one part, and of an incomplete batch.
    waiting: VecDeque<Line>,
    /// Bytes of the stream up to the end of the last batch.
    told: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// There may be more parts.
    Open,
    /// There are none; what waits has to go.
    Ended,
    /// Nothing is told any more.
    Done,
}

impl<S, E> Cutting<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    fn batches(parts: S) -> impl Stream<Item = Result<Uncounted, E>> {
        let (lines, waiting) = (Lines::default(), VecDeque::new());
        let cutting = Self { parts, lines, waiting, told: 0, state: State::Open };
        stream::unfold(cutting, async |mut cutting| Some((cutting.next().await?, cutting)))
    }

    async fn next(&mut self) -> Option<Result<Uncounted, E>> {
        while self.state == State::Open {
            if self.is_full() {
                return Some(Ok(self.cut()));
            }
            let next = pin!(self.parts.next());
            let part = if self.waiting.is_empty() {
                next.await
            } else {
                match timeout(LINGER, next).await {
                    Ok(part) => part,
                    Err(_elapsed) => return Some(Ok(self.cut())),
                }
            };
            match part {
                Some(Ok(part)) => self.lines.feed(&part, &mut self.waiting),
                Some(Err(error)) => {
                    self.state = State::Done;
                    return Some(Err(error));
                }
                None => {
                    self.state = State::Ended;
                    self.waiting.extend(self.lines.end());
                }
            }
        }
        if self.state == State::Ended && self.told < self.lines.seen() {
            return Some(Ok(self.cut()));
        }
        None
    }

    fn is_full(&self) -> bool {
        let bytes = self.waiting.back().map_or(0, |last| last.end.saturating_sub(self.told));
        self.waiting.len() >= LINES_MAX || bytes >= BYTES_MAX
    }

    fn cut(&mut self) -> Uncounted {
        let mut lines = Vec::new();
        let mut end = self.told;
        while lines.len() < LINES_MAX && end.saturating_sub(self.told) < BYTES_MAX {
            let Some(line) = self.waiting.pop_front() else { break };
            end = line.end;
            lines.push(line);
        }
        if self.state == State::Ended && self.waiting.is_empty() {
            // Empty lines at the end belong to nobody.
            end = self.lines.seen();
        }
        let bytes = end.saturating_sub(self.told);
        self.told = end;
        Uncounted { bytes, lines }
    }
}
