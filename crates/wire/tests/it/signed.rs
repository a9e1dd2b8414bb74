//! Signed envelopes and peer records: one purpose, one author, one encoding.

use bytes::Bytes;
use libp2p_core::multiaddr::Protocol;
use libp2p_core::{Multiaddr, PeerRecord as Foreign, SignedEnvelope};
use libp2p_identity::{Keypair, PeerId};
use meshwork_wire::proto::peer::v1::{AddressInfo, Envelope, PeerRecord};
use meshwork_wire::signed::{Payload, RecordError, SealError, Signed, SignedError, SignedRecord};
use meshwork_wire::{Defect, Malformed};
use proptest::prelude::*;
use prost::Message as _;

const DOMAIN: &str = "libp2p-peer-record";
const TYPE: &[u8] = &[0x03, 0x01];

fn key(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).unwrap()
}

fn peer(number: u8) -> PeerId {
    key(number).public().to_peer_id()
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/203.0.113.7/tcp/{port}").parse().unwrap()
}

fn record() -> SignedRecord {
    SignedRecord::seal(&key(1), 42, vec![address(1), address(2)]).unwrap()
}

/// A record with any content, signed as it should be.
fn sealed(signer: u8, record: &PeerRecord) -> Vec<u8> {
    let payload = record.encode_to_vec();
    SignedEnvelope::new(&key(signer), DOMAIN.into(), TYPE.into(), payload)
        .unwrap()
        .into_protobuf_encoding()
}

fn of(number: u8, addresses: Vec<Vec<u8>>) -> PeerRecord {
    let addresses =
        addresses.into_iter().map(|multiaddr| AddressInfo { multiaddr: multiaddr.into() });
    PeerRecord { peer_id: peer(number).to_bytes().into(), seq: 1, addresses: addresses.collect() }
}

fn malformed(field: &'static str, defect: Defect) -> RecordError {
    SignedError::from(Malformed::new(field, defect)).into()
}

#[test]
fn a_record_comes_back() {
    let sealed = record();
    let opened = SignedRecord::open(sealed.encoded()).unwrap();
    assert_eq!(opened, sealed);
    assert_eq!((opened.peer(), opened.seq()), (peer(1), 42));
    assert_eq!(opened.addresses(), [address(1), address(2)]);
    assert_eq!(opened.encoded(), sealed.encoded());
    let nowhere = SignedRecord::seal(&key(1), u64::MAX, Vec::new()).unwrap();
    assert_eq!(SignedRecord::open(nowhere.encoded()), Ok(nowhere));
}

#[test]
fn records_interoperate_with_libp2p() {
    let ours = SignedEnvelope::from_protobuf_encoding(record().encoded()).unwrap();
    let theirs = Foreign::from_signed_envelope_interop(ours).unwrap();
    assert_eq!((theirs.peer_id(), theirs.seq()), (peer(1), 42));
    assert_eq!(theirs.addresses(), [address(1), address(2)]);

    let theirs = Foreign::new_interop(&key(2), vec![address(3)]).unwrap();
    let ours = theirs.to_signed_envelope().into_protobuf_encoding();
    let ours = SignedRecord::open(&ours).unwrap();
    assert_eq!((ours.peer(), ours.seq()), (peer(2), theirs.seq()));
    assert_eq!(ours.addresses(), [address(3)]);
}

#[test]
fn the_older_form_of_rust_libp2p_is_another_type() {
    let old = Foreign::new(&key(1), vec![address(1)]).unwrap();
    let old = old.to_signed_envelope().into_protobuf_encoding();
    assert_eq!(SignedRecord::open(&old), Err(SignedError::Type.into()));
}

#[test]
fn nobody_signs_for_another() {
    let forged = sealed(1, &of(2, Vec::new()));
    assert_eq!(SignedRecord::open(&forged), Err(RecordError::Signer));
}

#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    let whole = record().encoded().to_vec();
    for at in 0..whole.len() {
        assert!(SignedRecord::open(&whole[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            assert!(SignedRecord::open(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn bytes_that_nobody_signed_are_refused() {
    let good = record().encoded().to_vec();
    let unknown = [good.clone(), vec![0x78, 1]].concat();
    assert_eq!(SignedRecord::open(&unknown), Err(SignedError::NotCanonical.into()));

    let parts = Envelope::decode(good.as_slice()).unwrap();
    let key = Envelope { public_key: parts.public_key, ..Envelope::default() };
    let rest = Envelope { public_key: Bytes::new(), ..Envelope::decode(good.as_slice()).unwrap() };
    let disordered = [rest.encode_to_vec(), key.encode_to_vec()].concat();
    assert_eq!(SignedRecord::open(&disordered), Err(SignedError::NotCanonical.into()));

    let twice = [good, key.encode_to_vec()].concat();
    assert_eq!(SignedRecord::open(&twice), Err(malformed("envelope.public_key", Defect::Repeated)));
}

#[test]
fn a_record_has_bounds() {
    let bytes = |count: u16| (1..=count).map(|port| address(port).to_vec()).collect::<Vec<_>>();
    assert!(SignedRecord::open(&sealed(1, &of(1, bytes(16)))).is_ok());
    assert_eq!(
        SignedRecord::open(&sealed(1, &of(1, bytes(17)))),
        Err(malformed("peer_record.addresses", Defect::TooMany))
    );
    let long = |len: usize| {
        let name = "x".repeat(len - 3); // two bytes of code, one or two of length
        Multiaddr::empty().with(Protocol::Dns(name.into()))
    };
    let exact = (200..=256).map(long).find(|address| address.len() == 256).unwrap();
    assert!(SignedRecord::open(&sealed(1, &of(1, vec![exact.to_vec()]))).is_ok());
    let over = (200..=257).map(long).find(|address| address.len() == 257).unwrap();
    assert_eq!(
        SignedRecord::open(&sealed(1, &of(1, vec![over.to_vec()]))),
        Err(malformed("address_info.multiaddr", Defect::TooLong))
    );
    let garbage = vec![0; SignedRecord::LEN_MAX + 1];
    let too_long = SignedError::TooLong { len: 2049, max: 2048 };
    assert_eq!(SignedRecord::open(&garbage), Err(too_long.into()));
}

#[test]
fn a_record_makes_sense() {
    let open = |record: &PeerRecord| SignedRecord::open(&sealed(1, record));
    let home = address(1).to_vec();
    for (record, field, defect) in [
        (of(1, vec![home.clone(), home]), "peer_record.addresses", Defect::Repeated),
        (of(1, vec![Vec::new()]), "address_info.multiaddr", Defect::Missing),
        (of(1, vec![vec![0xff, 0xff]]), "address_info.multiaddr", Defect::Invalid),
        (PeerRecord { seq: 1, ..PeerRecord::default() }, "peer_record.peer_id", Defect::Invalid),
    ] {
        assert_eq!(open(&record), Err(malformed(field, defect)));
    }
}

#[test]
fn an_address_does_not_name_another_peer() {
    let at = |number: u8| address(1).with(Protocol::P2p(peer(number)));
    assert!(SignedRecord::seal(&key(1), 1, vec![at(1)]).is_ok());
    let circuit = at(2).with(Protocol::P2pCircuit);
    assert!(SignedRecord::seal(&key(1), 1, vec![circuit]).is_ok(), "through a relay");
    let other = sealed(1, &of(1, vec![at(2).to_vec()]));
    let invalid = malformed("address_info.multiaddr", Defect::Invalid);
    assert_eq!(SignedRecord::open(&other), Err(invalid));
}

#[test]
fn what_every_receiver_would_refuse_is_not_sealed() {
    let seal = |addresses: Vec<Multiaddr>| SignedRecord::seal(&key(1), 1, addresses).unwrap_err();
    let many = seal((1..=17).map(address).collect());
    assert!(matches!(many, SealError::Malformed(why) if why.defect == Defect::TooMany));
    let twice = seal(vec![address(1), address(1)]);
    assert!(matches!(twice, SealError::Malformed(why) if why.defect == Defect::Repeated));
}

#[test]
fn what_does_not_fit_together_is_not_sealed() {
    let mut outcomes = Vec::new();
    let mut longest = 0;
    for extra in 0..400 {
        // Eight addresses, and one byte more in all each time.
        let name = |number: usize| "x".repeat(200 + (extra + number) / 8) + &number.to_string();
        let addresses = (0..8).map(|number| Multiaddr::from(Protocol::Dns(name(number).into())));
        outcomes.push(match SignedRecord::seal(&key(1), 1, addresses.collect()) {
            Ok(record) => {
                longest = record.encoded().len();
                assert_eq!(SignedRecord::open(record.encoded()), Ok(record));
                "fits"
            }
            Err(SealError::TooLong { what, max: 2048, .. }) => what,
            Err(other) => panic!("{other}"),
        });
    }
    outcomes.dedup();
    assert_eq!(outcomes, ["fits", "record", "payload"]);
    assert_eq!(longest, SignedRecord::LEN_MAX);
}

/// A payload of another purpose than records.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Note<const OTHER: bool>(Vec<u8>);

impl<const OTHER: bool> Payload for Note<OTHER> {
    const DOMAIN: &'static str = if OTHER { "meshwork-other" } else { "meshwork-note" };
    const TYPE: &'static [u8] = b"note";
    const LEN_MAX: usize = 10;

    fn to_bytes(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn from_bytes(payload: Bytes) -> Result<Self, Malformed> {
        assert!(payload.len() <= 10, "the limit comes before the decoder");
        Ok(Self(payload.into()))
    }
}

#[test]
fn a_signature_is_for_one_purpose() {
    let note = Signed::seal(&key(1), Note::<false>(b"hi".to_vec())).unwrap();
    let bytes = note.encoded();
    assert_eq!(Signed::<Note<false>>::open(bytes, 200), Ok(note.clone()));
    assert_eq!(note.signer(), peer(1));
    assert_eq!(note.payload().0, b"hi");
    assert_eq!(Signed::<Note<true>>::open(bytes, 200), Err(SignedError::Signature));
    assert_eq!(SignedRecord::open(bytes), Err(SignedError::Type.into()));
}

#[test]
fn a_payload_has_a_bound_of_its_own() {
    let sealed = Signed::seal(&key(1), Note::<false>(vec![0; 11]));
    assert!(matches!(sealed, Err(SealError::TooLong { what: "payload", len: 11, max: 10 })));
    let seal = |len: usize| {
        SignedEnvelope::new(&key(1), "meshwork-note".into(), b"note".to_vec(), vec![0; len])
            .unwrap()
            .into_protobuf_encoding()
    };
    assert!(Signed::<Note<false>>::open(&seal(10), 200).is_ok());
    let too_long = Malformed::new("envelope.payload", Defect::TooLong);
    assert_eq!(Signed::<Note<false>>::open(&seal(11), 200), Err(too_long.into()));
}

#[test]
fn what_is_kept_does_not_hold_the_frame() {
    let frame = Bytes::from([record().encoded().to_vec(), vec![0; 100_000]].concat());
    let len = record().encoded().len();
    let opened = SignedRecord::open(&frame[..len]).unwrap();
    assert!(!frame.as_ptr_range().contains(&opened.encoded().as_ptr()));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(SignedRecord::open(&bytes).is_err());
    }

    #[test]
    fn arbitrary_signed_payloads_never_panic(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        addresses in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..4),
    ) {
        let envelope = SignedEnvelope::new(&key(1), DOMAIN.into(), TYPE.into(), payload).unwrap();
        drop(SignedRecord::open(&envelope.into_protobuf_encoding()));
        drop(SignedRecord::open(&sealed(1, &of(1, addresses))));
    }
}
