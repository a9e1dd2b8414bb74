//! Which relays a packet goes over.
//!
//! The ledger says who relays and who pays whom; the caller says who lives. Of the paths that can
//! pay for themselves one is drawn at random.

use libp2p_identity::PeerId;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;
use tickets::ledger::State;
use tickets::{Address, Amount, Channel, ChannelStatus, TooUnlikely, WinProbability};

use crate::sphinx::{NodeKey, RELAYS_MAX};

/// Most first relays tried for one path.
const FIRST_MAX: usize = 16;
/// Most channels looked at behind each of them. One limit for all would let a relay whose channels
/// lead nowhere use it up.
const CHANNELS_MAX: usize = 1_000;

/// What a path has to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Who sends.
    pub from: Address,
    /// Who is to get it.
    pub to: PeerId,
    /// How many relays before that. At most [`RELAYS_MAX`].
    pub relays: u8,
    /// What each relay gets.
    pub price: Amount,
    /// How likely the tickets win. The amount of a ticket is as much larger.
    pub probability: WinProbability,
}

/// Why there is no path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoPath {
    /// More relays than a packet has room for.
    #[error("{given} relays, must be at most {RELAYS_MAX}")]
    TooLong {
        /// How many were wanted.
        given: u8,
    },
    /// The recipient is the sender.
    #[error("recipient is the sender")]
    ToItself,
    /// No packet can be made for the recipient.
    #[error("recipient has no Ed25519 key in its id")]
    NotEd25519,
    /// The price is more than any ticket can carry.
    #[error(transparent)]
    TooUnlikely(#[from] TooUnlikely),
    /// No open channel of the sender can pay for so many relays.
    #[error("no channel has the {needed} for the relays (wanted {relays}, open channels {open})")]
    Unfunded {
        /// How many were wanted.
        relays: u8,
        /// What the first ticket would be for.
        needed: Amount,
        /// Open channels of the sender.
        open: usize,
    },
    /// Channels can pay, and nobody at the other end can relay: not announced as a relay, not alive,
    /// or the recipient itself.
    #[error("no channel leads to a relay that lives (channels that can pay: {funded})")]
    NoFirstRelay {
        /// Channels that can pay.
        funded: usize,
    },
    /// The first relays have no channels on.
    #[error("no channel leads on from a first relay (tried: {first})")]
    DeadEnd {
        /// How many first relays there are.
        first: usize,
    },
    /// The search was given up.
    #[error("no path over {FIRST_MAX} first relays and {CHANNELS_MAX} channels behind each")]
    GaveUp,
}

/// A path from the sender: its relays in order, and the recipient. `may` is asked whether a peer may
/// be at a place, from 0 for the first relay.
///
/// A relay has announced that it is one, has a channel from the one before it that is open and has what its
/// ticket is for, and is neither the sender nor the recipient nor at another place of the path. To
/// the recipient no channel is needed, since it is not paid.
///
/// # Bounds
/// Tries 16 first relays at most, and looks at 1,000 channels behind each.
///
/// # Errors
/// [`NoPath`].
pub fn select(
    state: &State,
    wanted: &Wanted,
    may: &mut dyn FnMut(usize, &PeerId) -> bool,
    rng: &mut ChaCha20Rng,
) -> Result<Vec<PeerId>, NoPath> {
    let Wanted { from, to, relays, .. } = *wanted;
    if relays > RELAYS_MAX {
        return Err(NoPath::TooLong { given: relays });
    }
    if state.account_of(&to) == Some(from) {
        return Err(NoPath::ToItself);
    }
    NodeKey::of(&to).map_err(|_| NoPath::NotEd25519)?;
    if relays == 0 {
        return Ok(vec![to]);
    }
    let mut search =
        Search { state, wanted, may, rng, path: Vec::new(), first: 0, left: 0, gave_up: false };
    if search.go_on(from, relays)? {
        search.path.push((from, to));
        return Ok(search.path.into_iter().map(|(_, peer)| peer).collect());
    }
    Err(search.why_none())
}

struct Search<'a> {
    state: &'a State,
    wanted: &'a Wanted,
    may: &'a mut dyn FnMut(usize, &PeerId) -> bool,
    rng: &'a mut ChaCha20Rng,
    /// The relays so far.
    path: Vec<(Address, PeerId)>,
    /// First relays that were tried.
    first: usize,
    /// Channels that may still be looked at behind this one.
    left: usize,
    gave_up: bool,
}

impl Search<'_> {
    /// Completes the path from `at` with so many relays, if it can be done.
    fn go_on(&mut self, at: Address, relays: u8) -> Result<bool, NoPath> {
        let Some(rest) = relays.checked_sub(1) else { return Ok(true) };
        let needed = self.needed(relays)?;
        let mut next: Vec<Address> = Vec::new();
        for (_, channel) in self.state.channels_from(&at) {
            if !self.path.is_empty() && !self.may_look() {
                break;
            }
            if is_open(channel) && channel.balance >= needed {
                next.push(channel.destination);
            }
        }
        next.shuffle(self.rng);
        for address in next {
            let Some(peer) = self.relay(address) else { continue };
            if self.path.is_empty() && !self.may_begin() {
                return Ok(false);
            }
            self.path.push((address, peer));
            if self.go_on(address, rest)? {
                return Ok(true);
            }
            self.path.pop();
        }
        Ok(false)
    }

    /// Counts a first relay, if there may be another.
    fn may_begin(&mut self) -> bool {
        self.gave_up |= self.first == FIRST_MAX;
        if self.first < FIRST_MAX {
            self.first = self.first.saturating_add(1);
            self.left = CHANNELS_MAX;
            return true;
        }
        false
    }

    /// Counts a channel, if there may be another.
    fn may_look(&mut self) -> bool {
        let left = self.left.checked_sub(1);
        self.gave_up |= left.is_none();
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// The peer of an account that can be the next relay.
    fn relay(&mut self, address: Address) -> Option<PeerId> {
        let peer = self.state.relay_of(&address)?;
        let known = address == self.wanted.from
            || peer == self.wanted.to
            || self.path.iter().any(|(at, _)| *at == address);
        let usable = !known && NodeKey::of(&peer).is_ok();
        (usable && (self.may)(self.path.len(), &peer)).then_some(peer)
    }

    /// What the ticket is for that goes with a packet of so many relays.
    fn needed(&self, relays: u8) -> Result<Amount, TooUnlikely> {
        let Wanted { price, probability, .. } = *self.wanted;
        let too_unlikely = TooUnlikely { amount: price, probability };
        probability.divide(price.checked_mul(relays.into()).ok_or(too_unlikely)?)
    }

    fn why_none(&self) -> NoPath {
        let Wanted { from, relays, .. } = *self.wanted;
        let needed = match self.needed(relays) {
            Ok(needed) => needed,
            Err(error) => return error.into(),
        };
        let own = || {
            let own = self.state.channels_from(&from).map(|(_, channel)| channel);
            own.filter(|channel| is_open(channel))
        };
        let funded = own().filter(|channel| channel.balance >= needed).count();
        match (funded, self.first) {
            _ if self.gave_up => NoPath::GaveUp,
            (0, _) => NoPath::Unfunded { relays, needed, open: own().count() },
            (funded, 0) => NoPath::NoFirstRelay { funded },
            (_, first) => NoPath::DeadEnd { first },
        }
    }
}

fn is_open(channel: &Channel) -> bool {
    channel.status == ChannelStatus::Open
}
