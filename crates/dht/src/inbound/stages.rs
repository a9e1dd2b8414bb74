//! The stages, and what each makes: nothing else can make it.

use libp2p_identity::PeerId;

use super::arrival::{Carriage, InboundMessage, Ticket};
use super::recorded::{Contents, Recorded};
use super::rules::Rules;
use crate::clock::Moment;
use crate::envelope::{Envelope, Identified, OpenError, Opener};
use crate::letter::{Kind, LetterId};
use crate::rates::Rates;
use crate::refusal::Refusal;
use crate::seen::{Scope, Seen, Sighting};

/// What is known of a message as soon as it is read.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    pub(super) from: PeerId,
    pub(super) ticket: Ticket,
    pub(super) hops: u8,
    pub(super) carriage: Carriage,
    pub(super) envelope: Envelope,
    /// Whether it is for this node and nobody else.
    pub(super) ours: bool,
    /// Whether a copy with more hops left is still worth having.
    pub(super) short: bool,
}

impl Carried {
    /// Among which others it is looked for: a node keeps a message for its recipient whether or
    /// not it has carried it before.
    pub(super) fn scope(&self) -> Scope {
        match self.carriage {
            Carriage::Put if !self.ours => Scope::Kept,
            Carriage::Routed | Carriage::Put | Carriage::Fetched => Scope::Carried,
        }
    }
}

/// What is known of it when its bytes were hashed.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) carried: Carried,
    /// When it came: all stages go by that, also those on the pool.
    came_at: Moment,
    pub(super) identified: Identified,
}

/// A message whose envelope has the right shape.
#[derive(Debug)]
pub struct Parsed(Carried);

/// A message whose bytes are within what its link may bring.
#[derive(Debug)]
pub struct Weighed(Carried, Moment);

/// A message whose exact bytes were not here before; or were, which is not told yet.
#[derive(Debug)]
pub struct Fresh(Known, Came);

/// A message that may come now, and in this manner.
#[derive(Debug)]
pub struct Valid(Known, Came);

/// Whether a message came before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Came {
    Before,
    Not,
}

/// A message within what its link may bring. It is a long way on from here: in a box.
#[derive(Debug)]
pub struct Admitted(Box<Known>);

/// A message in which no bit was changed.
#[derive(Debug)]
pub struct Verified(Box<Known>);

/// A message that was opened, if it is for this node to open.
#[derive(Debug)]
pub struct Decrypted {
    known: Box<Known>,
    contents: Contents,
}

/// Reads the envelope.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn deserialize(rules: &Rules, message: InboundMessage) -> Result<Parsed, Refusal> {
    let InboundMessage { from, ticket, hops, carriage, envelope } = message;
    let envelope = Envelope::parse(envelope).map_err(Refusal::Malformed)?;
    let hops = rules.cut(hops);
    let ours = rules.is_ours(&envelope);
    let travels = carriage == Carriage::Routed && !ours && envelope.destination().is_some();
    let short = travels && rules.is_short(hops);
    Ok(Parsed(Carried { from, ticket, hops, carriage, envelope, ours, short }))
}

/// Takes the bytes off what their link may bring, whatever is in them: it is now that they cost
/// something, and a copy costs as much as what is new. The stages behind go by the same time.
///
/// # Errors
/// [`Refusal::TooOften`].
pub fn weigh(rates: &Rates, parsed: Parsed, came_at: Moment) -> Result<Weighed, Refusal> {
    let Parsed(carried) = parsed;
    rates.take_bytes(&carried.from, carried.envelope.bytes().len(), came_at.now)?;
    Ok(Weighed(carried, came_at))
}

/// Finds out what came before, bit by bit as it is, in one pass over its bytes.
///
/// A message that is routed is refused for that by [`rate_limit`], after all for which one could be
/// refused that never came: so nobody finds out by a copy whom the message passed.
///
/// # Errors
/// [`Refusal::Duplicate`], [`Refusal::UnderWay`].
pub fn seen(seen: &Seen, weighed: Weighed) -> Result<Fresh, Refusal> {
    let Weighed(carried, came_at) = weighed;
    let identified = carried.envelope.identify(seen.network());
    let came = match seen.check(carried.scope(), &identified, carried.short) {
        Err(Refusal::Duplicate) if carried.carriage == Carriage::Routed => Came::Before,
        checked => checked.map(|()| Came::Not)?,
    };
    Ok(Fresh(Known { carried, came_at, identified }, came))
}

/// Checks times, hops and what it was brought for.
///
/// # Errors
/// [`Refusal::Expired`], [`Refusal::FromTheFuture`], [`Refusal::LivesTooLong`],
/// [`Refusal::HopsSpent`], [`Refusal::NotToBeKept`], [`Refusal::NotForUs`];
/// [`Refusal::Duplicate`] for what this node announced itself.
pub fn validate(rules: &Rules, fresh: Fresh) -> Result<Valid, Refusal> {
    let Fresh(known, came) = fresh;
    let Carried { envelope, carriage, hops, .. } = &known.carried;
    rules.check(envelope, *carriage, *hops, known.came_at.wall)?;
    Ok(Valid(known, came))
}

/// Takes the message off what its link may bring, by how dear it is and how long it has to be
/// remembered.
///
/// # Errors
/// [`Refusal::TooOften`], [`Refusal::Duplicate`].
pub fn rate_limit(rates: &Rates, valid: Valid) -> Result<Admitted, Refusal> {
    let Valid(known, came) = valid;
    let Carried { from, carriage, envelope, .. } = &known.carried;
    rates.take(from, *carriage, envelope.lifetime(), known.came_at.now)?;
    match came {
        Came::Before => Err(Refusal::Duplicate),
        Came::Not => Ok(Admitted(Box::new(known))),
    }
}

/// Checks the author's signature.
///
/// # Errors
/// [`Refusal::BadSignature`].
pub fn verify(admitted: Admitted) -> Result<Verified, Refusal> {
    let Admitted(known) = admitted;
    known.carried.envelope.verify(&known.identified.id)?;
    Ok(Verified(known))
}

/// Opens the envelope if it is for this node, and reads it if it is for all to read.
///
/// What does not open is no reason to refuse it: only its author is at fault, of whom nothing is
/// known.
pub fn decrypt(opener: &Opener, verified: Verified) -> Decrypted {
    let Verified(known) = verified;
    let contents = match known.carried.envelope.open(opener) {
        Ok(opened) => Contents::Mine(opened),
        Err(OpenError::NotOurs) => Contents::Others,
        Err(OpenError::Clear) => {
            known.carried.envelope.read().map_or(Contents::Unreadable, Contents::Clear)
        }
        Err(
            OpenError::Sealed
            | OpenError::Length { .. }
            | OpenError::Padding
            | OpenError::Kind(_)
            | OpenError::Sender,
        ) => Contents::Unreadable,
    };
    Decrypted { known, contents }
}

/// Reserves the message, and the letter in it if that is for the application: what becomes of them
/// is remembered by [`Recorded::settle`].
///
/// # Errors
/// [`Refusal::Duplicate`], [`Refusal::UnderWay`], [`Refusal::Full`]; [`Refusal::Expired`] for what
/// waited so long that a copy of it may be forgotten by now.
pub fn record(seen: &Seen, decrypted: Decrypted) -> Result<Recorded, Refusal> {
    let Decrypted { known, contents } = decrypted;
    let Known { carried, came_at, identified } = &*known;
    let sighting = Sighting {
        link: &carried.from,
        scope: carried.scope(),
        identified,
        short: carried.short,
        expires: carried.envelope.expires(),
        letter: letter(carried, &contents),
    };
    let claim = seen.claim(sighting, *came_at)?;
    Ok(Recorded::new(known, contents, claim))
}

/// The letter, if the application is to have it.
fn letter<'a>(carried: &Carried, contents: &'a Contents) -> Option<(&'a PeerId, LetterId)> {
    let opened = match contents {
        Contents::Mine(opened) => opened,
        Contents::Clear(opened) if carried.ours || carried.envelope.destination().is_none() => {
            opened
        }
        Contents::Clear(_) | Contents::Others | Contents::Unreadable => return None,
    };
    (opened.letter.kind == Kind::Domain).then_some((&opened.sender, opened.letter.id))
}
