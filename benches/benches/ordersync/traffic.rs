//! The bytes of a session, by what they are for.

use std::ops::AddAssign;

use bytes::{Bytes, BytesMut};
use ordersync::binary::{Frame, Packed, Serial};
use ordersync::json::Envelope;
use ordersync::riblt::{self, RibltRequest, RibltResponse};
use ordersync::zeroex::Order;
use ordersync::{Entry, Form, Item, Metadata, Raw, RawRequest, RawResponse, RequestMetadata};

use crate::Failure;

/// Bytes of one session or several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// All that the requester sends.
    pub(crate) up: usize,
    /// All that the provider sends.
    pub(crate) down: usize,
    /// Of both: encoded orders; known of the binary envelope alone, as are those that follow.
    pub(crate) orders: usize,
    /// How many orders these are.
    pub(crate) carried: usize,
    /// Of both: packed cells.
    pub(crate) cells: usize,
    /// Of both: which orders are asked for.
    pub(crate) wanted: usize,
}

impl Traffic {
    pub(crate) fn total(&self) -> usize {
        self.up + self.down
    }

    /// All but the encoded orders.
    pub(crate) fn beside(&self) -> usize {
        self.total() - self.orders
    }

    /// What is left: names, numbers, digests, estimators, keys, lengths.
    pub(crate) fn envelope(&self) -> usize {
        self.beside() - self.cells - self.wanted
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.up += other.up;
        self.down += other.down;
        self.orders += other.orders;
        self.carried += other.carried;
        self.cells += other.cells;
        self.wanted += other.wanted;
    }
}

/// One substream: messages become bytes, are counted, and become messages again.
pub(crate) struct Line {
    form: Form,
    asked: Serial,
    answered: Serial,
    pub(crate) traffic: Traffic,
}

impl Line {
    pub(crate) fn new(form: Form) -> Self {
        let traffic = Traffic::default();
        Self { form, asked: Serial::new(), answered: Serial::new(), traffic }
    }

    /// The bytes of a request, and how many of its orders stay behind.
    pub(crate) fn ask(&mut self, request: RawRequest<Order>) -> Result<(Bytes, usize), Failure> {
        let Form::Binary = self.form else {
            let text = Envelope::Negotiated.encode_request(&request)? + "\n";
            self.traffic.up += text.len();
            return Ok((text.into(), 0));
        };
        if let RequestMetadata::Bare(raw) = &request.metadata
            && request.subprotocols.iter().any(|name| name == riblt::NAME)
            && let RibltRequest::Fetch { .. } = RibltRequest::from_raw(raw)?
        {
            self.traffic.wanted += length(raw);
        }
        let pushed = request.pushed.clone();
        let id = self.asked.issue().ok_or("no more numbers")?;
        let pack = Frame::Request { id, request }.pack()?;
        self.carry(&pushed, pack.taken);
        let bytes = prefixed(&pack.frame)?;
        self.traffic.up += bytes.len();
        Ok((bytes, pushed.len() - pack.taken))
    }

    /// The bytes of a response.
    pub(crate) fn answer(&mut self, response: RawResponse<Order>) -> Result<Bytes, Failure> {
        let Form::Binary = self.form else {
            let text = Envelope::Negotiated.encode_response(&response)? + "\n";
            self.traffic.down += text.len();
            return Ok(text.into());
        };
        if response.subprotocol == riblt::NAME
            && let RibltResponse::Block { packed, .. } =
                RibltResponse::from_raw(&response.metadata)?
        {
            self.traffic.cells += packed.len();
        }
        let orders = response.orders.clone();
        let id = self.answered.issue().ok_or("no more numbers")?;
        let pack = Frame::Response { id, response }.pack()?;
        self.carry(&orders, pack.taken);
        let bytes = prefixed(&pack.frame)?;
        self.traffic.down += bytes.len();
        Ok(bytes)
    }

    /// The requester has nothing more to say.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        if self.form == Form::Binary {
            self.traffic.up += prefixed(&Frame::<Order>::End.pack()?.frame)?.len();
        }
        Ok(())
    }

    fn carry(&mut self, orders: &[Entry<Order>], taken: usize) {
        let taken: Vec<_> = orders.iter().take(taken).map(|entry| &*entry.item).collect();
        if !taken.is_empty() {
            self.traffic.orders += Order::encode_batch(&taken).len();
            self.traffic.carried += taken.len();
        }
    }
}

/// The request in these bytes.
pub(crate) fn read_request(form: Form, bytes: &Bytes) -> Result<RawRequest<Order>, Failure> {
    match form {
        Form::Json => Ok(Envelope::Negotiated.decode_request(std::str::from_utf8(bytes)?)?),
        Form::Binary => match Frame::unpack(packed(bytes)?)? {
            Frame::Request { request, .. } => Ok(request),
            other => Err(format!("not a request: {other:?}").into()),
        },
    }
}

/// The response in these bytes.
pub(crate) fn read_response(form: Form, bytes: &Bytes) -> Result<RawResponse<Order>, Failure> {
    match form {
        Form::Json => Ok(Envelope::Negotiated.decode_response(std::str::from_utf8(bytes)?)?),
        Form::Binary => match Frame::unpack(packed(bytes)?)? {
            Frame::Response { response, .. } => Ok(response),
            other => Err(format!("not a response: {other:?}").into()),
        },
    }
}

/// A frame behind its length.
fn prefixed(frame: &Packed) -> Result<Bytes, Failure> {
    let mut bytes = BytesMut::new();
    wire::frame::put(frame, &mut bytes)?;
    Ok(bytes.freeze())
}

fn packed(bytes: &Bytes) -> Result<Packed, Failure> {
    let prefix = bytes.iter().position(|byte| byte & 0x80 == 0).map_or(0, |last| last + 1);
    Ok(wire::Frame::decode(bytes.slice(prefix..))?)
}

fn length(raw: &Raw) -> usize {
    match raw {
        Raw::Json(text) => text.len(),
        Raw::Binary(bytes) => bytes.len(),
    }
}
