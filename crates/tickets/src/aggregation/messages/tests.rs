//! Requests and replies come back from their bytes, and no bytes do harm.
#![expect(clippy::unwrap_in_result, clippy::arithmetic_side_effects, reason = "a test")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use prost::Message as _;
use wire::proto::tickets::v1 as proto;
use wire::{Defect, Frame, Malformed};

use super::*;
use crate::TicketIndex;
use crate::aggregation::RefusalCode;
use crate::aggregation::sample::{interval, made, published, request, set};

fn encoded<F: Frame>(message: &F) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

fn near_ends(max: u64) -> impl Strategy<Value = u64> {
    prop_oneof![0..=max, 0..=max.min(3), max - max.min(3)..=max]
}

fn some_interval() -> impl Strategy<Value = Interval> {
    (near_ends(TicketIndex::MAX.get()), near_ends(u32::MAX.into())).prop_filter_map(
        "an interval that ends at an index",
        |(first, offset)| {
            let offset = crate::IndexOffset::new(u32::try_from(offset).unwrap()).ok()?;
            Interval::new(TicketIndex::new(first).unwrap(), offset).ok()
        },
    )
}

prop_compose! {
    fn some_winner()(
        interval in some_interval(),
        units in prop_oneof![0..=Amount::MAX.get(), 0..=3_u128, Just(Amount::MAX.get())],
        probability in near_ends(WinProbability::ALWAYS.get()),
        signature in prop::array::uniform32(any::<[u8; 2]>()),
        response in 1..=u64::MAX,
        output in prop::array::uniform32(any::<u8>()),
    ) -> Winner {
        let mut number = [0; 32];
        number[24..].copy_from_slice(&response.to_be_bytes());
        let mut winner = Winner {
            interval,
            amount: Amount::new(units).unwrap(),
            probability: WinProbability::new(probability).unwrap(),
            signature: Signature([0; 64]),
            response: Response::from_bytes(&number).unwrap(),
            output: [7; 33],
        };
        winner.signature.0.copy_from_slice(signature.as_flattened());
        winner.output[..32].copy_from_slice(&output);
        winner
    }
}

prop_compose! {
    fn some_request()(
        attempt in any::<u64>(),
        channel in any::<[u8; 32]>(),
        epoch in near_ends(Epoch::MAX.get().into()),
        proof in prop::array::uniform32(any::<u8>()),
        tickets in prop::collection::vec(some_winner(), 0..6),
        again in any::<bool>(),
    ) -> Request {
        let mut tickets = tickets;
        if again && let Some(last) = tickets.last().cloned() {
            tickets.push(last);
        }
        let mut request = Request {
            attempt: AttemptId(attempt),
            channel: ChannelId(channel),
            epoch: Epoch::new(u32::try_from(epoch).unwrap()).unwrap(),
            proof: [3; 97],
            tickets,
        };
        request.proof[5..37].copy_from_slice(&proof);
        request
    }
}

fn some_refusal() -> impl Strategy<Value = Refusal> {
    let code = prop::sample::select(&RefusalCode::EACH[..]);
    let delay = prop::option::of(1..=u32::MAX)
        .prop_map(|millis| millis.map(|millis| Duration::from_millis(millis.into())));
    (code, any::<Option<u16>>(), delay).prop_map(|(code, index, retry_after)| Refusal {
        code,
        index,
        retry_after,
    })
}

proptest! {
    #[test]
    fn a_request_comes_back_from_its_bytes(request in some_request()) {
        let bytes = encoded(&request);
        prop_assert!(bytes.len() <= 160 + 185 * request.tickets.len());
        prop_assert_eq!(Request::decode(bytes), Ok(request));
    }

    #[test]
    fn a_reply_comes_back_from_its_bytes(
        attempt in any::<u64>(),
        refusal in some_refusal(),
        index in prop::option::of(0..4_usize),
    ) {
        let winners = published(&[1, 4, 5, 7]);
        let ticket = index.map(|it| winners[it].ticket(ChannelId([1; 32]), Epoch::MAX));
        let outcome = ticket.ok_or(refusal);
        let reply = Reply { attempt: AttemptId(attempt), outcome };
        let bytes = encoded(&reply);
        prop_assert!(bytes.len() <= Reply::MAX);
        prop_assert_eq!(Reply::decode(bytes), Ok(reply));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = Bytes::from(bytes);
        drop((Request::decode(bytes.clone()), Reply::decode(bytes)));
    }

    #[test]
    fn bytes_near_a_request_are_one_or_are_refused(
        request in some_request(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encoded(&request).to_vec();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(end.index(bytes.len()) + 1);
        if let Ok(request) = Request::decode(bytes.into()) {
            prop_assert_eq!(Request::decode(encoded(&request)), Ok(request));
        }
    }

    #[test]
    fn the_digest_is_of_the_tickets_alone(request in some_request(), attempt in any::<u64>()) {
        let mut again = Request { attempt: AttemptId(attempt), proof: [1; 97], ..request.clone() };
        for ticket in &mut again.tickets {
            ticket.output = [2; 33];
        }
        prop_assert_eq!(again.digest(), request.digest());
        let mut other = request.clone();
        other.tickets.pop();
        prop_assert_eq!(other.digest() == request.digest(), other == request);
        let changed = Request { channel: ChannelId([9; 32]), ..request.clone() };
        prop_assert_ne!(changed.digest(), request.digest());
    }
}

/// Decodes what stands for a good request of three tickets with one thing changed.
fn decoded(change: impl FnOnce(&mut proto::AggregationRequest)) -> Result<Request, Malformed> {
    let bytes = encoded(&request(published(&[1, 4, 7])));
    let mut message = <proto::AggregationRequest as Frame>::decode(bytes).unwrap();
    change(&mut message);
    Request::decode(message.encode_to_vec().into())
}

fn refused(field: &'static str, defect: Defect) -> Result<Request, Malformed> {
    Err(Malformed::new(field, defect))
}

#[test]
fn each_field_that_is_wrong_is_named() {
    use Defect::{Invalid, Missing, TooLong};
    let field = |field: &'static str, defect| refused(field, defect);
    assert_eq!(decoded(|_| {}), Ok(request(published(&[1, 4, 7]))));

    let long = |len| Bytes::from(vec![1; len]);
    assert_eq!(decoded(|it| it.channel = long(31)), field("aggregation_request.channel", Invalid));
    assert_eq!(decoded(|it| it.channel.clear()), field("aggregation_request.channel", Missing));
    assert_eq!(decoded(|it| it.channel = long(33)), field("aggregation_request.channel", TooLong));
    assert_eq!(decoded(|it| it.epoch = 1 << 24), field("aggregation_request.epoch", Invalid));
    assert_eq!(
        decoded(|it| it.key_proof = long(96)),
        field("aggregation_request.key_proof", Invalid)
    );

    let step = field("aggregation_ticket.index_step", Invalid);
    assert_eq!(decoded(|it| it.tickets[1].index_step = -2), step);
    assert_eq!(decoded(|it| it.tickets[0].index_step = 1 << 48), step);
    assert_eq!(decoded(|it| it.tickets[2].index_step = i64::MAX), step);
    assert_eq!(decoded(|it| it.tickets[2].index_step = i64::MIN), step);
    let further = field("aggregation_ticket.further", Invalid);
    assert_eq!(decoded(|it| it.tickets[1].further = u32::MAX), further);
    assert_eq!(decoded(|it| it.tickets[0].index_step = (1 << 48) - 1), further);
    let amount = field("aggregation_ticket.amount", Invalid);
    assert_eq!(decoded(|it| it.tickets[1].amount = Bytes::from_static(&[0, 1])), amount);
    assert_eq!(decoded(|it| it.tickets[1].amount = vec![0xff; 12].into()), amount);
    let probability = |defect| field("aggregation_ticket.probability", defect);
    assert_eq!(decoded(|it| it.tickets[0].probability = 0), probability(Missing));
    assert_eq!(decoded(|it| it.tickets[2].probability = (1 << 56) + 1), probability(Invalid));
    let signature = |defect| field("aggregation_ticket.signature", defect);
    assert_eq!(decoded(|it| it.tickets[2].signature = long(63)), signature(Invalid));
    assert_eq!(decoded(|it| it.tickets[2].signature = long(65)), signature(TooLong));
    let response = field("aggregation_ticket.response", Invalid);
    assert_eq!(decoded(|it| it.tickets[1].response = vec![0; 32].into()), response);
    assert_eq!(decoded(|it| it.tickets[1].response = vec![0xff; 32].into()), response);
    assert_eq!(decoded(|it| it.tickets[1].response = long(31)), response);
    let output = field("aggregation_ticket.output", Invalid);
    assert_eq!(decoded(|it| it.tickets[1].output = long(32)), output);

    let too_many = decoded(|it| it.tickets = vec![it.tickets[0].clone(); TICKETS_MAX + 1]);
    assert_eq!(too_many, field("aggregation_request.tickets", Defect::TooMany));
}

#[test]
fn each_field_of_a_reply_that_is_wrong_is_named() {
    use proto::aggregation_reply::Outcome;
    let decoded = |outcome| {
        let message = proto::AggregationReply { attempt: 1, outcome };
        Reply::decode(message.encode_to_vec().into()).unwrap_err()
    };
    assert_eq!(decoded(None), Malformed::new("aggregation_reply.outcome", Defect::Missing));
    let ticket = Malformed::new("aggregation_reply.ticket", Defect::Invalid);
    assert_eq!(decoded(Some(Outcome::Ticket(vec![0; 147].into()))), ticket);
    // It stands for no index.
    assert_eq!(decoded(Some(Outcome::Ticket(vec![0; 148].into()))), ticket);
    let place = proto::AggregationRefusal { ticket: 65_537, ..Default::default() };
    let refused = Malformed::new("aggregation_refusal.ticket", Defect::Invalid);
    assert_eq!(decoded(Some(Outcome::Refusal(place))), refused);
}

#[test]
fn a_code_of_a_newer_version_is_a_refusal_all_the_same() {
    let refusal = proto::AggregationRefusal { code: 99, ..Default::default() };
    let outcome = Some(proto::aggregation_reply::Outcome::Refusal(refusal));
    let message = proto::AggregationReply { attempt: 1, outcome };
    let reply = Reply::decode(message.encode_to_vec().into()).unwrap();
    assert_eq!(reply.outcome, Err(Refusal::new(RefusalCode::Unknown)));
}

#[test]
fn a_delay_is_waited_for_to_its_end() {
    let told = |delay| {
        let outcome = Err(Refusal::busy(delay));
        let reply = Reply { attempt: AttemptId(1), outcome };
        Reply::decode(encoded(&reply)).unwrap().outcome.unwrap_err().retry_after
    };
    assert_eq!(told(Duration::from_nanos(1)), Some(Duration::from_millis(1)));
    assert_eq!(told(Duration::from_micros(2_001)), Some(Duration::from_millis(3)));
    assert_eq!(told(Duration::MAX), Some(Duration::from_millis(u32::MAX.into())));
    assert_eq!(told(Duration::ZERO), None);
}

#[test]
fn five_hundred_tickets_are_small() {
    let of = |winner: &dyn Fn(u64) -> Winner| {
        let tickets = (0..).take(TICKETS_MAX).map(winner).collect();
        let bytes = encoded(&Request { tickets, ..request(published(&[1])) });
        assert!(Request::decode(bytes.clone()).is_ok());
        bytes.len()
    };
    // As they come: of some hundredths of a token, and about one of ten wins.
    let winner = published(&[1]).remove(0);
    let usual = of(&|place| Winner { interval: interval(place * 10, 1), ..winner.clone() });
    assert_eq!(usual, 74_651);
    // Nothing is as before, and everything is as large as it can be.
    let last = TicketIndex::MAX.get() - u64::from(u32::MAX);
    let worst = of(&|place| Winner {
        interval: interval(if place % 2 == 0 { last } else { 0 }, u32::MAX),
        amount: Amount::MAX,
        probability: WinProbability::new(place).unwrap(),
        ..winner.clone()
    });
    assert_eq!(worst, 87_144);
    assert!(worst <= 105_000 && Request::MAX == 105_000);
}

#[test]
fn what_is_shown_of_a_request_has_no_secret_in_it() {
    let shown = format!("{:?}", request(published(&[1])));
    assert!(!shown.contains("8, 214, 6, 54") && !shown.contains(set::SET[0].response));
}

#[test]
fn a_winner_is_its_ticket() {
    let winner = made(interval(5, 2), 10);
    let channel = crate::aggregation::sample::channel();
    let ticket = winner.ticket(channel.id(), channel.epoch);
    let verified = ticket.verify(&channel.source, &crate::aggregation::sample::NO_DOMAIN).unwrap();
    let acknowledged = AcknowledgedTicket::new(verified, winner.response.clone()).unwrap();
    let output = Output::from_bytes(&winner.output).unwrap();
    assert_eq!(Winner::new(&acknowledged, &output), winner);
}
