//! Requests go out, responses come in: which thread they belong to, and what follows.

use super::paging::Pages;
use super::{Asked, Break, Effect, Ended, Requester, Sharing, Stage, Storing, Thread, count};
use crate::binary::ITEMS_MAX;
use crate::message::{
    FirstRequestsForSubprotocols, RawRequest, RawResponse, RequestMetadata, Response,
};
use crate::outcome::Fault;
use crate::subprotocol::{Finding, Reaction};
use crate::{Entry, Filter, Form, ID_V4, Item, Paging, Raw};

impl<I: Item> Requester<I> {
    /// The first request: one name with its bare metadata, or an offer of several.
    pub(super) fn offer(&mut self) {
        let cx = &self.cx;
        let first = |offer: &mut Thread<I>| offer.pursue.first(&offer.range, cx);
        let mut metadata: Vec<_> = self.offers.iter_mut().map(first).collect();
        let metadata = match metadata.pop() {
            Some(bare) if metadata.is_empty() => RequestMetadata::Bare(bare),
            Some(last) => {
                metadata.push(last);
                RequestMetadata::First(FirstRequestsForSubprotocols { metadata })
            }
            None => {
                self.break_off(Ended::Broken(Break::Stopped));
                return self.advance();
            }
        };
        let subprotocols = self.offers.iter().map(|offer| offer.name.clone()).collect();
        let request = RawRequest { subprotocols, metadata, pushed: Vec::new() };
        self.queue.push_back(Asked { thread: 0, depth: 1, pushed: 0, request: Some(request) });
        self.advance();
    }

    pub(super) fn receive(&mut self, response: RawResponse<I>) -> Result<(), Fault> {
        let asked = self.waiting.pop_front().ok_or(Fault::Unasked)?;
        self.tally.responses = self.tally.responses.saturating_add(1);
        self.tally.round_trips = self.tally.round_trips.max(asked.depth);
        self.check_bounds(&response)?;
        let mut thread = self.thread_of(&asked, &response.subprotocol)?;
        thread.open = thread.open.saturating_sub(1);

        let RawResponse { orders, complete, metadata, .. } = response;
        // In the bare envelope nobody is told what is wanted.
        let told = thread.name != ID_V4;
        let orders = self.wanted(orders, told);
        if let Some(pages) = &mut self.pages {
            pages.receive(&orders);
        }
        let response =
            Response { provider_id: self.cx.peer, orders: orders.clone(), complete, metadata };
        let reaction = match thread.pursue.handle(response, &self.cx) {
            Ok(reaction) => reaction,
            Err(fault) => {
                // What it has not brought is known by its thread.
                self.threads.insert(asked.thread, thread);
                return Err(fault);
            }
        };
        if let Some(last) = orders.last().map(|entry| entry.id) {
            self.storing.push_back(Storing {
                thread: asked.thread,
                paging: thread.paging,
                after: thread.seen,
                last,
                orders: count(orders.len()),
            });
            thread.seen = thread.seen.max(last);
            self.effects.push_back(Effect::Admit(orders));
        }
        self.react(&asked, thread, reaction, complete);
        Ok(())
    }

    fn check_bounds(&mut self, response: &RawResponse<I>) -> Result<(), Fault> {
        let max = self.cx.page.saturating_mul(self.limits.pages_max).max(ITEMS_MAX);
        let orders = response.orders.len().saturating_add(response.malformed.len());
        if orders > max {
            return Err(Fault::PageTooLong { orders, max });
        }
        let max = self.limits.responses_max;
        if self.tally.responses > max {
            return Err(Fault::TooMuch { what: "responses", max });
        }
        self.tally.malformed = self.tally.malformed.saturating_add(count(response.malformed.len()));
        let max = self.limits.malformed_max;
        if self.tally.malformed > max {
            return Err(Fault::TooMuch { what: "malformed orders", max });
        }
        Ok(())
    }

    /// The thread that asked, taken out; of the first request, the one that the provider picked.
    fn thread_of(&mut self, asked: &Asked<I>, name: &str) -> Result<Thread<I>, Fault> {
        if self.stage == Stage::Offering {
            let offers = std::mem::take(&mut self.offers);
            let mut picked = offers.into_iter().filter(|offer| offer.name == name);
            let picked = picked.next().ok_or_else(|| not_offered(name))?;
            self.stage = Stage::Talking;
            return Ok(Thread { open: 1, ..picked });
        }
        let thread = self.threads.get(&asked.thread).ok_or(Fault::Unasked)?;
        if thread.name != name {
            // What it has not brought is known by its thread.
            return Err(not_offered(name));
        }
        self.threads.remove(&asked.thread).ok_or(Fault::Unasked)
    }

    /// What the filter wants of what came. A provider that sends anything else is at fault, and
    /// loses only that. It is told once: an engine that reads one schema otherwise than ours sends one
    /// such order on every page, with nothing forged.
    fn wanted(&mut self, orders: Vec<Entry<I>>, told: bool) -> Vec<Entry<I>> {
        let before = orders.len();
        let filter = &self.cx.filter;
        let wanted: Vec<_> =
            orders.into_iter().filter(|entry| filter.matches(&entry.item)).collect();
        let unwanted = before.saturating_sub(wanted.len());
        let first = self.tally.unmatched == 0;
        self.tally.unmatched = self.tally.unmatched.saturating_add(count(unwanted));
        if unwanted > 0 && first && told {
            self.effects.push_back(Effect::Report(Fault::Unwanted { orders: unwanted }));
        }
        wanted
    }

    fn react(
        &mut self,
        asked: &Asked<I>,
        mut thread: Thread<I>,
        reaction: Reaction<I, Raw>,
        complete: bool,
    ) {
        self.tally.valid = self.tally.valid.saturating_add(count(reaction.valid));
        // In the JSON envelope nothing is answered after a complete response.
        let goes_on = !(complete && self.cx.form == Form::Json);
        let may_share = self.sharing == Sharing::May && thread.paging == Paging::Ranges;
        if may_share && asked.thread == 0 && goes_on && reaction.finding == Finding::Open {
            return self.share(thread, asked.depth, reaction.valid);
        }
        let unsaid = !reaction.next.is_empty() || !self.queue.is_empty();
        if unsaid && !goes_on {
            // There was more to be asked, and nobody answers any more.
            self.queue.clear();
            self.ended = Ended::Incomplete { missing: 0 };
            return;
        }
        if goes_on {
            thread.open = thread.open.saturating_add(reaction.next.len());
            for next in reaction.next {
                let pushed = count(next.push.len());
                self.tally.pushed = self.tally.pushed.saturating_add(pushed);
                let request = RawRequest {
                    subprotocols: vec![thread.name.clone()],
                    metadata: RequestMetadata::Bare(next.metadata),
                    pushed: next.push,
                };
                let depth = asked.depth.saturating_add(1);
                let thread = asked.thread;
                self.queue.push_back(Asked { thread, depth, pushed, request: Some(request) });
            }
        }
        self.found(asked, thread, &reaction.finding, goes_on);
    }

    fn found(&mut self, asked: &Asked<I>, thread: Thread<I>, finding: &Finding, goes_on: bool) {
        if *finding == Finding::Agreed {
            let kept = thread.pursue.left().kept;
            self.tally.kept = self.tally.kept.saturating_add(kept);
        }
        match finding {
            Finding::Open if thread.open > 0 && goes_on => {
                self.threads.insert(asked.thread, thread);
            }
            // Without a next request it is over, whatever the provider says of it.
            Finding::Open | Finding::Through => self.through(&thread, asked.depth, goes_on),
            Finding::Agreed => self.ended = Ended::Agreed,
            Finding::Page { summary } if summary.count == 0 => self.ended = Ended::Agreed,
            Finding::Page { summary } if goes_on => {
                self.pages = Some(Pages::of(*summary));
                self.page(thread, asked.depth);
            }
            Finding::Mismatch { missing } if goes_on => {
                self.disagree(thread, *missing, asked.depth);
            }
            Finding::Page { .. } => self.ended = Ended::Incomplete { missing: 0 },
            Finding::Mismatch { missing } => self.ended = Ended::Incomplete { missing: *missing },
        }
    }

    /// Sends what may be sent, and ends when there is nothing left to do.
    pub(super) fn advance(&mut self) {
        while self.stage != Stage::Ended
            && self.waiting.len() < self.window()
            && self.storing.len() < self.limits.admitting_max
        {
            let Some(mut asked) = self.queue.pop_front() else { break };
            let Some(request) = asked.request.take() else { break };
            self.tally.requests = self.tally.requests.saturating_add(1);
            self.effects.push_back(Effect::Send(request));
            self.waiting.push_back(asked);
        }
        let silent = self.waiting.is_empty() && self.queue.is_empty() && self.taking == 0;
        let talking = matches!(self.stage, Stage::Talking | Stage::Giving);
        if talking && silent && self.threads.is_empty() {
            if self.proving.is_some() || self.pages.is_some() {
                return self.prove();
            }
            self.stage = Stage::Settling;
        }
        if matches!(self.stage, Stage::Settling | Stage::Ending) && self.storing.is_empty() {
            self.end();
        }
    }
}

fn not_offered(name: &str) -> Fault {
    Fault::NotOffered { name: name.chars().take(128).collect() }
}
