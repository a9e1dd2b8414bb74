//! What a message weighs in the envelope that it travels in.

use ordersync::binary::Frame;
use ordersync::json::Envelope;
use ordersync::zeroex::Order;
use ordersync::{Form, Raw, RawRequest, RawResponse, RequestMetadata};

use super::node::Message;

/// Bytes of a message, without what a stream says by closing.
pub(super) fn weight(message: &Message) -> u64 {
    let bytes = match message {
        Message::Ask { request, .. } => asked(request),
        Message::Answer { response, .. } => answered(response),
        Message::Over { .. } => 0,
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn asked(request: &RawRequest<Order>) -> usize {
    let form = match &request.metadata {
        RequestMetadata::Bare(raw) => Some(raw.form()),
        RequestMetadata::First(first) => first.metadata.first().map(Raw::form),
    };
    match form {
        Some(Form::Binary) => framed(&Frame::Request { id: 1, request: request.clone() }),
        _ => line(Envelope::Negotiated.encode_request(request)),
    }
}

fn answered(response: &RawResponse<Order>) -> usize {
    match response.metadata.form() {
        Form::Binary => framed(&Frame::Response { id: 1, response: response.clone() }),
        Form::Json => line(Envelope::Negotiated.encode_response(response)),
    }
}

/// With the length in front, which takes one byte for each seven of its bits.
fn framed(frame: &Frame<Order>) -> usize {
    let len = frame.pack().expect("what a core says fits a frame").frame.encoded_len();
    let bits = usize::BITS - len.leading_zeros();
    len + bits.div_ceil(7).max(1) as usize
}

/// With its line feed.
fn line<E: std::fmt::Debug>(text: Result<String, E>) -> usize {
    text.expect("what a core says in JSON is JSON").len() + 1
}
