//! A single core: what it asks for, serves, refuses and forgets.

use bytes::Bytes;
use machine::{Input, Instant, JobError, Machine, Verdict};
use meshwork_topics::{
    Batch, Command, Config, Core, Entry, Event, Fault, Message, PublishError, Rules, StreamId,
    SubscribeError, UnsubscribeError,
};
use simnet::peer;

use crate::alone::{Alone, LARGEST, ONE, batch, have, plain, stream};
use crate::crowd::{MILLI, SECOND, signature, topic};

/// The text of a whole exchange: how a message is found, asked for, passed on and acknowledged.
#[test]
fn a_stream_is_asked_for_where_it_is_announced() {
    let mut alone = plain(3);
    alone.hear(1, have(0, ONE));
    let Some([1, 0, until]) = alone.want(1) else { panic!("{:?}", alone.said) };
    assert!(until >= ONE);
    alone.hear(2, have(0, ONE));
    assert_eq!(alone.want(2), None, "one is asked at a time");
    alone.said.clear();
    alone.hear(1, batch(0));
    assert_eq!(alone.arrived(), 0, "verify before anything else");
    alone.work();
    assert_eq!(alone.arrived(), 1);
    let mut told: Vec<_> = alone.said.iter().map(|(peer, _)| *peer).collect();
    told.sort_unstable();
    assert_eq!(told, [peer(1), peer(2), peer(3)], "{:?}", alone.said);
}

/// Whoever announces and does not send is replaced, and is not preferred any more.
#[test]
fn who_claims_and_does_not_send_is_passed_over() {
    let mut alone = plain(2);
    alone.hear(1, have(0, 10 * ONE));
    alone.hear(2, have(0, ONE));
    assert!(alone.want(1).is_some() && alone.want(2).is_none());
    alone.wait(600 * MILLI);
    assert!(alone.want(2).is_some(), "after half a second");
    alone.hear(2, batch(0));
    alone.work();
    alone.wait(2 * SECOND);
    // Only the liar has more now, so it is asked; as soon as the other one has, that one is.
    alone.said.clear();
    alone.hear(2, have(0, 2 * ONE));
    assert!(alone.want(2).is_some(), "{:?}", alone.said);
}

/// Somebody feeds us so slowly that the others are far ahead.
#[test]
fn who_sends_too_slowly_is_replaced() {
    let mut alone = plain(2);
    alone.hear(1, have(0, 1000 * ONE));
    alone.hear(1, batch(0));
    alone.work();
    alone.hear(2, have(0, 1000 * ONE));
    alone.said.clear();
    for number in 1..8 {
        alone.wait(200 * MILLI);
        if alone.want(2).is_some() {
            return;
        }
        alone.hear(1, batch(number));
        alone.work();
    }
    panic!("still fed by the slow one");
}

/// Two nodes may feed each other; each still has to tell the other what it need not keep.
#[test]
fn who_feeds_us_and_is_fed_by_us_is_told_what_we_have() {
    let mut alone = plain(1);
    alone.hear(1, have(0, ONE));
    let (topic, stream) = (topic(), stream());
    let want = Message::Want { topic, stream, attempt: 1, from: 0, until: 100_000 };
    alone.hear(1, want);
    alone.hear(1, batch(0));
    alone.work();
    alone.wait(200 * MILLI);
    // The first one was acknowledged with more credit; the next one is not worth any.
    alone.said.clear();
    alone.hear(1, batch(1));
    alone.work();
    alone.wait(200 * MILLI);
    let told = alone
        .said
        .iter()
        .any(|(_, message)| matches!(message, Message::Have { have, .. } if *have == 2 * ONE));
    assert!(told, "{:?}", alone.said);
}

#[test]
fn what_comes_back_is_sent_again() {
    let mut alone = plain(1);
    assert_eq!(alone.publish(b"hello"), Ok(()));
    alone.work();
    let sent = |alone: &mut Alone, kind: fn(&Message) -> bool| {
        let found = alone.said.iter().position(|(_, message)| kind(message));
        found.map(|at| alone.said.remove(at).1)
    };
    let back = |alone: &mut Alone, message| {
        let cause = machine::Undelivered::OutboxFull;
        alone.give(Input::Undelivered { peer: peer(1), message, cause });
        alone.said.clear();
        alone.wait(200 * MILLI);
    };
    let is_have = |message: &Message| matches!(message, Message::Have { .. });
    let said = sent(&mut alone, is_have).expect("an announcement");
    back(&mut alone, said);
    let Some(Message::Have { stream, .. }) = sent(&mut alone, is_have) else { panic!("again") };
    let want = Message::Want { topic: topic(), stream, attempt: 1, from: 0, until: 100_000 };
    alone.hear(1, want);
    let is_batch = |message: &Message| matches!(message, Message::Batch(_));
    let said = sent(&mut alone, is_batch).expect("a batch");
    back(&mut alone, said);
    assert!(sent(&mut alone, is_batch).is_some(), "again");
    alone.hear(1, have(0, ONE));
    let is_want = |message: &Message| matches!(message, Message::Want { .. });
    let said = sent(&mut alone, is_want).expect("a request");
    back(&mut alone, said);
    assert!(sent(&mut alone, is_want).is_some(), "again");
}

#[test]
fn what_is_accepted_is_signed_even_when_the_first_attempt_fails() {
    let mut alone = plain(1);
    assert_eq!(alone.publish(b"hello"), Ok(()));
    let (id, _) = alone.jobs.remove(0);
    alone.give(Input::Done { id, outcome: Err(JobError::TimedOut) });
    assert!(alone.jobs.is_empty());
    alone.wait(SECOND);
    assert!(alone.said.iter().any(|(_, message)| matches!(message, Message::Have { .. })));
}

#[test]
fn a_check_that_comes_to_nothing_blames_nobody_and_is_repeated() {
    let mut alone = plain(1);
    alone.hear(1, have(0, ONE));
    alone.hear(1, batch(0));
    let (id, _) = alone.jobs.remove(0);
    alone.give(Input::Done { id, outcome: Err(JobError::Refused) });
    let Some([2, 0, _]) = alone.want(1) else { panic!("{:?}", alone.said) };
    alone.hear(1, batch(0));
    alone.work();
    assert_eq!((alone.arrived(), alone.reports.len()), (1, 0));
}

#[test]
fn a_message_over_the_topics_limit_is_charged() {
    let rules = Rules { payload_max: 9, ..Rules::default() };
    let mut alone = Alone::with(Config::default(), rules, 1);
    assert_eq!(alone.publish(b"ten bytes!"), Err(PublishError::TooLong { len: 10, max: 9 }));
    alone.hear(1, have(0, ONE));
    alone.hear(1, batch(0));
    assert_eq!(alone.reports, [(peer(1), Fault::TooLong { len: 10, max: 9 })]);
    assert_eq!(machine::Blame::verdict(&alone.reports[0].1), Verdict::Charge(50));
    assert!(alone.jobs.is_empty(), "before any check");
}

#[test]
fn a_duplicate_costs_no_check() {
    let mut alone = plain(1);
    alone.hear(1, have(0, ONE));
    alone.hear(1, batch(0));
    alone.hear(1, batch(0));
    assert_eq!(alone.jobs.len(), 1);
    alone.work();
    alone.hear(1, batch(0));
    assert!(alone.jobs.is_empty());
    assert_eq!((alone.arrived(), alone.core.counts().unused), (1, 2));
}

#[test]
fn who_publishes_too_fast_waits() {
    let config = Config { publisher_rate: 65_536, ..Config::default() };
    let mut alone = Alone::with(config, Rules::default(), 1);
    alone.hear(1, have(0, 1 << 40));
    let mut number = 0;
    let mut feed = |alone: &mut Alone, span| {
        for _ in 0..50 {
            alone.wait(span / 50);
            let [_, _, until] = alone.want(1).unwrap();
            while (number + 1) * ONE <= until {
                alone.hear(1, batch(number));
                alone.work();
                number += 1;
            }
        }
        number * ONE
    };
    let burst = feed(&mut alone, SECOND);
    let later = feed(&mut alone, 5 * SECOND);
    assert!(burst <= 1_200_000, "{burst}");
    assert!((250_000..=400_000).contains(&(later - burst)), "{}", later - burst);
}

#[test]
fn without_room_publishing_is_busy_until_there_is_some() {
    let mut alone = plain(1);
    let mut published = 0;
    while alone.publish(LARGEST) == Ok(()) {
        published += 1;
        alone.work();
    }
    assert_eq!(published, 14, "a window of 1 MiB less the slice that is kept back");
    assert!(!alone.events.iter().any(|event| matches!(event, Event::Writable { .. })));
    let stream = StreamId { publisher: peer(0), epoch: 0 };
    let cost = 256 + 64 + 65_536;
    let (oldest, have) = (14 * cost, 14 * cost);
    alone.hear(1, Message::Have { topic: topic(), stream, oldest, have });
    assert!(alone.events.iter().any(|event| matches!(event, Event::Writable { .. })));
    assert_eq!(alone.publish(b"hello"), Ok(()));
}

#[test]
fn commands_that_cannot_be_are_refused() {
    let mut alone = plain(0);
    assert_eq!(alone.publish(b"hello"), Err(PublishError::Alone));
    alone.command(Command::Subscribe { topic: topic(), rules: Rules::default() });
    let again = Err(SubscribeError::AlreadySubscribed);
    assert!(matches!(alone.events[..], [_, Event::Subscribed { outcome, .. }] if outcome == again));
    alone.command(Command::Unsubscribe { topic: topic() });
    alone.command(Command::Unsubscribe { topic: topic() });
    let gone = Err(UnsubscribeError::NotSubscribed);
    let last = alone.events.last();
    assert!(matches!(last, Some(Event::Unsubscribed { outcome, .. }) if *outcome == gone));
    assert_eq!(alone.publish(b"hello"), Err(PublishError::NotSubscribed));
}

/// Who subscribes later than its neighbour learns of it all the same.
#[test]
fn a_subscription_is_answered_with_ours() {
    let mut alone = plain(1);
    alone.give(Input::Joined { peer: peer(2), name: Core::NAMES[0] });
    alone.said.clear();
    alone.hear(2, Message::Subscribe(topic()));
    assert_eq!(alone.said, [(peer(2), Message::Subscribe(topic()))]);
    alone.hear(2, Message::Subscribe(topic()));
    assert_eq!(alone.said.len(), 1, "once");
    assert_eq!(alone.core.neighbours(&topic()), 2);
}

/// One topic is full, and another one is not the worse for it.
#[test]
fn a_full_topic_does_not_fill_another() {
    let mut alone = plain(1);
    let other = meshwork_topics::Topic::new("other").unwrap();
    alone.command(Command::Subscribe { topic: other.clone(), rules: Rules::default() });
    alone.hear(1, Message::Subscribe(other.clone()));
    while alone.publish(LARGEST) == Ok(()) {
        alone.work();
    }
    alone.events.clear();
    let payload = Bytes::from_static(b"hello");
    alone.command(Command::Publish { topic: other, tag: 3, payload });
    assert!(matches!(alone.events[..], [Event::Published { outcome: Ok(()), .. }]));
}

/// Whoever lets go of a topic has nothing of it left, and begins a new stream when it comes back.
#[test]
fn a_topic_that_was_left_leaves_nothing() {
    let mut alone = plain(1);
    assert_eq!(alone.publish(b"hello"), Ok(()));
    alone.work();
    alone.command(Command::Unsubscribe { topic: topic() });
    assert_eq!((alone.core.bytes(), alone.core.per_peer_entries()), (0, 1));
    alone.command(Command::Subscribe { topic: topic(), rules: Rules::default() });
    alone.hear(1, Message::Subscribe(topic()));
    alone.said.clear();
    assert_eq!(alone.publish(b"hello"), Ok(()));
    alone.work();
    let [(_, Message::Have { stream, oldest: 0, .. })] = &alone.said[..] else {
        panic!("{:?}", alone.said)
    };
    assert_eq!(stream.epoch, 1);
}

/// Something is under way for longer than quiet streams are remembered: nothing is forgotten, and
/// the core is not called for nothing.
#[test]
fn what_takes_long_is_neither_forgotten_nor_asked_after_all_the_time() {
    let mut alone = plain(1);
    assert_eq!(alone.publish(b"hello"), Ok(()));
    alone.hear(1, have(0, 2 * ONE));
    alone.hear(1, batch(0));
    let (end, mut ticks) = (Instant::at(20 * 60 * SECOND), 0);
    while let Some(due) = alone.core.next_deadline().filter(|due| *due <= end) {
        alone.now = due;
        alone.core.tick(due);
        alone.take();
        ticks += 1;
    }
    assert!(ticks < 20 * 60 * 25, "{ticks} in 20 minutes");
    alone.work();
    assert_eq!(alone.arrived(), 1);
    assert!(alone.said.iter().any(|(_, message)| matches!(message, Message::Have { .. })));
}

fn withheld(number: u64) -> Message {
    let entries = [Entry::Withheld { len: 10, hash: [0; 32] }].into();
    let (start, signature) = (number * ONE, signature(true));
    Message::Batch(Batch { topic: topic(), stream: stream(), start, signature, entries })
}

/// One neighbour withholds a message; another one claims to have it and does not send it.
#[test]
fn a_claim_to_have_what_is_withheld_holds_up_nothing_for_long() {
    let mut alone = plain(2);
    alone.hear(1, have(0, 2 * ONE));
    alone.hear(2, have(0, 2 * ONE));
    for _ in 0..4 {
        for number in [0, 1] {
            if alone.want(1).is_some() {
                alone.hear(1, withheld(number));
                alone.work();
            }
        }
        alone.wait(SECOND);
    }
    assert_eq!(alone.core.position(&topic(), stream()), Some(2 * ONE));
}

/// A name alone proves nothing: it does not keep out the stream that the publisher really signs.
#[test]
fn an_invented_epoch_does_not_outdate_a_genuine_one() {
    let mut alone = plain(2);
    let invented = StreamId { epoch: u64::MAX, ..stream() };
    alone.hear(1, Message::Have { topic: topic(), stream: invented, oldest: 0, have: 400 });
    alone.hear(2, have(0, ONE));
    alone.hear(2, batch(0));
    alone.work();
    assert_eq!(alone.arrived(), 1);
    // One that is proven does: what is older is shown again by somebody who kept it.
    let old = StreamId { epoch: 0, ..stream() };
    alone.said.clear();
    alone.hear(1, Message::Have { topic: topic(), stream: old, oldest: 0, have: 400 });
    assert_eq!(alone.said, [(peer(1), Message::Decline { topic: topic(), stream: old })]);
}

/// Who declined is not waited for, and is offered the stream again after a while.
#[test]
fn who_declined_is_offered_the_stream_again() {
    let mut alone = plain(1);
    let offered = |alone: &mut Alone| {
        alone.said.clear();
        assert_eq!(alone.publish(b"hello"), Ok(()));
        alone.work();
        alone.wait(SECOND);
        alone.said.iter().any(|(_, message)| matches!(message, Message::Have { .. }))
    };
    assert!(offered(&mut alone));
    let stream = StreamId { publisher: peer(0), epoch: 0 };
    alone.hear(1, Message::Decline { topic: topic(), stream });
    assert_eq!(alone.core.bytes(), 0);
    assert!(!offered(&mut alone));
    alone.wait(10 * SECOND);
    assert!(offered(&mut alone));
    assert_eq!(alone.core.counts().too_slow, 0);
}

/// As many streams as may be are under way: one more is declined, said to all and told.
#[test]
fn a_stream_too_many_is_declined() {
    let config = Config { publishers_max: 8, streams_max: 8, ..Config::default() };
    let mut alone = Alone::with(config, Rules::default(), 8);
    for n in 0..8 {
        let stream = StreamId { publisher: peer(70 + n), epoch: 1 };
        let topic = topic();
        alone.hear(1 + n, Message::Have { topic, stream, oldest: 0, have: 400 });
    }
    alone.said.clear();
    let stream = StreamId { publisher: peer(99), epoch: 1 };
    alone.hear(1, Message::Have { topic: topic(), stream, oldest: 0, have: 400 });
    assert_eq!(alone.said, [(peer(1), Message::Decline { topic: topic(), stream })]);
}

/// Streams grow beyond what each has of its own only as far as the pool goes.
#[test]
fn what_is_granted_is_bounded_whatever_is_announced() {
    let config = Config { publishers_max: 8, pool_bytes_max: 1_000_000, ..Config::default() };
    let mut alone = Alone::with(config.clone(), Rules::default(), 2);
    let largest = vec![Entry::Payload(Bytes::from_static(LARGEST))];
    let cost = 256 + 64 + 65_536;
    // The second neighbour takes nothing, so that everything is kept.
    let mut ends = [0; 8];
    for n in (0..8_usize).cycle().take(160) {
        let stream = StreamId { publisher: peer(70 + n as u64), epoch: 1 };
        let (topic, start) = (topic(), ends[n]);
        let far = 1 << 40;
        alone.hear(1, Message::Have { topic: topic.clone(), stream, oldest: 0, have: far });
        let until = alone.said.iter().rev().find_map(|(_, message)| match message {
            Message::Want { stream: of, until, .. } if *of == stream => Some(*until),
            _ => None,
        });
        if until.is_some_and(|until| start + cost <= until) {
            let (entries, signature) = (largest.clone().into(), signature(true));
            alone.hear(1, Message::Batch(Batch { topic, stream, start, signature, entries }));
            alone.work();
            ends[n] += cost;
        }
    }
    let (held, bound) = (alone.core.bytes(), 8 * config.window_min + config.pool_bytes_max);
    assert!(held <= bound, "{held} of {bound}");
    assert!(held > bound / 2, "{held}: the pool is used");
    assert_eq!(alone.reports, []);
}
