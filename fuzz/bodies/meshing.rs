//! The JSON of 0x-Mesh, with items that are short words.

use futures::executor::block_on;
use futures::io::Cursor;
use machine::UnixTime;
use ordersync::json::{Envelope, JsonStream};
use ordersync::paging::{V0Request, V0Response, V1Request, V1Response, V4Request};
use ordersync::{BadItem, Filter, Item, ItemId, Metadata, Raw, RequestMetadata};

/// Up to 32 letters and digits, which are its name as well.
#[derive(Clone, Debug, PartialEq)]
struct Word(String);

/// Any JSON, as it came.
#[derive(Clone, Debug, PartialEq)]
struct Wish(String);

impl Item for Word {
    type Filter = Wish;

    fn id(&self) -> ItemId {
        let mut id = [0; 32];
        id.iter_mut().zip(self.0.bytes()).for_each(|(id, byte)| *id = byte);
        ItemId(id)
    }

    fn expires(&self) -> Option<UnixTime> {
        None
    }

    fn to_json(&self) -> String {
        format!("\"{}\"", self.0)
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        let word = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let fits =
            |word: &&str| word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let word = word.filter(fits).ok_or_else(|| BadItem::new("word", "is none"))?;
        Ok(Self(word.to_owned()))
    }

    fn encode_batch(_items: &[&Self]) -> Vec<u8> {
        Vec::new()
    }

    fn decode_batch(_bytes: &[u8], _items_max: usize) -> Result<Vec<Self>, BadItem> {
        Ok(Vec::new())
    }
}

impl Filter<Word> for Wish {
    fn matches(&self, _item: &Word) -> bool {
        true
    }

    fn is_everything(&self) -> bool {
        true
    }

    fn to_json(&self) -> String {
        self.0.clone()
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        Ok(Self(raw.to_owned()))
    }
}

/// Most bytes of an object here: small, so that short inputs reach it.
const OBJECT_MAX: usize = 2_048;

/// Bytes are cut into objects, and objects are messages of either envelope or refused.
pub(super) fn messages(data: &[u8]) {
    let mut stream = JsonStream::new(Cursor::new(data.to_vec()));
    while let Ok(Some(object)) = block_on(stream.read(OBJECT_MAX)) {
        assert!(object.len() <= OBJECT_MAX && object.starts_with('{'));
        for envelope in [Envelope::Negotiated, Envelope::Bare] {
            request(envelope, &object);
            response(envelope, &object);
        }
    }
}

fn request(envelope: Envelope, object: &str) {
    let Ok(request) = envelope.decode_request::<Word>(object) else { return };
    let entries = match &request.metadata {
        RequestMetadata::Bare(raw) => vec![raw.clone()],
        RequestMetadata::First(first) => first.metadata.clone(),
    };
    assert!(entries.len() <= request.subprotocols.len().max(1));
    for entry in &entries {
        same::<V1Request<Word>>(entry);
        same::<V0Request<Word>>(entry);
        same::<V4Request>(entry);
    }
    let text = envelope.encode_request(&request).expect("all of it is JSON");
    let again = envelope.decode_request::<Word>(&text);
    assert!(again.is_ok_and(|again| again.subprotocols == request.subprotocols));
}

fn response(envelope: Envelope, object: &str) {
    let Ok(response) = envelope.decode_response::<Word>(object) else { return };
    same::<V1Response>(&response.metadata);
    same::<V0Response>(&response.metadata);
    let text = envelope.encode_response(&response).expect("all of it is JSON");
    let again = envelope.decode_response::<Word>(&text).expect("what we write we read");
    assert_eq!((&again.orders, &again.subprotocol), (&response.orders, &response.subprotocol));
    assert_eq!(envelope.encode_response(&again).expect("all of it is JSON"), text);
}

/// Metadata that is read is the same when it is written and read again.
fn same<M: Metadata>(raw: &Raw) {
    let Ok(metadata) = M::from_raw(raw) else { return };
    assert_eq!(M::from_raw(&metadata.to_raw(raw.form())).as_ref(), Ok(&metadata));
}
