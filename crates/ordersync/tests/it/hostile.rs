//! Peers that mean no good: each session ends with a typed reason after a bounded number of
//! messages, nothing that is held gets lost, and nobody believes a lie that can be refuted.

mod busy;
mod kept;
mod providers;
mod requesters;
mod resuming;
mod streams;

use std::collections::VecDeque;

use bytes::Bytes;
use meshwork_ordersync::requester::{self, Break, Outcome};
use meshwork_ordersync::riblt::{self, Head, RibltRequest, RibltResponse};
use meshwork_ordersync::{
    Entry, Fault, Form, ItemId, Leave, Metadata as _, Provider, Range, Raw, RawRequest,
    RawResponse, RequestMetadata, Requester, paging, provider,
};

use crate::pair::{Script, Side, honest, subprotocols};
use crate::sample::{Note, Prefix};

/// What came of a session with a hostile provider.
struct Siege {
    outcome: Outcome,
    /// What the provider was blamed for on the way.
    reports: Vec<Fault>,
    requests: usize,
    pushed: usize,
    /// What came in answers with which there was nothing wrong.
    came: Vec<Entry<Note>>,
}

/// How the requester is.
#[derive(Clone)]
struct Manner {
    form: Form,
    limits: requester::Limits,
    filter: Prefix,
}

impl Manner {
    fn of(form: Form) -> Self {
        Self { form, limits: requester::Limits::default(), filter: Prefix::default() }
    }

    fn context(&self, side: &Side) -> meshwork_ordersync::Context<Note> {
        let mut pass = honest;
        let cx = side.context(&Script {
            form: self.form,
            page: 50,
            window: 8,
            push: true,
            secret: [3; 32],
            scans: true,
            tamper: &mut pass,
        });
        meshwork_ordersync::Context { filter: self.filter.clone(), ..cx }
    }

    /// Runs one session of `side` with whoever answers, who may say several things or nothing. Nothing
    /// is stored while there is anything else to do, and what is not stored when the session ends is
    /// lost.
    fn siege(
        &self,
        side: &Side,
        answer: &mut dyn FnMut(&RawRequest<Note>) -> Vec<RawResponse<Note>>,
    ) -> Siege {
        let cx = self.context(side);
        let mut core = Requester::start(subprotocols(self.form), self.limits, cx);
        let mut ranges: VecDeque<Range> = Range::shards(4).into();
        let (mut reports, mut requests, mut pushed) = (Vec::new(), 0, 0);
        let (mut came, mut storing) = (Vec::new(), VecDeque::new());
        loop {
            match core.poll_effect() {
                Some(requester::Effect::Send(request)) => {
                    requests += 1;
                    pushed += request.pushed.len();
                    let answers = answer(&request);
                    if answers.is_empty() {
                        core.handle(requester::Input::Broken(Break::Closed));
                    }
                    for response in answers {
                        let orders = response.orders.clone();
                        core.handle(requester::Input::Received(response));
                        if !core.is_ending() {
                            came.extend(orders);
                        }
                    }
                }
                Some(requester::Effect::Admit(entries)) => storing.push_back(entries),
                Some(requester::Effect::TakeRange) => {
                    core.handle(requester::Input::Range(ranges.pop_front()));
                }
                Some(requester::Effect::GiveBack(range)) => ranges.push_back(range),
                Some(requester::Effect::RangeDone(_)) => {}
                Some(requester::Effect::Report(fault)) => reports.push(fault),
                Some(requester::Effect::End(outcome)) => {
                    return Siege { outcome, reports, requests, pushed, came };
                }
                None => {
                    let Some(entries) = storing.pop_front() else {
                        panic!("nothing to do, and no end: {core:?}")
                    };
                    core.handle(requester::Input::Admitted(side.admit(entries)));
                }
            }
        }
    }
}

/// An honest provider on a lead.
struct Puppet {
    core: Provider<Note>,
    side: Side,
    form: Form,
}

impl Puppet {
    fn new(form: Form, notes: impl IntoIterator<Item = u32>) -> Self {
        let side = Side::new(2, notes);
        side.rotate(5);
        Self::of(form, side, Leave::fixed(true), provider::Limits::default())
    }

    fn of(form: Form, side: Side, scans: Leave, limits: provider::Limits) -> Self {
        let mut cx = Manner::of(form).context(&side);
        cx.scans = scans;
        Self { core: Provider::new(subprotocols(form), limits, cx), side, form }
    }

    /// What it does with a request.
    fn effects(&mut self, request: RawRequest<Note>) -> Vec<provider::Effect<Note>> {
        let mut effects = Vec::new();
        self.core.handle(provider::Input::Received(request));
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                provider::Effect::Admit(entries) => {
                    let outcomes = self.side.admit(entries);
                    self.core.handle(provider::Input::Admitted(outcomes));
                }
                other => effects.push(other),
            }
        }
        effects
    }

    /// What it answers, if it does.
    fn answers(&mut self, request: &RawRequest<Note>) -> Vec<RawResponse<Note>> {
        let answer = |effect| match effect {
            provider::Effect::Respond(response) => Some(response),
            _ => None,
        };
        self.effects(request.clone()).into_iter().filter_map(answer).collect()
    }

    /// A request in one subprotocol.
    fn request(&self, name: &str, metadata: Raw) -> RawRequest<Note> {
        assert_eq!(metadata.form(), self.form);
        bare(name, metadata)
    }

    /// A request in the subprotocol of reconciliation.
    fn riblt(&self, request: &RibltRequest) -> RawRequest<Note> {
        bare(riblt::NAME, request.to_raw(self.form))
    }
}

fn bare(name: &str, metadata: Raw) -> RawRequest<Note> {
    let metadata = RequestMetadata::Bare(metadata);
    RawRequest { subprotocols: vec![name.to_owned()], metadata, pushed: Vec::new() }
}

/// What a request asks in the subprotocol of reconciliation, if it does.
fn asked(request: &RawRequest<Note>) -> Option<RibltRequest> {
    let metadata = match &request.metadata {
        RequestMetadata::Bare(raw) => raw,
        RequestMetadata::First(first) => first.metadata.first()?,
    };
    let is_riblt = request.subprotocols.first().is_some_and(|name| name == riblt::NAME);
    is_riblt.then(|| RibltRequest::from_raw(metadata).unwrap())
}

/// What a request asks in the subprotocol of pages, if it does: above which id.
fn asked_page(request: &RawRequest<Note>) -> Option<ItemId> {
    let RequestMetadata::Bare(raw) = &request.metadata else { return None };
    let is_page = request.subprotocols == [paging::V1::NAME];
    is_page.then(|| paging::V1Request::<Note>::from_raw(raw).unwrap().after)
}

fn response(
    name: &str,
    orders: Vec<Entry<Note>>,
    complete: bool,
    metadata: Raw,
) -> Vec<RawResponse<Note>> {
    let malformed = Vec::new();
    vec![RawResponse { subprotocol: name.to_owned(), orders, malformed, complete, metadata }]
}

/// What a provider says in the subprotocol of reconciliation.
fn says(form: Form, metadata: &RibltResponse) -> Vec<RawResponse<Note>> {
    response(riblt::NAME, Vec::new(), false, metadata.to_raw(form))
}

/// A page that ends at `next`.
fn page(form: Form, orders: Vec<Entry<Note>>, next: ItemId) -> Vec<RawResponse<Note>> {
    response(paging::V1::NAME, orders, false, paging::V1Response { next }.to_raw(form))
}

/// Makes of each block that a provider sends another one.
fn with_blocks(
    responses: Vec<RawResponse<Note>>,
    change: impl Fn(Option<Head>, usize, Bytes) -> RibltResponse,
) -> Vec<RawResponse<Note>> {
    let change = |mut response: RawResponse<Note>| {
        let metadata = RibltResponse::from_raw(&response.metadata);
        if let (true, Ok(RibltResponse::Block { head, cells, packed })) =
            (response.subprotocol == riblt::NAME, metadata)
        {
            let form = response.metadata.form();
            response.metadata = change(head, cells, packed).to_raw(form);
        }
        response
    };
    responses.into_iter().map(change).collect()
}
