//! Conversations of the sample core, and its bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use machine::{JobError, PeerId, Undelivered};
use meshwork_testkit::chatter::{
    AskError, Command, Config, ConfigError, Core, Event, ITEMS_LIMIT, Message,
};
use simnet::{Net, Setup, Split, peer};
use wire::{Defect, Frame, Malformed};

const SECOND: Duration = Duration::from_secs(1);

/// Two linked nodes; the stock of each is `count`, or the count fails.
fn pair(count: Result<u16, JobError>) -> (Net<Core>, PeerId, PeerId) {
    let (mut net, a, b) = (Net::new(1, Setup::default()), peer(0), peer(1));
    net.jobs(move |_, _, _| (SECOND, count));
    let params = Config::default().check().expect("the defaults are in range");
    net.insert(a, Core::new(params.clone(), [1; 32]));
    net.insert(b, Core::new(params, [2; 32]));
    net.join(a, b);
    (net, a, b)
}

/// Asks once and tells how it ends.
fn ask(net: &mut Net<Core>, from: PeerId, of: PeerId, wanted: u16) -> Result<Bytes, AskError> {
    net.command(from, Command::Ask { peer: of, wanted });
    net.run_until(60 * SECOND, |net| net.events(from).len() > 0);
    let [Event::Asked { peer, outcome }] = net.take_events(from).try_into().expect("one end");
    assert_eq!(peer, of);
    outcome
}

#[test]
fn an_ask_brings_what_there_is_and_no_more_than_was_wanted() {
    let (mut net, a, b) = pair(Ok(100));
    assert_eq!(ask(&mut net, a, b, 1000).map(|items| items.len()), Ok(100));
    assert_eq!(ask(&mut net, b, a, 10).map(|items| items.len()), Ok(10));
}

#[test]
fn a_failed_count_is_said_at_once() {
    let (mut net, a, b) = pair(Err(JobError::Lost));
    assert_eq!(ask(&mut net, a, b, 1), Err(AskError::Busy));
}

#[test]
fn an_asker_keeps_its_own_pace_across_links() {
    let (mut net, a, b) = pair(Ok(1));
    assert!(ask(&mut net, a, b, 1).is_ok());
    net.cut(a, b);
    let gone = AskError::Undelivered(Undelivered::NotConnected);
    assert_eq!(ask(&mut net, a, b, 1), Err(gone));
    net.join(a, b);
    let refused = ask(&mut net, a, b, 1);
    let Err(AskError::TooSoon { retry_in }) = refused else { panic!("{refused:?}") };
    net.run_for(retry_in);
    assert!(ask(&mut net, a, b, 1).is_ok());
}

#[test]
fn a_neighbour_that_does_not_answer_is_hung_up_on() {
    let (mut net, a, b) = pair(Ok(1));
    net.partition([a], Split::Stall);
    assert_eq!(ask(&mut net, a, b, 1), Err(AskError::TimedOut));
    assert_eq!(net.neighbours(a).count(), 0);
}

#[test]
fn asks_that_cannot_be_are_refused() {
    let (mut net, a, b) = pair(Ok(1));
    let too_many = AskError::TooMany { wanted: 1025, max: 1024 };
    assert_eq!(ask(&mut net, a, b, 1025), Err(too_many));
    net.command(a, Command::Ask { peer: b, wanted: 1 });
    assert_eq!(ask(&mut net, a, b, 1), Err(AskError::AlreadyAsking));
}

#[test]
fn messages_fill_a_frame_and_not_more() {
    let largest = Message::Answer { id: 1, items: vec![7; usize::from(ITEMS_LIMIT)].into() };
    let mut out = BytesMut::new();
    largest.encode(&mut out);
    assert_eq!(out.len(), Message::MAX);
    assert_eq!(Message::decode(out.clone().freeze()), Ok(largest));
    out.extend_from_slice(&[7]);
    refused(&out, "answer.items", Defect::TooMany);
}

#[test]
fn bytes_that_are_no_message_say_why() {
    refused(&[], "message.kind", Defect::Truncated);
    refused(&[0, 1, 2, 3], "message.id", Defect::Truncated);
    refused(&[3, 0, 0, 0, 0], "message.kind", Defect::Invalid);
    refused(&[0, 0, 0, 0, 0, 1], "ask.wanted", Defect::Truncated);
    refused(&[0, 0, 0, 0, 0, 0xff, 0xff], "ask.wanted", Defect::TooMany);
    refused(&[2, 0, 0, 0, 0, 1], "message", Defect::TooLong);
}

fn refused(bytes: &[u8], field: &'static str, defect: Defect) {
    let decoded = Message::decode(Bytes::copy_from_slice(bytes));
    assert_eq!(decoded, Err(Malformed::new(field, defect)), "{bytes:?}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let check = |config: Config| config.check().map(drop);
    for given in [0, ITEMS_LIMIT + 1] {
        let config = Config { items_max: given, ..Config::default() };
        assert_eq!(check(config), Err(ConfigError::ItemsMax { given }));
    }
    let config = Config { answer_timeout: Duration::ZERO, ..Config::default() };
    assert_eq!(check(config), Err(ConfigError::AnswerTimeout));
    let config = Config { paces_max: 0, ..Config::default() };
    assert_eq!(check(config), Err(ConfigError::PacesMax));
    assert_eq!(check(Config { items_max: ITEMS_LIMIT, ..Config::default() }), Ok(()));
}
