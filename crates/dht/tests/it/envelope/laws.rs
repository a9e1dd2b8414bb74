//! Laws over any bytes and any letters.

use bytes::Bytes;
use machine::UnixTime;
use meshwork_dht::{Envelope, Flags, Form, Letter, LetterId, Lifetime, PAYLOAD_MAX, Terms};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::{Kind, key, network, opener, sealer};

fn letters() -> impl Strategy<Value = Letter> {
    let len = prop_oneof![0_usize..400, 0_usize..=PAYLOAD_MAX];
    (any::<[u8; 16]>(), len, any::<u8>()).prop_map(|(id, len, byte)| Letter {
        id: LetterId(id),
        kind: Kind::Domain,
        payload: Bytes::from(vec![byte; len]),
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let flags = prop_oneof![
        Just(Flags::NONE),
        Just(Flags::MAILBOX),
        Just(Flags::URGENT),
        Just(Flags::MAILBOX.with(Flags::URGENT)),
    ];
    (flags, 0_u64..1 << 50, 1_u16..=288).prop_map(|(flags, millis, quanta)| Terms {
        flags,
        created: UnixTime::from_millis(millis),
        lifetime: Lifetime::new(quanta).unwrap(),
    })
}

/// Bytes that get past the first looks: a header that is nearly right, and then anything.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let head = (0_u8..3, 0_u8..4, 0_u8..5, any::<bool>(), 0_u16..300);
    let rest = prop::collection::vec(any::<u8>(), 0..700);
    (head, any::<[u8; 32]>(), rest).prop_map(
        |((version, form, flags, named, quanta), key, rest)| {
            let destination = if named { key } else { [0; 32] };
            let mut bytes = vec![version, form, flags];
            bytes.extend(destination);
            bytes.extend([0, 90, 0, 0]);
            bytes.extend(quanta.to_be_bytes());
            bytes.extend(key);
            bytes.extend(rest);
            bytes
        },
    )
}

/// All that can be asked of bytes from anywhere.
fn look_at(bytes: Vec<u8>) {
    let given = Bytes::from(bytes);
    let Ok(envelope) = Envelope::parse(given.clone()) else { return };
    assert_eq!(*envelope.bytes(), given);
    let identified = envelope.identify(&network());
    assert!(envelope.verify(&identified.id).is_err(), "nobody signed it");
    assert!(envelope.open(&opener(2)).is_err(), "nobody sealed it");
    assert_eq!(envelope.read().is_some(), envelope.form() == Form::Clear);
    assert!(envelope.expires() > envelope.created());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_letter_arrives_on_any_terms(
        letter in letters(),
        terms in terms(),
        seed in any::<[u8; 32]>(),
    ) {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let sent = sealer(1).seal(&key(2), &letter, terms, &mut rng).unwrap();
        let got = Envelope::parse(sent.bytes().clone()).unwrap();
        prop_assert_eq!(&got, &sent);
        prop_assert!(got.verify(&got.identify(&network()).id).is_ok());
        prop_assert_eq!(got.open(&opener(2)).unwrap().letter, letter.clone());
        prop_assert_eq!(got.flags(), terms.flags);
        prop_assert_eq!(got.lifetime(), terms.lifetime);
        let age = terms.created.as_millis() - got.created().as_millis();
        prop_assert!(age < 300_000);
        prop_assert!(got.expires().as_millis() - got.created().as_millis()
            == (u64::from(terms.lifetime.quanta()) + 1) * 300_000);

        let terms = Terms { flags: Flags::NONE, ..terms };
        let sent = sealer(1).clear(Some(key(2)), &letter, terms).unwrap();
        let got = Envelope::parse(sent.bytes().clone()).unwrap();
        prop_assert_eq!(&got, &sent);
        prop_assert!(got.verify(&got.identify(&network()).id).is_ok());
        prop_assert_eq!(got.read().unwrap().letter, letter);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        look_at(bytes);
    }

    #[test]
    fn no_bytes_with_nearly_a_header_make_it_panic(bytes in nearly()) {
        look_at(bytes);
    }
}
