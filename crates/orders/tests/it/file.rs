//! Orders that another library made and signed: those of the file that `ORDERS_FILE` names, or the
//! sample.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::{env, fs};

use meshwork_orders::sample::SAMPLE_V3;
use meshwork_orders::v3::{Signature, SignedOrder};
use meshwork_orders::{Network, SignatureCheck, batch};

use crate::common::NOW;

/// The lines, and where they are from. Said on the terminal, past the harness: nobody is to believe
/// that the file was read when it was not.
fn lines() -> (String, String) {
    let (name, lines) = match env::var("ORDERS_FILE") {
        Ok(file) => {
            let lines = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
            (file, lines)
        }
        Err(_) => ("the sample; ORDERS_FILE names no other".to_owned(), SAMPLE_V3.to_owned()),
    };
    let count = lines.lines().count();
    let said = format!("orders: {count} lines of {name}\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    (name, lines)
}

#[test]
fn every_line_of_the_file_is_canonical_signed_and_packed() {
    let (name, lines) = lines();
    let mut ids = BTreeSet::new();
    let mut orders = Vec::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let at = || format!("{name}, line {number}");
        let signed =
            SignedOrder::from_json(line).unwrap_or_else(|error| panic!("{}: {error}", at()));
        assert_eq!(signed.to_json(), line, "{}", at());
        let network = Network { chain_id: signed.order.chain_id, exchange: signed.order.exchange };
        let hash = signed.verify(&network, NOW).unwrap_or_else(|error| panic!("{}: {error}", at()));
        assert!(ids.insert(hash), "{} is there twice", at());
        refuses_another_bit(&signed, number);
        orders.push(signed);
    }
    assert!(orders.len() >= 200, "{name} has {} orders", orders.len());
    for page in orders.chunks(500) {
        assert_eq!(batch::decode(&batch::encode(page), 500).as_deref(), Ok(page));
    }
}

/// One bit of the signature, another one for each line.
fn refuses_another_bit(signed: &SignedOrder, number: usize) {
    let mut bytes = signed.signature.as_bytes().to_vec();
    let bit = number * 7 % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    let changed = SignedOrder { signature: Signature::from(bytes), ..signed.clone() };
    assert_ne!(changed.signature_check(), SignatureCheck::Valid, "line {number}, bit {bit}");
}
