//! Keys and tickets of the published vectors.

use meshwork_tickets::vrf::Output;
use meshwork_tickets::{
    AcknowledgedTicket, Amount, Body, ChainKey, ChannelId, DomainSeparator, Epoch, IndexOffset,
    Interval, Response, TicketIndex, VerifiedTicket, WinProbability,
};

use crate::set::{CHANNEL, Row, SET};

/// No domain: the separator of most vectors.
pub(crate) const NO_DOMAIN: DomainSeparator = DomainSeparator([0; 32]);

/// Bytes of so many digits.
pub(crate) fn bytes<const LEN: usize>(digits: &str) -> [u8; LEN] {
    ecdsa::hex::read_array(&format!("0x{digits}")).unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    ecdsa::hex::write(bytes, &mut text).unwrap();
    text.split_off(2)
}

pub(crate) fn key(digits: &str) -> ChainKey {
    ChainKey::from_bytes(&bytes(digits)).unwrap()
}

/// Who issues all tickets of the set.
pub(crate) fn issuer() -> ChainKey {
    key("492057cf93e99b31d2a85bc5e98a9c3aa0021feec52c227cc8170e8f7d047775")
}

/// Whom they pay.
pub(crate) fn redeemer() -> ChainKey {
    key("48680484c6fc31bc881a0083e6e32b6dc789f9eaba0f8b981429fd346c697f8c")
}

pub(crate) fn amount(units: u128) -> Amount {
    Amount::new(units).unwrap()
}

pub(crate) fn interval(first: u64, offset: u32) -> Interval {
    Interval::new(TicketIndex::new(first).unwrap(), IndexOffset::new(offset).unwrap()).unwrap()
}

pub(crate) fn epoch(number: u32) -> Epoch {
    Epoch::new(number).unwrap()
}

impl Row {
    pub(crate) fn response(&self) -> Response {
        Response::from_bytes(&bytes(self.response)).unwrap()
    }

    pub(crate) fn output(&self) -> Output {
        Output::from_bytes(&bytes(self.output)).unwrap()
    }

    pub(crate) fn body(&self) -> Body {
        Body {
            channel: ChannelId(bytes(CHANNEL)),
            epoch: epoch(1),
            interval: interval(self.index, 1),
            amount: amount(20_000_000_000_000_000),
            probability: WinProbability::from_f64(0.5).unwrap(),
            challenge: self.response().challenge_address(),
        }
    }

    pub(crate) fn ticket(&self) -> VerifiedTicket {
        self.body().sign(&issuer(), &NO_DOMAIN)
    }

    pub(crate) fn acknowledged(&self) -> AcknowledgedTicket {
        AcknowledgedTicket::new(self.ticket(), self.response()).unwrap()
    }
}

/// The ticket of this index.
pub(crate) fn row(index: usize) -> &'static Row {
    &SET[index - 1]
}
