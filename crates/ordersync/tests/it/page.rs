//! The vectors of the specification page are what the code says.

use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use machine::{PeerId, UnixTime};
use meshwork_ordersync::binary::Frame;
use meshwork_ordersync::requester::{self, Ended};
use meshwork_ordersync::zeroex::{Order, Wanted};
use meshwork_ordersync::{
    Admission, Admitted, Book, Context, Entry, Filter, Form, Holding, Item, ItemId, Leave,
    Provider, Requester, Subprotocols, book, paging, provider, riblt,
};
use orders::Network;
use orders::sample::SAMPLE_V3;
use reconcile::{Digest, Encoder, Estimator, Key, packed};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The page without its line ends, so that what is folded there is found.
fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocols/ordersync.md");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::trim).collect()
}

#[track_caller]
fn stands_there(page: &str, what: &str, vector: impl AsRef<[u8]>) {
    let vector = hex(vector);
    assert!(page.contains(&vector), "{what} is {vector}, which the page does not have");
}

fn orders() -> Vec<Order> {
    SAMPLE_V3.lines().take(2).map(|line| Order::read(line).unwrap()).collect()
}

#[test]
fn cells_digests_and_the_estimator_stand_on_the_page() {
    let page = page();
    let key = Key::from_bytes([123_u64, 456].map(u64::to_le_bytes).concat().try_into().unwrap());
    let cells = Encoder::new(key, 1..=10_u64).block(4);
    stands_there(&page, "the cells", packed::pack(&cells, 0, 10));
    let ids = [[0; 32], [1; 32], [2; 32]];
    let mut estimator = Estimator::new();
    for (count, id) in (1..).zip(&ids) {
        stands_there(&page, "a short id", key.short_id(id).to_be_bytes());
        let digest: Digest = ids[..count].iter().collect();
        stands_there(&page, "a digest", digest.finish().hash);
        estimator.insert(id);
    }
    stands_there(&page, "the estimator", estimator.to_bytes());
}

#[test]
fn batches_stand_on_the_page() {
    let (page, orders) = (page(), orders());
    for count in 0..=2 {
        stands_there(
            &page,
            "a batch",
            Order::encode_batch(&orders.iter().take(count).collect::<Vec<_>>()),
        );
    }
    for order in &orders {
        stands_there(&page, "an id", Entry::new(order.clone()).id.as_bytes());
    }
}

#[test]
fn the_hashes_of_the_whole_sample_stand_on_the_page() {
    let all: Vec<_> = SAMPLE_V3.lines().map(|line| Order::read(line).unwrap()).collect();
    let batch = Order::encode_batch(&all.iter().collect::<Vec<_>>());
    assert_eq!(batch.len(), 23_022);
    stands_there(&page(), "the hash of the batch", blake3::hash(&batch).as_bytes());
    let ids: Vec<_> = all.iter().map(Item::id).collect();
    let digest: Digest = ids.iter().map(ItemId::as_bytes).collect();
    stands_there(&page(), "the digest", digest.finish().hash);
}

/// The order of version 4 of the transcripts.
fn order_v4() -> Order {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v4.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let page = text.lines().find_map(|line| line.strip_prefix("< ")).unwrap();
    let order = page.strip_prefix(r#"{"orders":["#).and_then(|page| page.strip_suffix("]}"));
    Order::read(order.unwrap()).unwrap()
}

#[test]
fn pages_and_filters_of_version_4_stand_on_the_page() {
    let (page, v3, v4) = (page(), &orders()[0], order_v4());
    stands_there(&page, "an id", Entry::new(v4.clone()).id.as_bytes());
    stands_there(&page, "a page", Order::encode_batch(&[&v4]));
    stands_there(&page, "a mixed page", Order::encode_batch(&[v3, &v4]));
    let wanted = Wanted::new(Network::MAINNET, "{}").unwrap();
    let wanted = wanted.and_v4(Network::v4(1).unwrap().exchange);
    stands_there(&page, "a filter", wanted.to_bytes());
}

fn node(seed: u8, held: &[Order]) -> Context<Order> {
    let wanted = Wanted::new(Network::MAINNET, "{}").unwrap();
    let params = book::Config::default().check().unwrap();
    let book = Book::new(params, [seed; 32]).holding_only(wanted.clone());
    let received = UnixTime::from_millis(0);
    let hold =
        |order: &Order| Holding { entry: Entry::new(order.clone()), received, pinned: false };
    book.insert(held.iter().map(hold).collect());
    assert!(book.rotate(Key::from_bytes(*b"an epoch's key..")));
    Context {
        book: Arc::new(book),
        peer: PeerId::random(),
        form: Form::Binary,
        filter: wanted,
        page: 500,
        secret: [seed; 32],
        scans: Leave::fixed(true),
        push: true,
    }
}

fn bytes(frame: &Frame<Order>) -> BytesMut {
    let mut out = BytesMut::new();
    wire::frame::put(&frame.pack().unwrap().frame, &mut out).unwrap();
    out
}

#[test]
fn every_frame_of_two_sessions_stands_on_the_page() {
    let (page, orders) = (page(), orders());
    for count in [1, 2] {
        let all = Subprotocols::new().with(riblt::Riblt).unwrap();
        let all = all.with(paging::V1::default()).unwrap();
        let (ours, theirs) = (node(1, &orders[..1]), node(2, &orders[..count]));
        let mut asking = Requester::start(all.clone(), requester::Limits::default(), ours);
        let mut giving = Provider::new(all, provider::Limits::default(), theirs);
        let mut id = 0;
        let outcome = loop {
            match asking.poll_effect().expect("it waits for nobody") {
                requester::Effect::Send(request) => {
                    id += 1;
                    let frame = Frame::Request { id, request: request.clone() };
                    stands_there(&page, "a request", bytes(&frame));
                    giving.handle(provider::Input::Received(request));
                    let Some(provider::Effect::Respond(response)) = giving.poll_effect() else {
                        panic!("no answer to request {id}");
                    };
                    let frame = Frame::Response { id, response: response.clone() };
                    stands_there(&page, "a response", bytes(&frame));
                    asking.handle(requester::Input::Received(response));
                }
                requester::Effect::Admit(entries) => {
                    let new =
                        |entry: Entry<_>| Admission { id: entry.id, outcome: Ok(Admitted::New) };
                    asking
                        .handle(requester::Input::Admitted(entries.into_iter().map(new).collect()));
                }
                requester::Effect::End(outcome) => break outcome,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((outcome.ended, id), (Ended::Agreed, u32::try_from(count).unwrap()));
    }
    stands_there(&page, "the end", bytes(&Frame::End));
}
