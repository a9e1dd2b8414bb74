//! What is published, to the byte.

use meshwork_tickets::{
    Address, BadSignature, Body, ChainKey, ChallengeAddress, ChannelId, DomainSeparator, HalfKey,
    Luck, Response, Signature, Ticket, WinProbability, keccak256, wins,
};

use crate::common::{NO_DOMAIN, amount, bytes, epoch, hex, interval, issuer, key, redeemer, row};
use crate::set::{AGGREGATE_BODY, AGGREGATE_HASH, AGGREGATE_SIGNATURE, CHANNEL, Row, SET};

struct Published {
    issuer: &'static str,
    address: &'static str,
    destination: &'static str,
    separator: &'static str,
    ticket: &'static str,
    hash: &'static str,
}

const P1: Published = Published {
    issuer: "492057cf93e99b31d2a85bc5e98a9c3aa0021feec52c227cc8170e8f7d047775",
    address: "bea83ba0fcee21da44a30c893f466e6bf0c29bbb",
    destination: "fb6916095ca1df60bb79ce92ce3ea74c37c5d359",
    separator: "51d3003d908045a4d76d0bfc0d84f6ff946b5934b7ea6a2958faf02fead4567a",
    ticket: "abc401a1657346845964c4f318e28e94a20c447eceaed5aa024f5b7345e5f46400000000000000000000006400000000000100000001000001ffffffffffffff045a4d76d0bfc0d84f6ff946b5934b7ea6a2958f103acd610d4728745bafb0c4e1fd3928d0f8a9d61b555f89e41598fa4aba60fc700eaea5f974dadd8c6517e7e3654851814c38d9d33b1cc39fbcdd1764057cfb",
    hash: "313814ba36b91ba8826b6f13692eb3b36ea488e4894c0cb5b7be9289a49a5bc2",
};

const P2: Published = Published {
    issuer: "14d2d952715a51aadbd4cc6bfac9aa9927182040da7b336d37d5bb7247aa7566",
    address: "20ab3cad4e6cd7c5c8da45cd8992d845f49c9200",
    destination: "345ae204774ff2b3e8d4cac884dad3d1603b5917",
    separator: "57dc754bb522f2fe7799e471fd6efd0b6139a2120198f15b92f4a78cb882af35",
    ticket: "cff6549a8f770afcc2ff07ff0d947178a7fb935539ecb2316ebeabff3f1740040000000000000000000f424000000000000a00000002000002ffffffffffffff4162339a4204a1cedf43c92049875a19cb09dd20b33432df13bb26810abc14161b514fb15a2027b05288ad9d8c3befd73831fce3d64808cc3c386fbf1a33263342a32434f24ea0a78b2cb6d503133a10f5283782",
    hash: "d9729e5102f2690672371e7264bee06d703c4b9722773266cc3ad25550e7b215",
};

fn check(published: &Published, terms: Body) {
    let (key, separator) = (key(published.issuer), DomainSeparator(bytes(published.separator)));
    assert_eq!(hex(&key.address().0), published.address);
    let signed = terms.sign(&key, &separator);
    assert_eq!(hex(&signed.leak().to_bytes()), published.ticket);
    assert_eq!(hex(&signed.hash().0), published.hash);
    let ticket = Ticket::from_bytes(&bytes::<148>(published.ticket)).unwrap();
    assert_eq!(ticket.verify(&key.address(), &separator), Ok(signed));
    assert_eq!(hex(&ticket.to_bytes()), published.ticket);
}

fn channel(published: &Published) -> ChannelId {
    ChannelId::between(&Address(bytes(published.address)), &Address(bytes(published.destination)))
}

#[test]
fn the_first_published_ticket() {
    let terms = Body {
        channel: channel(&P1),
        epoch: epoch(1),
        interval: interval(1, 1),
        amount: amount(100),
        probability: WinProbability::ALWAYS,
        challenge: ChallengeAddress(bytes("045a4d76d0bfc0d84f6ff946b5934b7ea6a2958f")),
    };
    check(&P1, terms);
}

#[test]
fn the_second_published_ticket_is_an_aggregate() {
    let terms = Body {
        channel: channel(&P2),
        epoch: epoch(2),
        interval: interval(10, 2),
        amount: amount(1_000_000),
        probability: WinProbability::ALWAYS,
        challenge: ChallengeAddress(bytes("4162339a4204a1cedf43c92049875a19cb09dd20")),
    };
    assert!(terms.is_aggregate());
    check(&P2, terms);
}

#[test]
fn a_ticket_from_its_half_keys_to_its_win() {
    assert_eq!(
        hex(&issuer().public().to_bytes()),
        "0239d1bc2291826eaed86567d225cf243ebc637275e0a5aedb0d6b1dc82136a38e"
    );
    assert_eq!(hex(&redeemer().address().0), "b279b8dec0814850a012d1fefb7c41974e522517");
    assert_eq!(
        hex(&redeemer().public().to_bytes()),
        "02aeadf96de7aa9c69cddda4ac18f40ca4490b17542896bae440ee7cc88daf9a6f"
    );
    let half = |digits| HalfKey::from_bytes(&bytes(digits)).unwrap();
    let own = half("3477d7de923ba3a7d5d72a7d6c43fd78395453532d03b2a1e2b9a7cc9b61bafa");
    let other = half("4471496ef88d9a7d86a92b7676f3c8871a60792a37fae6fc3abc347c3aa3b16b");
    let points = [own.challenge(), other.challenge()];
    assert_eq!(
        points.map(|it| hex(&it.to_bytes())),
        [
            "03e50a8ab2d40dcc01453bada2ef29d550272e8e85754339c965f12b0f5cdb5b21",
            "0263f97751f8189c07a7a9938c305cd5989c9e1016b208f28b7208f2b856295f13",
        ]
    );
    let response = Response::combine(&own, &other).unwrap();
    assert_eq!(
        hex(&*response.to_bytes()),
        "78e9214d8ac93e255c8055f3e337c5ff53b4cc7d64fe999e1d75dc48d6056c65"
    );
    assert_eq!(points[0].combine(&points[1]), Ok(response.challenge()));
    let body = Body {
        channel: ChannelId::between(&issuer().address(), &redeemer().address()),
        epoch: epoch(4),
        interval: interval(0, 1),
        amount: amount(50_000_000_000_000_000),
        probability: WinProbability::ALWAYS,
        challenge: response.challenge_address(),
    };
    assert_eq!(hex(&body.channel.0), CHANNEL);
    assert_eq!(hex(&body.challenge.0), "f5cce2f8eb4566e80316993a316f680515c3699d");
    assert_eq!(
        hex(&body.to_bytes()),
        "e7037a7eb3f297bb417bf9cb070b0db8c8fc0f79cfe388cebc7913a850a0f5810000000000b1a2bc2ec5000000000000000000000001000004fffffffffffffff5cce2f8eb4566e80316993a316f680515c3699d"
    );
    let ticket = body.sign(&issuer(), &NO_DOMAIN);
    assert_eq!(
        hex(&ticket.hash().0),
        "9c8f45d9da5d299734fa0c4fd7571a59da24097f04708d2bcb397358fa5821a1"
    );
    assert_eq!(
        hex(&ticket.ticket().signature.0),
        "45c83c5f6a4e2d53a4c22a1caa10788da0b2edcbfd8ca33030062c34ba6a990526eb04c149a13f53e47b26475a8b13452211d7feb9cb124409b24424457cb016"
    );
    let acknowledged = ticket.into_unacknowledged(own).acknowledge(&other).unwrap();
    let redeemable = acknowledged.into_redeemable(&redeemer(), &[1; 64]).unwrap();
    assert_eq!(
        hex(&redeemable.proof().output().to_bytes()),
        "0313361e7936a8a57ae7798a890901c7b7369a42175b2b753154c9db2cc7665512"
    );
    assert_eq!(redeemable.luck().to_string(), "5947875a10ecc7");
    assert!(redeemable.wins());
}

#[test]
fn a_response_and_the_address_that_it_solves() {
    let digits = "876a41ee5fb2d27ac14d8e8d552692149627c2f52330ba066f9e549aef762f73";
    let response = Response::from_bytes(&bytes(digits)).unwrap();
    let challenge = ChallengeAddress(bytes("e253615861cce637d051df7648b722d4f8bb7a69"));
    assert!(response.solves(&challenge));
    assert!(!response.solves(&ChallengeAddress::default()));
}

#[test]
fn the_set_of_eight() {
    for row in &SET {
        let epoch_and_index = [1_u64.to_be_bytes(), row.index.to_be_bytes()].concat();
        let response = keccak256(&[&bytes::<32>(CHANNEL)[..], &epoch_and_index].concat());
        assert_eq!(hex(&response), row.response);
        assert_eq!(hex(&row.body().challenge.0), row.challenge);
        let ticket = row.ticket();
        assert_eq!(hex(&ticket.hash().0), row.hash);
        assert_eq!(hex(&ticket.ticket().signature.0), row.signature);
        let luck = Luck::of(&ticket, &row.output(), &row.response());
        assert_eq!(luck.to_string(), row.luck);
        assert_eq!(wins(&ticket, &row.output(), &row.response()), row.wins);
        let redeemable = row.acknowledged().into_redeemable(&redeemer(), &[9; 64]).unwrap();
        assert_eq!(redeemable.proof().output(), &row.output());
        assert_eq!(redeemable.wins(), row.wins);
    }
}

#[test]
fn the_aggregate_of_the_four_that_win() {
    let winners: Vec<_> = SET.iter().filter(|row| row.wins).map(Row::body).collect();
    let (first, last) = (winners[0], winners[winners.len() - 1]);
    let amounts = winners.iter().map(|body| body.amount);
    let body = Body {
        interval: first.interval.covering(&last.interval).unwrap(),
        amount: meshwork_tickets::Amount::checked_sum(amounts).unwrap(),
        probability: WinProbability::ALWAYS,
        ..first
    };
    assert_eq!(hex(&body.to_bytes()), AGGREGATE_BODY);
    let ticket = body.sign(&issuer(), &NO_DOMAIN);
    assert_eq!(hex(&ticket.hash().0), AGGREGATE_HASH);
    assert_eq!(hex(&ticket.ticket().signature.0), AGGREGATE_SIGNATURE);
    assert!(wins(&ticket, &row(2).output(), &row(1).response()));
}

#[test]
fn the_numbers_of_probabilities() {
    for (given, number) in [
        (1.0, "ffffffffffffff"),
        (0.5, "7fffffffffffff"),
        (0.25, "3fffffffffffff"),
        (0.125, "1fffffffffffff"),
        (0.1, "1999999999999f"),
        (0.002, "0083126e978d4f"),
        (1e-5, "0000a7c5ac471f"),
        (0.731_111_1, "bb2a18d83e1a1f"),
        (1e-8, "0000002af31dbf"),
        (0.0, "00000000000000"),
    ] {
        let probability = WinProbability::from_f64(given).unwrap();
        assert_eq!(hex(&probability.to_bytes()), number, "{given}");
        assert_eq!(WinProbability::from_bytes(bytes(number)), probability);
        assert!((probability.to_f64() - given).abs() <= f64::EPSILON, "{given}");
    }
}

#[test]
fn two_computations_of_one_probability_are_equal() {
    let [first, second] = ["0020C49BBFFFFF", "0020C49BA5E34F"]
        .map(|number| WinProbability::from_bytes(bytes(number)));
    assert_ne!(first, second);
    assert!(first.approx_cmp(second).is_eq());
}

#[test]
fn the_name_of_a_channel() {
    let source = Address(bytes("a460f2e47c641b64535f5f4beeb9ac6f36f9d27c"));
    let destination = Address(bytes("b8b75fef7efdf4530cf1688c933d94e4e519ccd1"));
    let channel = ChannelId::between(&source, &destination);
    assert_eq!(hex(&channel.0), "1a410210ce7265f3070bf0e8885705dce452efcfbd90a5467525d136fcefc64a");
    assert_ne!(ChannelId::between(&destination, &source), channel);
}

#[test]
fn keccak_once_and_again() {
    let once = keccak256(b"msg");
    assert_eq!(hex(&once), "92aef1b955b9de564fc50e31a55b470b0c8cdb931f186485d620729fb03d6f2c");
    assert_eq!(
        hex(&keccak256(&once)),
        "1c4d8d521eccee7225073ea180e0fa075a6443afb7ca06076a9566b07d29470f"
    );
}

#[test]
fn the_signer_of_a_published_signature() {
    let digest = bytes("fac7acad27047640b069e8157b61623e3cb6bb86e6adf97151f93817c291f3cf");
    let r = "bcae4d37e3a1cd869984d1d68f9242291773cd33d26f1e754ecc1a9bfaee7d17";
    // The top bit, which the lower s leaves free, is 1.
    let s = "8b755ab5f6375595fc7fc245c45f6598cc873719183733f4c464d63eefd8579b";
    let signature = Signature(bytes(&format!("{r}{s}")));
    let signer = Address(bytes("f39fd6e51aad88f6f4ce6ab8827279cfffb92266"));
    assert_eq!(signature.recover(&digest), Ok(signer));
    let mut other = signature;
    other.0[32] ^= 0x80;
    assert_ne!(other.recover(&digest), Ok(signer));
}

#[test]
fn a_published_key() {
    let key = key("e17fe86ce6e99f4806715b0c9412f8dad89334bf07f72d5834207a9d8f19d7f8");
    assert_eq!(hex(&key.address().0), "115bc5b501cdd8d1fa5098d3c9be8dd5954ca371");
    assert_eq!(
        hex(&key.public().to_bytes()),
        "021464586aeaea0eb5736884ca1bf42d165fc8e2243b1d917130fb9e321d7a93b8"
    );
}

#[test]
fn numbers_that_are_no_keys() {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for number in [[0; 32], bytes(order), [0xff; 32]] {
        assert!(ChainKey::from_bytes(&number).is_err());
        assert!(HalfKey::from_bytes(&number).is_err());
        assert!(Response::from_bytes(&number).is_err());
    }
}

#[test]
fn the_higher_s_is_refused() {
    let row = row(1);
    let mut ticket = row.ticket().leak();
    // The order of the curve less s, which anybody can compute: here it would need the bit in which
    // the parity stands, so the form cannot even say it. The largest that it can say is refused.
    ticket.signature.0[32..].fill(0xff);
    let checked = ticket.verify(&issuer().address(), &NO_DOMAIN);
    assert_eq!(checked, Err(BadSignature::HighS));
}

/// The separator of the example in EIP-712.
#[test]
fn the_separator_of_a_published_domain() {
    let separator = DomainSeparator::of("Ether Mail", "1", 1, &Address([0xcc; 20]));
    assert_eq!(
        hex(&separator.0),
        "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    );
}
