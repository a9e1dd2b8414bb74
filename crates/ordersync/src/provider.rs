//! The provider's side of one session: answers requests, one after the other.

use std::collections::VecDeque;

use crate::intake::{Admission, Rejected};
use crate::message::{RawRequest, RawResponse};
use crate::outcome::{Fault, Refusal};
use crate::subprotocol::{Context, Serve};
use crate::{Entry, Form, Item, Raw, Subprotocols};

/// What one session may have of a provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Requests. Default 16,384: pages for eight million items.
    pub requests_max: u64,
    /// Items taken from the requester. Default 10,000.
    pub pushed_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_max: 16_384, pushed_max: 10_000 }
    }
}

/// What happened to a provider.
#[derive(Debug)]
pub enum Input<I> {
    /// The requester asks.
    Received(RawRequest<I>),
    /// What became of the items of [`Effect::Admit`].
    Admitted(Vec<Admission>),
}

/// What a provider wants done.
#[derive(Debug)]
pub enum Effect<I> {
    /// Check and store these; answered by [`Input::Admitted`].
    Admit(Vec<Entry<I>>),
    /// The requester is at fault. The session goes on unless it ends as well.
    Report(Fault),
    /// Answer the oldest request that has no answer.
    Respond(RawResponse<I>),
    /// Let go of the session: everything was said, or there is a reason not to go on.
    End(Result<(), Refusal>),
}

/// What a provider did in a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Requests that were answered.
    pub requests: u64,
    /// Items given away.
    pub orders: u64,
    /// Items offered by the requester.
    pub pushed: u64,
}

/// The provider's side of one session.
pub struct Provider<I: Item> {
    subprotocols: Subprotocols<I>,
    limits: Limits,
    cx: Context<I>,
    /// The subprotocol of the last request, and what it remembers.
    serving: Option<(String, Box<dyn Serve<I>>)>,
    /// Requests that wait for the one before them; the first waits for its pushed items.
    waiting: VecDeque<Asked<I>>,
    admitting: bool,
    /// What became of the pushed items of the request that is being answered, while that takes more
    /// than one job.
    answering: Option<Vec<Admission>>,
    tally: Tally,
    ended: bool,
    effects: VecDeque<Effect<I>>,
}

/// A request that was agreed on.
struct Asked<I> {
    name: String,
    metadata: Raw,
    pushed: Vec<Entry<I>>,
}

impl<I: Item> Provider<I> {
    /// A session that has just begun.
    pub fn new(subprotocols: Subprotocols<I>, limits: Limits, cx: Context<I>) -> Self {
        Self {
            subprotocols,
            limits,
            cx,
            serving: None,
            waiting: VecDeque::new(),
            admitting: false,
            answering: None,
            tally: Tally::default(),
            ended: false,
            effects: VecDeque::new(),
        }
    }

    /// Applies one input, whatever it takes. May compute for as long as it takes to look at every item
    /// once: who shares a pool with others calls [`begin`](Self::begin).
    pub fn handle(&mut self, input: Input<I>) {
        let mut more = self.begin(input);
        while more {
            more = self.go_on();
        }
    }

    /// Applies one input as far as one job may go, some 50 ms; whether there is more to do, for which
    /// [`go_on`](Self::go_on) is to be called before anything else.
    pub fn begin(&mut self, input: Input<I>) -> bool {
        self.apply(|provider| match input {
            Input::Received(request) => provider.receive(request),
            Input::Admitted(outcomes) => provider.admitted(outcomes),
        })
    }

    /// Another job's worth; whether there is more to do.
    pub fn go_on(&mut self) -> bool {
        self.apply(|_| Ok(()))
    }

    fn apply(&mut self, act: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> bool {
        if self.ended {
            return false;
        }
        if let Err(refusal) = act(self).and_then(|()| self.advance()) {
            self.end(Err(refusal));
        }
        self.answering.is_some()
    }

    /// What there is to do next.
    pub fn poll_effect(&mut self) -> Option<Effect<I>> {
        self.effects.pop_front()
    }

    /// What was done so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    fn receive(&mut self, request: RawRequest<I>) -> Result<(), Refusal> {
        let (name, index) = self.subprotocols.matching_subprotocol(&request)?;
        self.tally.requests = self.tally.requests.saturating_add(1);
        let pushed = u64::try_from(request.pushed.len()).unwrap_or(u64::MAX);
        self.tally.pushed = self.tally.pushed.saturating_add(pushed);
        within("number of requests", self.tally.requests, self.limits.requests_max)?;
        within("number of pushed orders", self.tally.pushed, self.limits.pushed_max)?;
        let metadata = request.metadata.of(index).ok_or_else(|| {
            crate::BadMetadata::new("metadata", "is missing for this subprotocol")
        })?;
        self.waiting.push_back(Asked { name, metadata, pushed: request.pushed });
        Ok(())
    }

    /// Answers what can be answered, in order, as far as one job may go.
    fn advance(&mut self) -> Result<(), Refusal> {
        while !self.admitting && !self.ended {
            if self.answering.is_some() {
                if !self.prepare()? {
                    return Ok(());
                }
                self.answer()?;
                continue;
            }
            let Some(first) = self.waiting.front_mut() else { return Ok(()) };
            let pushed = std::mem::take(&mut first.pushed);
            if !pushed.is_empty() {
                self.admitting = true;
                self.effects.push_back(Effect::Admit(pushed));
                return Ok(());
            }
            self.take_up(Vec::new())?;
        }
        Ok(())
    }

    fn admitted(&mut self, outcomes: Vec<Admission>) -> Result<(), Refusal> {
        if !std::mem::take(&mut self.admitting) {
            return Ok(());
        }
        let invalid =
            |admission: &&Admission| matches!(admission.outcome, Err(Rejected::Invalid { .. }));
        let orders = outcomes.iter().filter(invalid).count();
        if orders > 0 {
            self.effects.push_back(Effect::Report(Fault::Invalid { orders }));
        }
        self.take_up(outcomes)
    }

    /// Begins with the request that waits first.
    fn take_up(&mut self, pushed: Vec<Admission>) -> Result<(), Refusal> {
        let Some(Asked { name, metadata, .. }) = self.waiting.pop_front() else { return Ok(()) };
        if self.serving.as_ref().is_none_or(|(serving, _)| *serving != name) {
            let found = self.subprotocols.get(&name);
            let subprotocol = found.ok_or(Refusal::Unavailable { what: "the subprotocol" })?;
            self.serving = Some((name, subprotocol.serve()));
        }
        if let Some((_, serving)) = &mut self.serving {
            serving.read(&metadata)?;
            self.answering = Some(pushed);
        }
        Ok(())
    }

    fn prepare(&mut self) -> Result<bool, Refusal> {
        match &mut self.serving {
            Some((_, serving)) => serving.prepare(&self.cx),
            None => Ok(true),
        }
    }

    fn answer(&mut self) -> Result<(), Refusal> {
        let pushed = self.answering.take().unwrap_or_default();
        let Some((_, serving)) = &mut self.serving else { return Ok(()) };
        let response = serving.answer(pushed, &self.cx)?;
        let given = u64::try_from(response.orders.len()).unwrap_or(u64::MAX);
        self.tally.orders = self.tally.orders.saturating_add(given);
        let complete = response.complete;
        self.effects.push_back(Effect::Respond(response));
        // In the JSON envelope a complete response is the last word; in ours, the requester's is.
        if complete && self.cx.form == Form::Json {
            self.end(Ok(()));
        }
        Ok(())
    }

    fn end(&mut self, why: Result<(), Refusal>) {
        self.ended = true;
        self.answering = None;
        self.waiting.clear();
        self.effects.push_back(Effect::End(why));
    }
}

fn within(what: &'static str, wanted: u64, max: u64) -> Result<(), Refusal> {
    if wanted > max { Err(Refusal::TooMuch { what, wanted, max }) } else { Ok(()) }
}

impl<I: Item> std::fmt::Debug for Provider<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("serving", &self.serving.as_ref().map(|(name, _)| name))
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}
