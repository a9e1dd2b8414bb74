//! Orders of both versions in one book, and sessions that are about one of them.

use std::sync::Arc;

use machine::{PeerId, UnixTime};
use meshwork_ordersync::json::Envelope;
use meshwork_ordersync::paging::{V0, V1, V4};
use meshwork_ordersync::requester::{self, Break, Ended, Outcome};
use meshwork_ordersync::riblt::Riblt;
use meshwork_ordersync::service::Protocol;
use meshwork_ordersync::zeroex::{Order, Wanted};
use meshwork_ordersync::{
    Admission, Admitted, Book, Context, Entry, Filter, Form, Holding, Leave, Provider, Requester,
    Subprotocols, book, provider,
};
use orders::generate::{Config, Generator};
use orders::sample::SAMPLE_V3;
use orders::{Network, Version};

const LEGACY: Protocol = Protocol::Json(Envelope::Negotiated);
const BARE: Protocol = Protocol::Json(Envelope::Bare);

/// Orders of version 3, then as many of version 4.
fn orders(of_each: usize) -> [Vec<Entry<Order>>; 2] {
    let v3 = SAMPLE_V3.lines().map(|line| Order::read(line).unwrap());
    let network = Network::v4(1).unwrap();
    let mut made = Generator::new([4; 32], Config { network, ..Config::default() });
    let v4 = std::iter::repeat_with(|| Order::from(made.limit_order()));
    [v3.take(of_each).map(Entry::new).collect(), v4.take(of_each).map(Entry::new).collect()]
}

/// All orders of the main network that there are.
fn both() -> Wanted {
    only_v3().and_v4(Network::v4(1).unwrap().exchange)
}

fn only_v3() -> Wanted {
    Wanted::new(Network::MAINNET, "{}").unwrap()
}

/// A node that takes what it wants.
struct Side {
    wanted: Wanted,
    book: Arc<Book<Order>>,
}

impl Side {
    fn new(seed: u8, wanted: Wanted, entries: &[Entry<Order>]) -> Self {
        let book = Book::new(book::Config::default().check().unwrap(), [seed; 32]);
        let side = Self { book: Arc::new(book.holding_only(wanted.clone())), wanted };
        side.admit(entries.to_vec());
        side
    }

    fn admit(&self, entries: Vec<Entry<Order>>) -> Vec<Admission> {
        let (received, pinned) = (UnixTime::from_millis(0), false);
        let take = |entry: Entry<Order>| {
            assert!(self.wanted.matches(&entry.item), "{entry:?}");
            let id = entry.id;
            self.book.insert(vec![Holding { entry, received, pinned }]);
            Admission { id, outcome: Ok(Admitted::New) }
        };
        entries.into_iter().map(take).collect()
    }

    fn context(&self, protocol: Protocol, scans: bool) -> Context<Order> {
        Context {
            book: Arc::clone(&self.book),
            peer: PeerId::random(),
            form: if protocol == Protocol::Binary { Form::Binary } else { Form::Json },
            filter: self.wanted.clone().carried_by(protocol),
            page: 500,
            secret: [7; 32],
            scans: Leave::fixed(scans),
            push: true,
        }
    }

    /// Orders of each version.
    fn counts(&self) -> [usize; 2] {
        [Version::V3, Version::V4].map(|version| self.book.ids(&Wanted::ALL.of(version)).len())
    }
}

fn subprotocols(protocol: Protocol) -> Subprotocols<Order> {
    let all = Subprotocols::new();
    if protocol == BARE {
        return all.with(V4).unwrap();
    }
    all.with(Riblt).unwrap().with(V1::default()).unwrap().with(V0).unwrap()
}

/// One session, without a network. The provider goes through its book for nobody unless it `scans`.
fn sync(asks: &Side, gives: &Side, protocol: Protocol, scans: bool) -> Outcome {
    let cx = asks.context(protocol, true);
    let mut asking = Requester::start(subprotocols(protocol), requester::Limits::default(), cx);
    let cx = gives.context(protocol, scans);
    let mut giving = Provider::new(subprotocols(protocol), provider::Limits::default(), cx);
    loop {
        match asking.poll_effect().expect("it waits for nobody") {
            requester::Effect::Send(request) => {
                giving.handle(provider::Input::Received(request));
            }
            requester::Effect::Admit(entries) => {
                asking.handle(requester::Input::Admitted(asks.admit(entries)));
            }
            requester::Effect::End(outcome) => return outcome,
            requester::Effect::RangeDone(_) => {}
            other => panic!("{other:?}"),
        }
        while let Some(effect) = giving.poll_effect() {
            match effect {
                provider::Effect::Admit(entries) => {
                    giving.handle(provider::Input::Admitted(gives.admit(entries)));
                }
                provider::Effect::Respond(response) => {
                    asking.handle(requester::Input::Received(response));
                }
                provider::Effect::End(Ok(())) => {}
                provider::Effect::End(Err(_)) => {
                    asking.handle(requester::Input::Broken(Break::Closed));
                }
                provider::Effect::Report(fault) => panic!("{fault}"),
            }
        }
    }
}

#[test]
fn a_book_of_both_versions_is_compared_as_one() {
    let [v3, v4] = orders(40);
    let ours = Side::new(1, both(), &[&v3[5..], &v4[10..]].concat());
    let theirs = Side::new(2, both(), &[&v3[..35], &v4[..38]].concat());
    // What is kept up to date answers, since both want the same.
    let outcome = sync(&ours, &theirs, Protocol::Binary, false);
    assert_eq!((&outcome.ended, outcome.tally.new, outcome.tally.pushed), (&Ended::Agreed, 15, 7));
    assert_eq!((ours.counts(), theirs.counts()), ([40, 40], [40, 40]));
    assert_eq!(ours.book.summary(), theirs.book.summary());
}

#[test]
fn who_wants_one_version_is_not_compared_with_the_other() {
    let [v3, v4] = orders(40);
    let ours = Side::new(1, only_v3(), &v3[5..]);
    let theirs = Side::new(2, both(), &[&v3[..35], &v4].concat());
    let outcome = sync(&ours, &theirs, Protocol::Binary, true);
    assert_eq!((outcome.ended, ours.counts()), (Ended::Agreed, [40, 0]));
    assert_eq!(theirs.counts(), [40, 40]);
}

#[test]
fn a_protocol_of_0x_mesh_is_about_one_version_whatever_is_held() {
    let [v3, v4] = orders(40);
    for wanted in [both(), Wanted::ALL] {
        let ours = Side::new(1, wanted.clone(), &[&v3[5..], &v4[10..]].concat());
        let theirs = Side::new(2, wanted, &[&v3[..35], &v4[..38]].concat());
        // Even where they reconcile: the digests are of version 3.
        let outcome = sync(&ours, &theirs, LEGACY, true);
        assert_eq!((outcome.ended, outcome.tally.unmatched), (Ended::Agreed, 0));
        assert_eq!(ours.counts(), [40, 30]);
        let outcome = sync(&ours, &theirs, BARE, true);
        assert_eq!((outcome.ended, outcome.tally.unmatched), (Ended::Paged, 0));
        assert_eq!((ours.counts(), theirs.counts()), ([40, 40], [35, 38]));
    }
}

#[test]
fn orders_of_the_other_version_are_not_taken_from_who_sends_them() {
    let [v3, v4] = orders(10);
    for (protocol, expected) in [(LEGACY, [10, 0]), (BARE, [0, 10])] {
        let ours = Side::new(1, Wanted::ALL, &[]);
        let theirs = Side::new(2, both(), &[&v3[..], &v4].concat());
        let cx = ours.context(protocol, true);
        let all = Subprotocols::new();
        let all = if protocol == BARE { all.with(V4) } else { all.with(V1::default()) }.unwrap();
        let mut asking = Requester::start(all.clone(), requester::Limits::default(), cx);
        // One that keeps no version apart.
        let cx = Context { filter: Wanted::ALL, ..theirs.context(protocol, true) };
        let mut giving = Provider::new(all, provider::Limits::default(), cx);
        let outcome = loop {
            match asking.poll_effect().expect("it waits for nobody") {
                requester::Effect::Send(request) => {
                    giving.handle(provider::Input::Received(request));
                    let Some(provider::Effect::Respond(response)) = giving.poll_effect() else {
                        panic!("no answer");
                    };
                    asking.handle(requester::Input::Received(response));
                }
                requester::Effect::Admit(entries) => {
                    asking.handle(requester::Input::Admitted(ours.admit(entries)));
                }
                requester::Effect::End(outcome) => break outcome,
                _ => {}
            }
        };
        assert_eq!((outcome.ended, outcome.tally.unmatched), (Ended::Paged, 10), "{protocol}");
        assert_eq!(ours.counts(), expected);
    }
}
