//! Proof of relay: values that other implementations agree on, and what a relay refuses.

use meshwork_relay::Unproven;
use meshwork_relay::por::{Chain, Proven, RelayString, Secret};
use meshwork_relay::sphinx::{Opened, Packet};
use tickets::{
    BadScalar, Cancelled, Challenge, ChallengeAddress, HalfKey, HalfKeyChallenge, Response,
};

use crate::{build, message, nodes};

/// The order of the curve.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits = text.as_bytes();
    assert_eq!(digits.len(), 2 * N);
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

fn challenge(bytes: [u8; 33]) -> Challenge {
    Challenge::from_bytes(&bytes).unwrap()
}

fn half_challenge(bytes: [u8; 33]) -> HalfKeyChallenge {
    HalfKeyChallenge::from_bytes(&bytes).unwrap()
}

fn address(text: &str) -> ChallengeAddress {
    ChallengeAddress(hex(text))
}

/// Secrets of bytes 01, 02, 03 and 04.
fn secrets() -> [Secret; 4] {
    [1, 2, 3, 4].map(|byte| Secret::new([byte; 32]))
}

fn chain() -> Chain {
    let [first, others @ ..] = secrets();
    Chain::new(&first, &others, &Secret::new([5; 32])).unwrap()
}

#[test]
fn half_keys_are_those_that_all_derive() {
    let expected = [
        (
            1,
            "a42ea887e8f26d3964fd8ce9250b78ad2fcf7bf19ad4c72392306df8ba9657a0",
            "dec9b40bff0e785132b29bd0d7cbd804554243ad0ffd1e48bfb7308938fcc2ca",
        ),
        (
            2,
            "e18bfa5fe856ae429dcd6dadcc23d2847408796f9bb74da5d8a3d4268f7ca560",
            "7ffcb1f536f6f708fc6441fa38dfcb4363888c5e4f3ecdf5673aa2912ed3dd91",
        ),
        (
            3,
            "528ce7c4c52bb98ddaef4f7d3c7d48fc821cb9fb448fe4ae16bb86a68f66afc6",
            "847088bafab46daa3607382f0f9af78c47eb23e7b254cae974ec23ef8773de9a",
        ),
        (
            4,
            "c64ae5b25e63b6ac69b34559413b7d17bd0011e29edf1d7ee14f2e0bd9fd613c",
            "4aba4e16eca448b4e319be96af07a25e26f36a745ffc8ad5fcd0d74375d09f91",
        ),
        (
            0,
            "d58c256df73400f2f6de56f08c108d0e46732245f1c88244eb364af3ac9f1048",
            "65526afeda6186128ff7563efc67316fbad6a800a85fc29488a7635b6eb12a21",
        ),
    ];
    for (byte, own, ack) in expected {
        let secret = Secret::new([byte; 32]);
        assert_eq!(*secret.own().to_bytes(), hex(own), "own half of {byte}");
        assert_eq!(*secret.ack().to_bytes(), hex(ack), "acknowledgement of {byte}");
    }
}

#[test]
fn the_challenges_of_a_path_are_those_that_all_derive() {
    let chain = chain();
    assert_eq!(
        chain.acknowledgement,
        half_challenge(hex("03180987d80d8d2844e43d2125b8644851a405888c57f76ec38615ff69fb570302"))
    );
    assert_eq!(
        chain.ticket,
        challenge(hex("02710910bd1542d721ccacc8a7d3e46f0a16933c764ba7a6857178467af7d08647"))
    );
    let strings = [
        (
            "02f8916d518b8c16e40d477c2c4ac2438a34e8bc99d4807aa9f396261680177798",
            "03f022a1176c815581d8c0c67eee80cd14b52e5ce7d3d0b4734b379c12fb18426f",
        ),
        (
            "03fc12b6a482b12632f3144dd9990fbc1001ed699be0640a35b2e06a5d1f9b83e0",
            "024d5a3577d9f70b85ec502f789af57cd863b2e65b5bd7257f855632fc45de5883",
        ),
    ];
    assert_eq!(chain.strings.len(), 3);
    for (string, (next, hint)) in chain.strings.iter().zip(strings) {
        assert_eq!(*string, RelayString { next: hex(next), hint: hex(hint) });
    }
    let addresses = [
        (chain.ticket, "797e26a31aa90a91fd5adc6399be48fadfc32ae3"),
        (challenge(chain.strings[0].next), "74b028b14411a054f988eb465d17e3b92420eb4f"),
        (challenge(chain.strings[1].next), "69a6dfa48f9442ffa97933bea68f5d33d24a0212"),
    ];
    for (point, expected) in addresses {
        assert_eq!(point.address(), address(expected));
    }
}

#[test]
fn an_acknowledgement_completes_the_response() {
    let [first, second, ..] = secrets();
    let response = Response::combine(&first.own(), &second.ack()).unwrap();
    assert_eq!(
        *response.to_bytes(),
        hex::<32>("242b5a7d1fe964426161cee35deb43f1d8a92b693acaf4dd3998b1fd1933f3f0")
    );
    assert_eq!(response.challenge(), chain().ticket);
}

#[test]
fn each_relay_of_a_packet_can_earn_its_ticket() {
    for count in 2..=4 {
        let nodes = nodes(count);
        let (mut packet, sent) = build(&nodes, &message(5));
        let (mut ticket, mut hint) = (sent.ticket, sent.acknowledgement);
        // What the relay before needs, and has: its own half, and the challenge it was paid by.
        let mut before: Option<(HalfKey, Challenge)> = None;
        for node in &nodes {
            let opened = node.peel(packet).unwrap().finish().unwrap();
            let ack = match &opened {
                Opened::Forward(forward) => forward.secret.ack(),
                Opened::Deliver(delivery) => delivery.secret.ack(),
            };
            assert_eq!(ack.challenge(), hint);
            if let Some((own, challenge)) = before.take() {
                assert_eq!(Response::combine(&own, &ack).unwrap().challenge(), challenge);
            }
            let Opened::Forward(forward) = opened else { break };
            let own = forward.secret.own();
            let proven = forward.string.check(&own, ticket.address()).unwrap();
            before = Some((own, ticket));
            (ticket, hint) = (proven.next, proven.hint);
            packet = forward.packet;
        }
        assert!(before.is_none());
    }
}

#[test]
fn a_relay_refuses_what_it_could_not_redeem() {
    let [first, second, ..] = secrets();
    let own = first.own();
    let Chain { ticket, strings, .. } = chain();
    let (good, ticket) = (strings[0], ticket.address());
    let no_point = [0xff; 33];
    let own_half = own.challenge().to_bytes();
    let negated = {
        let mut bytes = own_half;
        bytes[0] ^= 1;
        bytes
    };
    let proven = Proven { next: challenge(good.next), hint: half_challenge(good.hint) };
    assert_eq!(good.check(&own, ticket), Ok(proven));
    let cases = [
        (RelayString { hint: no_point, ..good }, Unproven::Point),
        (RelayString { next: no_point, ..good }, Unproven::Point),
        (RelayString { hint: negated, ..good }, Unproven::Cancels),
        (RelayString { hint: own_half, ..good }, Unproven::Challenge),
    ];
    for (string, expected) in cases {
        assert_eq!(string.check(&own, ticket), Err(expected));
    }
    assert_eq!(good.check(&second.own(), ticket), Err(Unproven::Challenge));
    assert_eq!(good.check(&own, ChallengeAddress([0; 20])), Err(Unproven::Challenge));
}

#[test]
fn a_half_key_is_neither_zero_nor_beyond_the_order() {
    for bytes in [[0; 32], [0xff; 32], hex(ORDER)] {
        assert_eq!(HalfKey::from_bytes(&bytes), Err(BadScalar));
    }
    let mut highest: [u8; 32] = hex(ORDER);
    highest[31] -= 1;
    let mut one = [0; 32];
    one[31] = 1;
    let [highest, one] = [highest, one].map(|bytes| HalfKey::from_bytes(&bytes).unwrap());
    assert_eq!(Response::combine(&highest, &one), Err(Cancelled));
    assert_eq!(Response::combine(&highest, &highest).unwrap().to_bytes()[31], 0x3f);
}

/// The recipient acknowledges too, though it earns nothing.
#[test]
fn without_a_relay_the_sender_hears_from_the_recipient() {
    let nodes = nodes(1);
    let (packet, sent): (Packet, _) = build(&nodes, &message(0));
    let Opened::Deliver(delivery) = nodes[0].peel(packet).unwrap().finish().unwrap() else {
        panic!("the only node")
    };
    assert_eq!(delivery.secret.ack().challenge(), sent.acknowledgement);
}
