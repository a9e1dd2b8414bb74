//! Rows that are not written yet.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use super::entry::{Entry, Key};
use super::row::SeenRow;

/// Rows that are not written yet, if anybody writes them.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// `None` if nobody does.
    rows: Option<VecDeque<SeenRow>>,
    max: usize,
    /// Woken when there is one.
    writer: Option<Waker>,
}

impl Unwritten {
    /// For nobody, until they are [kept](Self::keep).
    pub(super) fn new(max: usize) -> Self {
        Self { rows: None, max, writer: None }
    }

    pub(super) fn keep(&mut self) {
        self.rows = Some(VecDeque::new());
    }

    pub(super) fn push(&mut self, key: Key, entry: &Entry) {
        if let Some(rows) = &mut self.rows {
            rows.push_back(SeenRow::new(key, entry));
            self.wake();
        }
    }

    pub(super) fn take(&mut self, max: usize) -> Vec<SeenRow> {
        let Some(rows) = &mut self.rows else { return Vec::new() };
        let len = rows.len().min(max);
        rows.drain(..len).collect()
    }

    /// Takes rows back that could not be written.
    pub(super) fn give_back(&mut self, back: Vec<SeenRow>) {
        if let Some(rows) = &mut self.rows {
            back.into_iter().rev().for_each(|row| rows.push_front(row));
            self.wake();
        }
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.len() > 0 {
            return Poll::Ready(());
        }
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn len(&self) -> usize {
        self.rows.as_ref().map_or(0, VecDeque::len)
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.len() >= self.max)
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}
