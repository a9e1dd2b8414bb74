//! The accounts of channels that pay this node.

use tickets::{Address, ChallengeAddress, ChannelStatus, Interval, UnixTime, WinProbability};

use super::*;

const START: Instant = Instant::START;

fn later(seconds: u64) -> Instant {
    Instant::at(Duration::from_secs(seconds))
}

fn amount(units: u128) -> Amount {
    Amount::new(units).unwrap()
}

fn index(number: u64) -> TicketIndex {
    TicketIndex::new(number).unwrap()
}

/// With 100 in it, the ledger at index 5 of epoch 2.
fn channel() -> Channel {
    Channel {
        source: Address([1; 20]),
        destination: Address([2; 20]),
        balance: amount(100),
        index: index(5),
        status: ChannelStatus::Open,
        epoch: Epoch::new(2).unwrap(),
    }
}

fn ticket(number: u64, units: u128) -> Body {
    Body {
        channel: channel().id(),
        epoch: channel().epoch,
        interval: Interval::of_one(index(number)).unwrap(),
        amount: amount(units),
        probability: WinProbability::ALWAYS,
        challenge: ChallengeAddress([3; 20]),
    }
}

fn incoming() -> Arc<Incoming> {
    Arc::new(Incoming::new())
}

fn admit(incoming: &Arc<Incoming>, body: &Body) -> Result<Reserved, TicketRefusal> {
    incoming.admit(body, &channel(), START)
}

/// Says that a ticket has won, and that the wallet has it.
fn in_wallet(incoming: &Incoming, ticket: Reserved) {
    let (channel, epoch, index) = (ticket.channel, ticket.epoch, ticket.index);
    ticket.keep();
    incoming.kept(&channel, epoch, index);
}

#[test]
fn each_refusal_has_one_cause() {
    let incoming = incoming();
    let _seen = admit(&incoming, &ticket(7, 40)).unwrap();
    let good = ticket(8, 60);
    let (found, expected) = (Epoch::new(3).unwrap(), channel().epoch);
    let two = Interval::new(index(8), IndexOffset::new(2).unwrap()).unwrap();
    for (body, refusal) in [
        (Body { epoch: found, ..good }, TicketRefusal::Epoch { found, expected }),
        (Body { interval: two, ..good }, TicketRefusal::Aggregate { offset: 2 }),
        (ticket(4, 60), TicketRefusal::Index { found: index(4), min: index(5) }),
        (ticket(7, 60), TicketRefusal::Seen { index: index(7) }),
        (ticket(8, 61), TicketRefusal::Balance { amount: amount(61), left: amount(60) }),
        (ticket(8, 101), TicketRefusal::Balance { amount: amount(101), left: amount(100) }),
    ] {
        assert_eq!(admit(&incoming, &body).unwrap_err(), refusal);
        assert_eq!(incoming.outstanding(&channel().id()), amount(40));
    }
    // From one that is being closed there might be no time left to redeem it.
    for status in [ChannelStatus::Closed, ChannelStatus::PendingToClose { since: UnixTime(1) }] {
        let closed = Channel { status, ..channel() };
        assert_eq!(incoming.admit(&good, &closed, START).unwrap_err(), TicketRefusal::Closed);
    }
    let _good = admit(&incoming, &good).unwrap();
    assert_eq!(incoming.outstanding(&channel().id()), amount(100));
}

#[test]
fn a_ticket_counts_until_it_is_lost_or_leaves_the_wallet() {
    let incoming = incoming();
    let id = channel().id();
    let [lost, won] = [(5, 30), (6, 50)].map(|(n, units)| admit(&incoming, &ticket(n, units)));
    assert_eq!(incoming.outstanding(&id), amount(80));
    drop(lost);
    assert_eq!(incoming.outstanding(&id), amount(50));
    // Its index stays taken all the same.
    let refusal = admit(&incoming, &ticket(5, 1)).unwrap_err();
    assert_eq!(refusal, TicketRefusal::Seen { index: index(5) });
    won.unwrap().keep();
    assert_eq!(incoming.outstanding(&id), amount(50));
    let refusal = admit(&incoming, &ticket(7, 51)).unwrap_err();
    assert_eq!(refusal, TicketRefusal::Balance { amount: amount(51), left: amount(50) });
    incoming.released(&id, channel().epoch, amount(20));
    assert_eq!(incoming.outstanding(&id), amount(30));
    incoming.released(&id, channel().epoch, amount(31));
    assert_eq!(incoming.outstanding(&id), Amount::ZERO);
    incoming.released(&ChannelId([9; 32]), channel().epoch, amount(1));
}

/// A node that follows the ledger of another hears that it was paid before it sees the balance fall.
#[test]
fn what_was_paid_counts_until_the_ledger_is_seen_to_have_paid_it() {
    let incoming = incoming();
    let id = channel().id();
    for (number, units) in [(5, 60), (6, 30)] {
        in_wallet(&incoming, admit(&incoming, &ticket(number, units)).unwrap());
    }
    let refusal = TicketRefusal::Balance { amount: amount(11), left: amount(10) };
    assert_eq!(admit(&incoming, &ticket(7, 11)).unwrap_err(), refusal);
    incoming.paid(&id, channel().epoch, amount(60), index(6));
    assert_eq!(admit(&incoming, &ticket(7, 11)).unwrap_err(), refusal, "not seen yet");
    let seen = Channel { balance: amount(40), index: index(6), ..channel() };
    assert_eq!(incoming.admit(&ticket(7, 11), &seen, START).unwrap_err(), refusal);
    assert_eq!(incoming.outstanding(&id), amount(30));
    // Another thread read the ledger before that.
    assert_eq!(admit(&incoming, &ticket(7, 11)).unwrap_err(), refusal);
    let _fits = admit(&incoming, &ticket(7, 10)).unwrap();
    // Seen before it is heard of.
    let seen = Channel { balance: amount(10), index: index(7), ..channel() };
    assert!(incoming.admit(&ticket(8, 1), &seen, START).is_err());
    incoming.paid(&id, channel().epoch, amount(30), index(7));
    assert_eq!(incoming.outstanding(&id), amount(10));
}

#[test]
fn payments_that_are_not_seen_are_bounded_and_all_of_them_count() {
    let incoming = incoming();
    let (id, epoch) = (channel().id(), channel().epoch);
    let channel = Channel { balance: amount(1_000), ..channel() };
    for number in 5..105 {
        in_wallet(&incoming, incoming.admit(&ticket(number, 5), &channel, START).unwrap());
        incoming.paid(&id, epoch, amount(5), index(number + 1));
        assert_eq!(incoming.outstanding(&id), amount(u128::from(number - 4) * 5));
    }
    let kept = incoming.lock()[&id].paid.len();
    assert_eq!(kept, PAID_MAX);
    for (seen, left) in [(6, 99), (68, 37), (104, 37), (105, 0)] {
        let channel = Channel { index: index(seen), ..channel };
        assert!(incoming.admit(&ticket(200, 1_001), &channel, START).is_err());
        let look = incoming.admit(&ticket(100 + seen, 1), &channel, START);
        drop(look.unwrap());
        assert_eq!(incoming.outstanding(&id), amount(left * 5), "{seen}");
    }
}

#[test]
fn what_settles_is_below_all_that_may_still_come() {
    let incoming = incoming();
    let id = channel().id();
    assert_eq!(incoming.settle(&id, START), TicketIndex::ZERO);
    let mut tickets: Vec<_> =
        (5..10).map(|number| admit(&incoming, &ticket(number, 1)).unwrap()).collect();
    // The first is not acknowledged.
    assert_eq!(incoming.settle(&id, START), index(5));
    in_wallet(&incoming, tickets.remove(0));
    drop(tickets.remove(0));
    assert_eq!(incoming.settle(&id, START), index(7));
    let refusal = admit(&incoming, &ticket(6, 1)).unwrap_err();
    assert_eq!(refusal, TicketRefusal::Index { found: index(6), min: index(7) });
    drop(tickets);
    assert_eq!(incoming.settle(&id, START), index(10));
    let _next = admit(&incoming, &ticket(10, 1)).unwrap();
}

#[test]
fn a_gap_is_waited_for_and_then_given_up() {
    let incoming = incoming();
    let id = channel().id();
    for number in [5, 7] {
        in_wallet(&incoming, admit(&incoming, &ticket(number, 1)).unwrap());
    }
    assert_eq!(incoming.settle(&id, later(4)), index(6));
    in_wallet(&incoming, incoming.admit(&ticket(6, 1), &channel(), later(4)).unwrap());
    assert_eq!(incoming.settle(&id, later(4)), index(8));

    // 8 and 10 never come, however busy the channel is.
    let mut settled = Vec::new();
    for (number, second) in [(9, 5), (11, 8), (12, 9), (13, 12), (14, 15), (15, 18)] {
        in_wallet(
            &incoming,
            incoming.admit(&ticket(number, 1), &channel(), later(second)).unwrap(),
        );
        settled.push(incoming.settle(&id, later(second)).get());
    }
    assert_eq!(settled.first(), Some(&8));
    assert!(settled.is_sorted() && settled.last() >= Some(&13), "{settled:?}");
    // And when nothing comes for a while, nothing is waited for.
    in_wallet(&incoming, incoming.admit(&ticket(20, 1), &channel(), later(18)).unwrap());
    assert_eq!(incoming.settle(&id, later(22)), index(16));
    assert_eq!(incoming.settle(&id, later(23)), index(21));
    assert!(incoming.admit(&ticket(19, 1), &channel(), later(23)).is_err());
}

/// Mixers bring the first tickets after a silence in any order, and the highest may be the first.
#[test]
fn a_silence_does_not_give_up_those_that_come_after_it() {
    let incoming = incoming();
    let id = channel().id();
    for second in [100, 200] {
        let at = later(second);
        let first = 2 + second / 100 * 3;
        in_wallet(&incoming, incoming.admit(&ticket(first + 2, 1), &channel(), at).unwrap());
        assert!(incoming.settle(&id, at) <= index(first));
        for number in [first + 1, first] {
            in_wallet(&incoming, incoming.admit(&ticket(number, 1), &channel(), at).unwrap());
        }
        assert_eq!(incoming.settle(&id, at), index(first + 3));
    }
}

#[test]
fn a_new_life_of_the_channel_begins_anew_and_the_old_one_changes_nothing() {
    let incoming = incoming();
    let id = channel().id();
    let [old, older] = [7, 8].map(|number| admit(&incoming, &ticket(number, 30)).unwrap());
    let epoch = Epoch::new(3).unwrap();
    let reopened = Channel { epoch, index: TicketIndex::ZERO, ..channel() };
    let body = Body { epoch, ..ticket(7, 100) };
    let new = incoming.admit(&body, &reopened, START).unwrap();
    drop(old);
    older.keep();
    incoming.released(&id, channel().epoch, amount(50));
    assert_eq!(incoming.outstanding(&id), amount(100));
    // A view of the ledger that is behind.
    let refusal = admit(&incoming, &ticket(9, 1)).unwrap_err();
    assert_eq!(refusal, TicketRefusal::Epoch { found: channel().epoch, expected: epoch });
    incoming.restore(&id, channel().epoch, index(50), amount(50));
    assert_eq!(incoming.outstanding(&id), amount(100));
    drop(new);
    assert_eq!(incoming.outstanding(&id), Amount::ZERO);
}

#[test]
fn what_a_store_has_counts_after_a_restart() {
    let incoming = incoming();
    let id = channel().id();
    incoming.restore(&id, channel().epoch, index(20), amount(90));
    let refusal = admit(&incoming, &ticket(19, 1)).unwrap_err();
    assert_eq!(refusal, TicketRefusal::Index { found: index(19), min: index(20) });
    let refusal = admit(&incoming, &ticket(20, 11)).unwrap_err();
    assert_eq!(refusal, TicketRefusal::Balance { amount: amount(11), left: amount(10) });
    assert_eq!(incoming.settle(&id, START), index(20));
}

#[test]
fn of_copies_that_come_at_once_one_is_taken() {
    let incoming = incoming();
    let channel = Channel { balance: amount(1_000), ..channel() };
    let barrier = std::sync::Barrier::new(4);
    let taken: usize = std::thread::scope(|scope| {
        let admit_all = || {
            barrier.wait();
            let all = (5..105).map(|number| incoming.admit(&ticket(number, 1), &channel, START));
            all.filter_map(Result::ok).map(Reserved::keep).count()
        };
        let threads = [(); 4].map(|()| scope.spawn(admit_all));
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 100);
    assert_eq!(incoming.outstanding(&channel.id()), amount(100));
}

#[test]
fn what_is_not_in_the_wallet_yet_does_not_settle() {
    let (incoming, id) = (incoming(), channel().id());
    let [first, second, third] = [5, 6, 7].map(|it| admit(&incoming, &ticket(it, 1)).unwrap());
    in_wallet(&incoming, first);
    second.keep();
    in_wallet(&incoming, third);
    assert_eq!(incoming.settle(&id, later(9)), index(6), "an aggregate of more would end it");
    incoming.kept(&id, channel().epoch.next().unwrap(), index(6));
    assert_eq!(incoming.settle(&id, later(9)), index(6), "that was of another life");
    incoming.kept(&id, channel().epoch, index(6));
    assert_eq!(incoming.settle(&id, later(9)), index(8));
}
