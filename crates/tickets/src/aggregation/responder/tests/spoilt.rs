//! One thing wrong at a time.

use super::*;
use crate::aggregation::sample::{
    EACH, amount, epoch, index, interval, made_by, peer, proven, redeemer,
};
use crate::vrf::{Evaluation, Output, Statement};
use crate::{Amount, ChainKey, ChannelStatus, Response, Signature, UnixTime};

/// A good request, and what the issuer knows.
struct Case {
    channel: Channel,
    announced: Option<PeerId>,
    limits: Limits,
    request: Request,
}

/// What becomes of it with one thing changed.
fn spoilt(change: impl FnOnce(&mut Case)) -> Option<(RefusalCode, Option<u16>)> {
    let mut case = Case {
        channel: channel(),
        announced: Some(asker()),
        limits: LIMITS,
        request: request(winners()),
    };
    change(&mut case);
    let mut responder = Responder::new(issuer().address(), case.limits, Vec::new());
    assert_eq!(responder.on_view(&case.channel, case.announced), []);
    let refusal = answer(&mut responder, case.request).err()?;
    assert_eq!(refusal.retry_after, None);
    Some((refusal.code, refusal.index))
}

#[expect(clippy::unnecessary_wraps, reason = "as `spoilt` says it")]
fn at(code: RefusalCode, place: u16) -> Option<(RefusalCode, Option<u16>)> {
    Some((code, Some(place)))
}

#[expect(clippy::unnecessary_wraps, reason = "as `spoilt` says it")]
fn as_a_whole(code: RefusalCode) -> Option<(RefusalCode, Option<u16>)> {
    Some((code, None))
}

#[test]
fn nothing_wrong() {
    assert_eq!(spoilt(|_| {}), None);
    // It is still redeemed while it is being closed, and what is left is what the tickets take.
    let since = UnixTime(1);
    assert_eq!(spoilt(|it| it.channel.status = ChannelStatus::PendingToClose { since }), None);
    assert_eq!(spoilt(|it| it.channel.balance = amount(4 * EACH)), None);
    assert_eq!(spoilt(|it| it.channel.index = index(1)), None);
    assert_eq!(
        spoilt(|it| it.limits.probability_min = WinProbability::from_f64(0.5).unwrap()),
        None
    );
}

#[test]
fn the_number_of_tickets() {
    assert_eq!(spoilt(|it| it.request.tickets.clear()), as_a_whole(RefusalCode::Empty));
    let many = |it: &mut Case| it.request.tickets = vec![winners()[0].clone(); TICKETS_MAX + 1];
    assert_eq!(spoilt(many), as_a_whole(RefusalCode::TooMany));
}

#[test]
fn who_asks_for_what() {
    let none = as_a_whole(RefusalCode::NoChannel);
    assert_eq!(spoilt(|it| it.announced = None), none);
    assert_eq!(spoilt(|it| it.announced = Some(peer(2))), none);
    assert_eq!(spoilt(|it| it.request.channel.0[0] ^= 1), none);
    let other_way = |it: &mut Case| {
        std::mem::swap(&mut it.channel.source, &mut it.channel.destination);
        it.request.channel = it.channel.id();
    };
    assert_eq!(spoilt(other_way), none);
    assert_eq!(spoilt(|it| it.channel.destination = issuer().address()), none);
}

#[test]
fn the_state_of_the_channel() {
    let closed = |it: &mut Case| it.channel.status = ChannelStatus::Closed;
    assert_eq!(spoilt(closed), as_a_whole(RefusalCode::Closed));
    assert_eq!(spoilt(|it| it.channel.epoch = epoch(2)), as_a_whole(RefusalCode::Epoch));
    assert_eq!(spoilt(|it| it.request.epoch = epoch(2)), as_a_whole(RefusalCode::Epoch));
    assert_eq!(spoilt(|it| it.channel.index = index(2)), at(RefusalCode::Redeemed, 0));
    let poor = |it: &mut Case| it.channel.balance = amount(4 * EACH - 1);
    assert_eq!(spoilt(poor), at(RefusalCode::Balance, 3));
    let more = |it: &mut Case| it.request.tickets[1].amount = Amount::MAX;
    assert_eq!(spoilt(more), at(RefusalCode::Balance, 1));
}

#[test]
fn tickets_of_another_epoch_or_channel_under_the_name_of_this_one() {
    // The issuer signed them, but not as what the request makes of them.
    let of = |change: fn(&mut Body)| {
        let mut winner = winners()[1].clone();
        let mut body = winner.ticket(channel().id(), channel().epoch).body;
        change(&mut body);
        winner.signature = body.sign(&issuer(), &NO_DOMAIN).ticket().signature;
        spoilt(|it| it.request.tickets[1] = winner)
    };
    let refused = at(RefusalCode::SignatureOrResponse, 1);
    assert_eq!(of(|body| body.epoch = epoch(2)), refused);
    assert_eq!(of(|body| body.channel.0[5] ^= 1), refused);
    // Unchanged, it is what it was.
    assert_eq!(of(|_| {}), None);
}

#[test]
fn the_order_of_tickets() {
    let twice = |it: &mut Case| it.request = request(published(&[1, 4, 4, 7]));
    assert_eq!(spoilt(twice), at(RefusalCode::Order, 2));
    let swapped = |it: &mut Case| it.request = request(published(&[4, 1, 5, 7]));
    assert_eq!(spoilt(swapped), at(RefusalCode::Order, 1));
    let wide = |it: &mut Case| it.request.tickets[0].interval = interval(1, 4);
    assert_eq!(spoilt(wide), at(RefusalCode::Order, 1));
    // It may be as wide as the gap is; but nobody signed that.
    let touching = |it: &mut Case| it.request.tickets[0].interval = interval(1, 3);
    assert_eq!(spoilt(touching), at(RefusalCode::SignatureOrResponse, 0));
}

#[test]
fn the_indices_from_first_to_last() {
    let last = |first| move |it: &mut Case| it.request.tickets[3].interval = interval(first, 1);
    let max = u64::from(u32::MAX);
    assert_eq!(spoilt(last(max + 1)), at(RefusalCode::TooWide, 3));
    assert_eq!(spoilt(last(max)), at(RefusalCode::SignatureOrResponse, 3));
}

#[test]
fn the_probability() {
    let more_likely = WinProbability::from_f64(0.500_001).unwrap();
    let limit = |it: &mut Case| it.limits.probability_min = more_likely;
    assert_eq!(spoilt(limit), at(RefusalCode::TooUnlikely, 0));
    let third = |it: &mut Case| {
        it.limits.probability_min = WinProbability::from_f64(0.5).unwrap();
        it.request.tickets[2].probability = WinProbability::from_f64(0.4).unwrap();
    };
    assert_eq!(spoilt(third), at(RefusalCode::TooUnlikely, 2));
}

#[test]
fn a_ticket_that_does_not_win() {
    for (indices, place) in [([1, 2, 4, 5], 1), ([3, 4, 5, 7], 0), ([1, 4, 5, 8], 3)] {
        let losing = |it: &mut Case| it.request = request(published(&indices));
        assert_eq!(spoilt(losing), at(RefusalCode::Losing, place));
    }
    // Alone as well.
    let alone = |it: &mut Case| it.request = request(published(&[6]));
    assert_eq!(spoilt(alone), at(RefusalCode::Losing, 0));
}

#[test]
fn the_response_or_the_signature() {
    let refused = at(RefusalCode::SignatureOrResponse, 2);
    let response = |it: &mut Case| {
        let mut off_by_one = winners()[2].response.to_bytes();
        off_by_one[31] += 1;
        it.request.tickets[2].response = Response::from_bytes(&off_by_one).unwrap();
        it.request = proven(it.request.clone(), &redeemer());
    };
    assert_eq!(spoilt(response), refused);
    let other_response =
        |it: &mut Case| it.request.tickets[2].response = winners()[1].response.clone();
    assert_eq!(spoilt(other_response), refused);
    let other_signature = |it: &mut Case| it.request.tickets[2].signature = winners()[1].signature;
    assert_eq!(spoilt(other_signature), refused);
    assert_eq!(spoilt(|it| it.request.tickets[2].signature = Signature([0xff; 64])), refused);
    assert_eq!(spoilt(|it| it.request.tickets[2].amount = amount(EACH + 1)), refused);
    assert_eq!(spoilt(|it| it.request.tickets[2].interval = interval(6, 1)), refused);
    let probability = |it: &mut Case| it.request.tickets[2].probability = WinProbability::ALWAYS;
    assert_eq!(spoilt(probability), refused);
}

#[test]
fn a_signer_who_is_not_the_issuer() {
    for key in [redeemer(), ChainKey::from_bytes(&[9; 32]).unwrap()] {
        let signed = |it: &mut Case| {
            it.request.tickets[3] = made_by(&key, interval(7, 1), EACH);
            it.request = proven(it.request.clone(), &redeemer());
        };
        assert_eq!(spoilt(signed), at(RefusalCode::SignatureOrResponse, 3));
    }
}

#[test]
fn the_output() {
    assert_eq!(spoilt(|it| it.request.tickets[1].output[0] = 1), at(RefusalCode::Output, 1));
    let refused = as_a_whole(RefusalCode::KeyProof);
    let other = |it: &mut Case| it.request.tickets[1].output = winners()[0].output;
    assert_eq!(spoilt(other), refused);
    // The proof is about the replaced one: it was made by the key, of what is not its output.
    let proof = |it: &mut Case| {
        other(it);
        it.request = proven(it.request.clone(), &redeemer());
    };
    assert_eq!(spoilt(proof), refused);
    // The negative of an output has the same abscissa.
    assert_eq!(spoilt(|it| it.request.tickets[1].output[0] ^= 1), refused);
}

#[test]
fn an_output_that_was_chosen_until_the_ticket_won() {
    // A ledger takes a proof of such an output, which names any secret.
    let loser = published(&[2]).remove(0);
    let ticket = loser.ticket(channel().id(), channel().epoch);
    let ticket = ticket.verify(&issuer().address(), &NO_DOMAIN).unwrap();
    let statement =
        Statement { redeemer: redeemer().address(), ticket: *ticket.hash(), separator: NO_DOMAIN };
    let ground = (1..).find_map(|number| {
        let key = ChainKey::from_bytes(&[number; 32]).unwrap();
        let output = *Evaluation::new(&key, statement).output();
        crate::wins(&ticket, &output, &loser.response).then_some((key, output))
    });
    let (key, output): (_, Output) = ground.unwrap();
    let chosen = Winner { output: output.to_bytes(), ..loser };
    for prover in [redeemer(), key] {
        let alone = request(vec![chosen.clone()]);
        let refused = spoilt(|it| it.request = proven(alone, &prover));
        assert_eq!(refused, as_a_whole(RefusalCode::KeyProof));
    }
}

#[test]
fn the_proof() {
    let refused = as_a_whole(RefusalCode::KeyProof);
    for byte in [0, 20, 40, 96] {
        assert_eq!(spoilt(|it| it.request.proof[byte] ^= 1), refused, "{byte}");
    }
    assert_eq!(spoilt(|it| it.request.proof = [0xff; 97]), refused);
    let of_others = |it: &mut Case| it.request.proof = request(published(&[1, 4, 5])).proof;
    assert_eq!(spoilt(of_others), refused);
}
