//! What a node does by itself over hours, and what it does while something takes long.

use std::time::Duration;

use meshwork_dht::{
    BroadcastStrategy, Command, Config, Flags, Key, Kind, LetterId, Lifetime, Message, Sealer,
    Terms,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::solo::Solo;
use crate::core::world::{START, envelope, keys, network, peer};

const HOUR: Duration = Duration::from_hours(1);

fn finds(solo: &mut Solo, to: u8) -> Vec<u64> {
    let said = solo.take_said(to).into_iter();
    let find = |message| match message {
        Message::Find { nonce, .. } => Some(nonce),
        _ => None,
    };
    said.filter_map(find).collect()
}

/// With one neighbour, which knows nobody, a node asks again now and then, and counts.
#[test]
fn defect_11_rounds_are_counted_and_end_however_few_there_are() {
    for answers in [false, true] {
        let config = Config::default();
        let most = usize::try_from(config.discovery.lookups_per_hour_max).unwrap();
        let mut node = Solo::new(1, &config);
        node.join(2);
        for hour in 0..4 {
            let mut asked = 0;
            for _ in 0..3_600 {
                node.wait(Duration::from_secs(1));
                let nonces = finds(&mut node, 2);
                asked += nonces.len();
                for nonce in nonces.into_iter().filter(|_| answers) {
                    node.hear(2, Message::Nodes { nonce, records: Vec::new() });
                }
            }
            assert!((1..=most).contains(&asked), "{asked} in hour {hour}, answers: {answers}");
        }
    }
}

/// A neighbour that was asked well is not asked again each time that it comes.
#[test]
fn defect_12_who_has_answered_is_not_asked_again_with_each_link() {
    let mut config = Config::default();
    config.routing.allow_private = true;
    let mut node = Solo::new(1, &config);
    let mut asked = 0;
    for _ in 0..50 {
        node.join(2);
        node.met(2);
        node.wait(Duration::from_secs(5));
        let nonces = finds(&mut node, 2);
        asked += nonces.len();
        for nonce in nonces {
            node.hear(2, Message::Nodes { nonce, records: Vec::new() });
        }
        node.wait(Duration::from_secs(5));
        node.leave(2);
    }
    assert!((1..=12).contains(&asked), "{asked} questions over 50 links");
}

/// A dial that never ends and a disk that never answers hold up what needs them, and nothing else;
/// until whoever runs the node gives them up.
#[test]
fn defects_13_and_20_what_takes_long_holds_up_nothing_else() {
    let mut config = Config::default();
    config.discovery.enabled = false;
    config.routing.allow_private = true;
    let mut node = Solo::new(1, &config);
    node.join(2);
    node.join(9);
    // An own message for a contact that has to be dialled.
    node.met(5);
    node.disk_stands_still = true;
    let strategy = BroadcastStrategy::Direct(peer(5));
    let letter = LetterId([1; 16]);
    let request = meshwork_dht::DhtOutboundRequest::new(strategy, letter, "hello".into());
    let params = config.check().unwrap();
    let addressed = meshwork_dht::broadcast(&params, &peer(1), request, START).unwrap();
    let sealer = Sealer::new(network(), &keys(1)).unwrap();
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let dispatch = meshwork_dht::seal(&sealer, addressed, &mut rng).unwrap();
    node.command(Command::Dispatch(Box::new(dispatch)));
    // Something to be kept, which waits for the disk.
    let terms = Terms { flags: Flags::MAILBOX, created: START, lifetime: Lifetime::HOUR };
    let to = meshwork_dht::Destination::of(&peer(7)).unwrap();
    let kept =
        meshwork_dht::Letter { id: LetterId([2; 16]), kind: Kind::Domain, payload: "keep".into() };
    let put = sealer.seal(&to, &kept, terms, &mut rng).unwrap();
    node.hear(2, Message::Put { number: 1, envelope: put.bytes().clone() });
    // And somebody who is dialled for a message of another, and is not there.
    node.carry(2, 2, &envelope(20, 5, Kind::Domain, b"for the one that is dialled"));
    assert_eq!(node.dials, [peer(5)]);
    node.said.clear();

    for number in 3..40_u8 {
        node.carry(2, number.into(), &envelope(30 + number, 9, Kind::Domain, b"past it"));
        let said = node.take_said(9);
        let [Message::Carry { number, .. }] = said[..] else { panic!("not at once: {said:?}") };
        node.hear(9, Message::Verdict { number, outcome: Ok(()), retry_after: Duration::ZERO });
        node.hear(2, Message::Find { nonce: 1, target: Key::of(&peer(9)), max: 1 });
        node.wait(Duration::from_millis(250));
    }
    assert_eq!(node.core.gauges().under_way, 1, "what waits for the disk");
    node.give_up();
    node.wait(HOUR);
    assert_eq!(node.core.gauges().under_way, 0);
}
