//! One engine on several threads, as the pool runs it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use tickets::TicketIndex;

use super::town::Town;
use super::*;

/// Packets of one run: as many as a peer may have caused.
const PACKETS: u64 = 32;

/// Several threads bring packets and what is said of them, each twice; another settles and keeps what
/// was earned; another gives up. Every ticket ends once, none below what was settled before.
#[test]
fn whatever_threads_do_at_once_each_ticket_ends_once() {
    for round in 0..20_u64 {
        let town = Town::new(3);
        let now = town.now;
        let frames: Vec<_> = (0..PACKETS).map(|id| town.send(id, 2).unwrap().frame).collect();
        let channel = ChannelId::between(&key(0).address(), &key(1).address());
        let (relay, last) = (town.engine(1), town.engine(2));
        let (earned, kept) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
        let done = AtomicBool::new(false);
        let carry = |places: Vec<usize>| {
            for place in places {
                let packet = vec![(peer(0), frames[place].clone())];
                let Some(Verdict::Forward(onward)) = relay.inbound(packet, now).pop() else {
                    continue;
                };
                let packet = vec![(peer(1), onward.frame.clone())];
                let Some(Verdict::Deliver(delivered)) = last.inbound(packet, now).pop() else {
                    panic!("the recipient takes it")
                };
                if place.is_multiple_of(5) {
                    let news = relay.undelivered(peer(2), &onward.frame, FailureCode::Unreachable);
                    assert_eq!(news.pass_on.len(), 1);
                }
                for _ in 0..2 {
                    let batch = vec![(peer(2), vec![delivered.reply.taken()])];
                    earned.lock().unwrap().extend(relay.acknowledge(batch, now).earned);
                }
            }
        };
        let keep = || {
            let mut settled = TicketIndex::ZERO;
            while !done.load(Ordering::Acquire) {
                for ticket in std::mem::take(&mut *earned.lock().unwrap()) {
                    let body = ticket.ticket().body();
                    let index = body.interval.first();
                    assert!(index >= settled, "{index} is below {settled}");
                    assert!(kept.lock().unwrap().insert(index), "{index} was earned twice");
                    relay.incoming().kept(&channel, body.epoch, index);
                }
                settled = relay.incoming().settle(&channel, now);
                assert!(relay.expire(now).pass_on.is_empty());
            }
        };
        let len = frames.len();
        std::thread::scope(|scope| {
            let carriers = [0, 1, 2].map(|thread| {
                let start = usize::try_from(round).unwrap() + thread * 11;
                scope.spawn(move || carry((0..len).map(|at| (at * 7 + start) % len).collect()))
            });
            let keeper = scope.spawn(keep);
            for carrier in carriers {
                carrier.join().unwrap();
            }
            while !earned.lock().unwrap().is_empty() && !keeper.is_finished() {
                std::thread::yield_now();
            }
            done.store(true, Ordering::Release);
            keeper.join().unwrap();
        });
        let kept = u128::try_from(kept.into_inner().unwrap().len()).unwrap();
        let (gone, late) = (7, u128::from(town.count(1, "refused_index")));
        assert_eq!(kept + gone + late, u128::from(PACKETS), "{late} came too late");
        assert_eq!(town.load()[1], (0, kept * PRICE));
    }
}
