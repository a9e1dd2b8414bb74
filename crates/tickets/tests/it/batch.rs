//! Many tickets at once get the answers that each gets alone.

use meshwork_tickets::{Address, Body, ChainKey, Ticket, Verifier, verify_batch};

use crate::common::{NO_DOMAIN, interval, row};

fn tickets(count: u64, issuers: &[ChainKey]) -> Vec<(Ticket, Address)> {
    let sign = |index| {
        let issuer = &issuers[usize::try_from(index).unwrap() % issuers.len()];
        let body = Body { interval: interval(index, 1), ..row(1).body() };
        (body.sign(issuer, &NO_DOMAIN).leak(), issuer.address())
    };
    (0..count).map(sign).collect()
}

#[test]
fn each_gets_the_answer_that_it_gets_alone() {
    let issuers: Vec<_> = (1..=3).map(|byte| ChainKey::from_bytes(&[byte; 32]).unwrap()).collect();
    let verifier = Verifier::new();
    for count in [0, 1, 63, 64, 200] {
        let good = tickets(count, &issuers);
        assert!(verify_batch(&good, &NO_DOMAIN, &verifier).iter().all(Result::is_ok));
        for at in [0, 1, 100, 199] {
            let mut bad = good.clone();
            let Some((ticket, issuer)) = bad.get_mut(at) else { continue };
            match at {
                0 => ticket.signature.0[40] ^= 1,
                1 => ticket.body.amount = ticket.body.amount.checked_mul(2).unwrap(),
                100 => ticket.signature.0[0..32].fill(0xff),
                _ => *issuer = Address([9; 20]),
            }
            let together = verify_batch(&bad, &NO_DOMAIN, &verifier);
            let alone: Vec<_> =
                bad.iter().map(|(ticket, issuer)| ticket.verify(issuer, &NO_DOMAIN)).collect();
            assert_eq!(together, alone, "{count} {at}");
            assert_eq!(together.iter().filter(|it| it.is_err()).count(), 1);
        }
    }
}
