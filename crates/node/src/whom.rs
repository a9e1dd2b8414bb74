//! Whom an operator bans, for how long and why, as a person writes it.

use std::net::IpAddr;
use std::time::Duration;

use handshake::Banned;

/// The shortest ban.
const TIME_MIN: Duration = Duration::from_secs(1);

/// The longest ban, ten years: whoever asks for more means for ever, and an address changes hands
/// sooner.
const TIME_MAX: Duration = Duration::from_hours(10 * 365 * 24);

/// Most bytes in the reason of a ban: what the gate keeps.
const REASON_BYTES_MAX: usize = 128;

/// What an operator wrote makes no ban.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum WhomError {
    /// Neither form.
    #[error("{given:?} is neither a peer id nor an IP address")]
    Nobody {
        /// What was given.
        given: String,
    },
    /// The time is out of bounds.
    #[error("a ban of {given:?}, must be {TIME_MIN:?} to ten years")]
    Time {
        /// What was given.
        given: Duration,
    },
    /// The reason has no room.
    #[error("a reason of {len} bytes, must have at most {REASON_BYTES_MAX}")]
    Reason {
        /// Bytes given.
        len: usize,
    },
}

/// A peer id or an IP address, in the form in which bans are kept.
pub(crate) fn parse(text: &str) -> Result<Banned, WhomError> {
    let peer = || text.parse().map(Banned::Peer).ok();
    let address = || text.parse::<IpAddr>().map(Banned::Address).ok();
    let banned = peer().or_else(address).map(Banned::canonical);
    banned.ok_or_else(|| WhomError::Nobody { given: text.to_owned() })
}

pub(crate) fn ban_duration(given: Duration) -> Result<Duration, WhomError> {
    if (TIME_MIN..=TIME_MAX).contains(&given) { Ok(given) } else { Err(WhomError::Time { given }) }
}

pub(crate) fn ban_reason(given: &str) -> Result<String, WhomError> {
    let len = given.len();
    if len > REASON_BYTES_MAX { Err(WhomError::Reason { len }) } else { Ok(given.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    use libp2p::PeerId;

    #[test]
    fn a_peer_or_an_address_and_nothing_else() {
        let peer = PeerId::random();
        assert_eq!(parse(&peer.to_string()), Ok(Banned::Peer(peer)));
        let mapped = parse("::ffff:9.9.9.9").expect("an address");
        assert_eq!(mapped, parse("9.9.9.9").expect("an address"));
        for nobody in ["", "9.9.9", "/ip4/9.9.9.9", "example.org", "9.9.9.0/24"] {
            let given = nobody.to_owned();
            assert_eq!(parse(nobody), Err(WhomError::Nobody { given }));
        }
    }

    #[test]
    fn time_and_reason_are_bounded() {
        for good in [TIME_MIN, TIME_MAX] {
            assert_eq!(ban_duration(good), Ok(good));
        }
        for bad in [Duration::ZERO, TIME_MAX + TIME_MIN] {
            assert_eq!(ban_duration(bad), Err(WhomError::Time { given: bad }));
        }
        assert_eq!(ban_reason(&"r".repeat(128)), Ok("r".repeat(128)));
        assert_eq!(ban_reason(&"r".repeat(129)), Err(WhomError::Reason { len: 129 }));
    }
}
