//! What subprotocols say beside the items, in both forms, with orders as the items.

use bytes::Bytes;
use ordersync::paging::{V1Request, V1Response};
use ordersync::riblt::{BLOCK_MAX, RibltRequest, RibltResponse, WANTED_MAX};
use ordersync::zeroex::Order;
use ordersync::{Form, Metadata, Raw};

/// Every kind of metadata is tried on the same bytes, as bytes and as JSON.
pub(super) fn metadata(data: &[u8]) {
    let text = str::from_utf8(data).ok().map(|text| Raw::Json(text.to_owned()));
    for raw in text.into_iter().chain([Raw::Binary(Bytes::copy_from_slice(data))]) {
        if let Some(request) = same::<RibltRequest>(&raw) {
            asked(&request, raw.form());
        }
        if let Some(response) = same::<RibltResponse>(&raw) {
            answered(&response);
        }
        spelled_once::<V1Request<Order>>(&raw);
        spelled_once::<V1Response>(&raw);
    }
}

/// What is read is written so that it is read the same, in the form that it came in.
fn same<M: Metadata>(raw: &Raw) -> Option<M> {
    let metadata = M::from_raw(raw).ok()?;
    assert_eq!(M::from_raw(&metadata.to_raw(raw.form())).as_ref(), Ok(&metadata));
    Some(metadata)
}

/// As bytes there is one spelling of it.
fn spelled_once<M: Metadata>(raw: &Raw) {
    if let (Some(metadata), Form::Binary) = (same::<M>(raw), raw.form()) {
        assert_eq!(&metadata.to_raw(Form::Binary), raw);
    }
}

fn asked(request: &RibltRequest, form: Form) {
    match request {
        RibltRequest::Open(open) => assert_eq!(open.filter.form(), form),
        RibltRequest::More { cells, .. } => assert!((1..=BLOCK_MAX).contains(cells)),
        RibltRequest::Fetch { wanted } => assert!(is_list(wanted)),
    }
}

fn answered(response: &RibltResponse) {
    match response {
        RibltResponse::Block { cells, .. } => assert!((1..=BLOCK_MAX).contains(cells)),
        RibltResponse::Items { gone, .. } => assert!(is_list(gone)),
        RibltResponse::Equal | RibltResponse::Page { .. } => {}
    }
}

/// Short ids, ascending, no more than there may be.
fn is_list(ids: &[u64]) -> bool {
    ids.len() <= WANTED_MAX && ids.is_sorted_by(|a, b| a < b)
}
