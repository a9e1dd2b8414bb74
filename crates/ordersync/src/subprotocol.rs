//! What a subprotocol is: how two peers that agreed on a name bring their items together.

use std::sync::Arc;

use machine::PeerId;
use reconcile::Summary;

use crate::intake::Admission;
use crate::message::{RawResponse, Request, Response};
use crate::outcome::{Fault, Refusal};
use crate::range::Range;
use crate::{BadMetadata, Book, Entry, Filter, Form, Item, Leave, Metadata, Raw};

/// What both sides know of a session.
#[derive(Debug)]
pub struct Context<I: Item> {
    /// This node's items.
    pub book: Arc<Book<I>>,
    /// Who is at the other end.
    pub peer: PeerId,
    /// The form of metadata on this session's envelope.
    pub form: Form,
    /// What the requester wants. A provider takes its requester's filter from the metadata.
    pub filter: I::Filter,
    /// Most items in one response, or in one push.
    pub page: usize,
    /// Randomness of this session: nobody else knows it before it is sent.
    pub secret: [u8; 32],
    /// Whether a requester may have this provider go through its book for it, a look more.
    pub scans: Leave,
    /// Whether a requester gives away what the provider lacks.
    pub push: bool,
}

impl<I: Item> Context<I> {
    /// The requester's filter in the form of the envelope.
    pub fn filter_raw(&self) -> Raw {
        match self.form {
            Form::Json => Raw::Json(self.filter.to_json()),
            Form::Binary => Raw::Binary(self.filter.to_bytes().into()),
        }
    }

    /// What a requester's filter means in this session, which may be about some kinds of items only.
    #[must_use]
    pub fn asked(&self, filter: I::Filter) -> I::Filter {
        filter.narrowed_to(&self.filter)
    }

    /// Reads a filter that a requester sent.
    ///
    /// # Errors
    /// [`BadMetadata`].
    pub fn read_filter(&self, raw: &Raw) -> Result<I::Filter, BadMetadata> {
        let filter = match raw {
            Raw::Json(text) => I::Filter::from_json(text),
            Raw::Binary(bytes) => I::Filter::from_bytes(bytes),
        };
        Ok(self.asked(filter?))
    }
}

/// A subprotocol: its name, what a provider answers, and what a requester makes of it.
///
/// The envelope decides when there is a turn, bounds it, filters and stores what came, and computes
/// ids; a subprotocol is the pure part in between. What a side has to remember between the turns of
/// one session is its [`Service`](Self::Service) or its [`Pursuit`](Self::Pursuit).
pub trait Subprotocol<I: Item>: Send + Sync + 'static {
    /// What a request says beside its name.
    type RequestMetadata: Metadata;
    /// What a response says beside its items.
    type ResponseMetadata: Metadata;
    /// What a provider remembers between the requests of one session.
    type Service: Default + Send;
    /// What a requester remembers between the responses of one session.
    type Pursuit: Default + Send;

    /// Its name. Unique among those of a service.
    fn name(&self) -> &str;

    /// Whether it is offered in envelopes of this form. Default: in all.
    fn speaks(&self, _form: Form) -> bool {
        true
    }

    /// Which part of a provider's items it can go through by itself. Default: it compares them all.
    fn paging(&self) -> Paging {
        Paging::None
    }

    /// Reads the metadata of a request.
    ///
    /// # Errors
    /// [`BadMetadata`].
    fn parse_request_metadata(&self, raw: &Raw) -> Result<Self::RequestMetadata, BadMetadata> {
        Metadata::from_raw(raw)
    }

    /// Reads the metadata of a response.
    ///
    /// # Errors
    /// [`BadMetadata`].
    fn parse_response_metadata(&self, raw: &Raw) -> Result<Self::ResponseMetadata, BadMetadata> {
        Metadata::from_raw(raw)
    }

    /// The metadata of the first request that a requester makes for `range` of the ids.
    fn first_request_metadata(
        &self,
        pursuit: &mut Self::Pursuit,
        range: &Range,
        cx: &Context<I>,
    ) -> Self::RequestMetadata;

    /// The provider's side: does a part of what it takes to answer a request, of some 50 ms at most,
    /// and says whether that was all. Called with one request until it was; then comes
    /// [`handle_request`](Self::handle_request) with the same one, which does by itself whatever was
    /// not done here. Default: there is nothing to do beforehand.
    ///
    /// # Errors
    /// [`Refusal`], which ends the session.
    fn prepare(
        &self,
        _metadata: &Self::RequestMetadata,
        _service: &mut Self::Service,
        _cx: &Context<I>,
    ) -> Result<bool, Refusal> {
        Ok(true)
    }

    /// The provider's side: answers one request.
    ///
    /// # Errors
    /// [`Refusal`], which ends the session.
    fn handle_request(
        &self,
        request: Request<Self::RequestMetadata>,
        service: &mut Self::Service,
        cx: &Context<I>,
    ) -> Result<Response<I, Self::ResponseMetadata>, Refusal>;

    /// The requester's side: what a response leads to. What it brought is being stored meanwhile.
    ///
    /// # Errors
    /// [`Fault`], which ends the session.
    fn handle_response(
        &self,
        response: &Response<I, Self::ResponseMetadata>,
        pursuit: &mut Self::Pursuit,
        cx: &Context<I>,
    ) -> Result<Reaction<I, Self::RequestMetadata>, Fault>;

    /// What is known to be left to do, wherever a session ends. Default: nothing.
    fn left(&self, _pursuit: &Self::Pursuit) -> Left {
        Left::default()
    }
}

/// Which part of a provider's items a subprotocol goes through by itself.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Paging {
    /// It does not page: it compares.
    #[default]
    None,
    /// All of them, in an order of the provider's.
    Whole,
    /// Any range of the ids.
    Ranges,
}

/// What a requester knows to be left to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Left {
    /// Items that only the provider has, and that have not come.
    pub missing: u64,
    /// Items that the provider lacks, and that are not given to it in this session.
    pub kept: u64,
}

/// What a response leads to.
#[derive(Debug)]
pub struct Reaction<I, M> {
    /// Requests to make next. An envelope without pipelining makes them one after the other.
    pub next: Vec<Next<I, M>>,
    /// How many orders of the response count as received.
    pub valid: usize,
    /// What the requester knows now.
    pub finding: Finding,
}

/// A request to make.
#[derive(Debug)]
pub struct Next<I, M> {
    /// What for.
    pub metadata: M,
    /// Items to give away with it.
    pub push: Vec<Entry<I>>,
}

/// What a requester has found out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Finding {
    /// Nothing that ends anything: it goes on while requests are open.
    #[default]
    Open,
    /// This range of the ids is through: everything that the provider has there was handed over.
    /// That is what the provider says; it is not proven.
    Through,
    /// The digests agree: this node knows everything that the provider has.
    Agreed,
    /// Too much differs for this subprotocol: paging is cheaper.
    Page {
        /// Of what the provider holds, as it says.
        summary: Summary,
    },
    /// What was received does not add up to what the provider has. A new attempt may.
    Mismatch {
        /// Items that are known to be missing still; 0 if it is not known.
        missing: u64,
    },
}

/// The provider's side of one session of one subprotocol, its types erased. Of each request it hears
/// the three in this order.
pub(crate) trait Serve<I: Item>: Send {
    /// Reads the metadata of the next request.
    fn read(&mut self, raw: &Raw) -> Result<(), BadMetadata>;

    /// Does a job's worth of what it takes to answer it; whether that was all.
    fn prepare(&mut self, cx: &Context<I>) -> Result<bool, Refusal>;

    /// Answers it.
    fn answer(
        &mut self,
        pushed: Vec<Admission>,
        cx: &Context<I>,
    ) -> Result<RawResponse<I>, Refusal>;
}

/// The requester's side of one session of one subprotocol, its types erased.
pub(crate) trait Pursue<I: Item>: Send {
    fn first(&mut self, range: &Range, cx: &Context<I>) -> Raw;

    fn handle(
        &mut self,
        response: Response<I, Raw>,
        cx: &Context<I>,
    ) -> Result<Reaction<I, Raw>, Fault>;

    fn left(&self) -> Left;
}

/// A subprotocol, its types erased.
pub(crate) trait AnySubprotocol<I: Item>: Send + Sync {
    fn name(&self) -> &str;
    fn speaks(&self, form: Form) -> bool;
    fn paging(&self) -> Paging;
    fn serve(self: Arc<Self>) -> Box<dyn Serve<I>>;
    fn pursue(self: Arc<Self>) -> Box<dyn Pursue<I>>;
}

impl<I: Item, S: Subprotocol<I>> AnySubprotocol<I> for S {
    fn name(&self) -> &str {
        Subprotocol::name(self)
    }

    fn speaks(&self, form: Form) -> bool {
        Subprotocol::speaks(self, form)
    }

    fn paging(&self) -> Paging {
        Subprotocol::paging(self)
    }

    fn serve(self: Arc<Self>) -> Box<dyn Serve<I>> {
        Box::new(Serving::<I, S> { subprotocol: self, service: S::Service::default(), asked: None })
    }

    fn pursue(self: Arc<Self>) -> Box<dyn Pursue<I>> {
        Box::new(Pursuing { subprotocol: self, pursuit: S::Pursuit::default() })
    }
}

struct Serving<I: Item, S: Subprotocol<I>> {
    subprotocol: Arc<S>,
    service: S::Service,
    asked: Option<S::RequestMetadata>,
}

impl<I: Item, S: Subprotocol<I>> Serve<I> for Serving<I, S> {
    fn read(&mut self, raw: &Raw) -> Result<(), BadMetadata> {
        self.asked = Some(self.subprotocol.parse_request_metadata(raw)?);
        Ok(())
    }

    fn prepare(&mut self, cx: &Context<I>) -> Result<bool, Refusal> {
        let Some(metadata) = &self.asked else { return Ok(true) };
        self.subprotocol.prepare(metadata, &mut self.service, cx)
    }

    fn answer(
        &mut self,
        pushed: Vec<Admission>,
        cx: &Context<I>,
    ) -> Result<RawResponse<I>, Refusal> {
        let metadata = self.asked.take().ok_or(Refusal::Unavailable { what: "a request" })?;
        let request = Request { requester_id: cx.peer, metadata, pushed };
        let response = self.subprotocol.handle_request(request, &mut self.service, cx)?;
        Ok(RawResponse {
            subprotocol: self.subprotocol.name().to_owned(),
            orders: response.orders,
            malformed: Vec::new(),
            complete: response.complete,
            metadata: response.metadata.to_raw(cx.form),
        })
    }
}

struct Pursuing<S, T> {
    subprotocol: Arc<S>,
    pursuit: T,
}

impl<I: Item, S: Subprotocol<I>> Pursue<I> for Pursuing<S, S::Pursuit> {
    fn first(&mut self, range: &Range, cx: &Context<I>) -> Raw {
        self.subprotocol.first_request_metadata(&mut self.pursuit, range, cx).to_raw(cx.form)
    }

    fn handle(
        &mut self,
        response: Response<I, Raw>,
        cx: &Context<I>,
    ) -> Result<Reaction<I, Raw>, Fault> {
        let Response { provider_id, orders, complete, metadata } = response;
        let metadata = self.subprotocol.parse_response_metadata(&metadata)?;
        let response = Response { provider_id, orders, complete, metadata };
        let reaction = self.subprotocol.handle_response(&response, &mut self.pursuit, cx)?;
        let raw = |next: Next<I, _>| Next {
            metadata: Metadata::to_raw(&next.metadata, cx.form),
            push: next.push,
        };
        Ok(Reaction {
            next: reaction.next.into_iter().map(raw).collect(),
            valid: reaction.valid,
            finding: reaction.finding,
        })
    }

    fn left(&self) -> Left {
        self.subprotocol.left(&self.pursuit)
    }
}
