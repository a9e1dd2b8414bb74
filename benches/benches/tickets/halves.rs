//! What it takes to put a ticket's response together: with the multiple of the generator that shows
//! that it is the right one, and where that was shown before, for many at once.

use std::hint::black_box;

use tickets::{
    Amount, Body, ChannelId, DomainSeparator, Epoch, HalfKey, Interval, Response,
    UnacknowledgedTicket, WinProbability,
};

use crate::signatures::key;
use crate::{Failure, best, report};

/// Tickets in one turn.
const TICKETS: u8 = 200;

fn waiting(number: u8) -> Result<(UnacknowledgedTicket, HalfKey), Failure> {
    let own = HalfKey::from_bytes(&[number; 32])?;
    let half = HalfKey::from_bytes(&[number + 1; 32])?;
    let challenge = Response::combine(&own, &half)?.challenge_address();
    let body = Body {
        channel: ChannelId([3; 32]),
        epoch: Epoch::new(1)?,
        interval: Interval::FIRST,
        amount: Amount::new(1_000)?,
        probability: WinProbability::ALWAYS,
        challenge,
    };
    let ticket = body.sign(&key(1)?, &DomainSeparator([1; 32]));
    Ok((ticket.into_unacknowledged(own), half))
}

pub(crate) fn run(turns: u32) -> Result<(), Failure> {
    let waiting = (1..=TICKETS).map(waiting).collect::<Result<Vec<_>, _>>()?;
    let [shown, vouched] = best(
        turns,
        [
            &|| {
                let each =
                    |(ticket, half): &(UnacknowledgedTicket, _)| ticket.acknowledge(half).is_ok();
                assert!(black_box(&waiting).iter().all(each));
            },
            &|| {
                let each = |(ticket, half): &(UnacknowledgedTicket, _)| {
                    ticket.acknowledge_proven(half).is_ok()
                };
                assert!(black_box(&waiting).iter().all(each));
            },
        ],
    );
    let [shown_each, vouched_each] = [shown, vouched].map(|all| all / u32::from(TICKETS));
    let details = format!("proven before {vouched_each:.1?}, shown once more {shown_each:.1?}");
    report("acknowledge/proven", vouched.as_secs_f64() / shown.as_secs_f64(), &details);
    Ok(())
}
