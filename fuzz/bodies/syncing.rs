//! The frames of ordersync, with items that are a few bytes.

use bytes::{Bytes, BytesMut};
use machine::UnixTime;
use ordersync::binary::{Frame, ITEMS_MAX, Packed};
use ordersync::{BadItem, Item, ItemId};
use wire::Frame as _;

/// At most 255 bytes, which are its name as well: no two of one name differ in their first 32.
#[derive(Clone, Debug, PartialEq)]
struct Blob(Vec<u8>);

/// There is but one.
#[derive(Clone, Debug, PartialEq)]
struct Everything;

impl Item for Blob {
    type Filter = Everything;

    fn id(&self) -> ItemId {
        let mut id = [0; 32];
        id.iter_mut().zip(&self.0).for_each(|(id, byte)| *id = *byte);
        ItemId(id)
    }

    fn expires(&self) -> Option<UnixTime> {
        None
    }

    fn to_json(&self) -> String {
        format!("{:?}", self.0)
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        Err(BadItem::new("json", raw))
    }

    fn encode_batch(items: &[&Self]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for Self(blob) in items {
            bytes.push(u8::try_from(blob.len()).expect("at most 255 bytes"));
            bytes.extend(blob);
        }
        bytes
    }

    fn decode_batch(mut bytes: &[u8], items_max: usize) -> Result<Vec<Self>, BadItem> {
        let mut items = Vec::new();
        while let Some((&len, rest)) = bytes.split_first() {
            let (blob, rest) = rest
                .split_at_checked(len.into())
                .filter(|_| items.len() < items_max)
                .ok_or_else(|| BadItem::new("batch", "truncated, or too many"))?;
            items.push(Self(blob.to_vec()));
            bytes = rest;
        }
        Ok(items)
    }
}

impl ordersync::Filter<Blob> for Everything {
    fn matches(&self, _: &Blob) -> bool {
        true
    }

    fn is_everything(&self) -> bool {
        true
    }

    fn to_json(&self) -> String {
        "null".to_owned()
    }

    fn from_json(_: &str) -> Result<Self, BadItem> {
        Ok(Self)
    }
}

/// What a frame is understood as can be sent, and is understood the same.
pub(crate) fn frame(data: &[u8]) {
    let Ok(packed) = Packed::decode(Bytes::copy_from_slice(data)) else { return };
    let Ok(frame) = Frame::<Blob>::unpack(packed) else { return };
    let items = match &frame {
        Frame::Request { request, .. } => request.pushed.len(),
        Frame::Response { response, .. } => response.orders.len(),
        Frame::Error { .. } | Frame::End => 0,
    };
    assert!(items <= ITEMS_MAX);
    let pack = frame.pack().expect("what fitted one frame fits another");
    assert_eq!(pack.taken, items);
    let mut out = BytesMut::new();
    pack.frame.encode(&mut out);
    assert!(out.len() <= Packed::MAX);
    let again =
        Packed::decode(out.freeze()).map(Frame::unpack).expect("what is sent has its bounds");
    assert_eq!(again.as_ref(), Ok(&frame));
}
