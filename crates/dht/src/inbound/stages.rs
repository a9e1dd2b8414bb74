//! The stages, and what each makes: nothing else can make it.

use libp2p_identity::PeerId;
use machine::{Instant, UnixTime};

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

/// A message whose envelope has the right shape.
#[derive(Debug)]
pub struct Parsed(Carried);

/// A message whose exact bytes were not here before.
#[derive(Debug)]
pub struct Fresh(Carried, Identified);

/// A message that may come now, and in this manner.
#[derive(Debug)]
pub struct Valid(Carried, Identified);

/// A message within what its link may bring.
#[derive(Debug)]
pub struct Admitted(Carried, Identified);

/// A message in which no bit was changed.
#[derive(Debug)]
pub struct Verified(Carried, Identified);

/// A message that was opened, if it is for this node to open.
#[derive(Debug)]
pub struct Decrypted {
    pub(super) carried: Carried,
    pub(super) identified: Identified,
    pub(super) contents: Contents,
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

/// Refuses what came before, bit by bit as it is, in one pass over its bytes.
///
/// # Errors
/// [`Refusal::Duplicate`], [`Refusal::UnderWay`].
pub fn seen(seen: &Seen, parsed: Parsed) -> Result<Fresh, Refusal> {
    let Parsed(carried) = parsed;
    let identified = carried.envelope.identify(seen.network());
    seen.check(carried.scope(), &identified, carried.short)?;
    Ok(Fresh(carried, identified))
}

/// Checks times, hops and what it was brought for.
///
/// # Errors
/// [`Refusal::Expired`], [`Refusal::FromTheFuture`], [`Refusal::LivesTooLong`],
/// [`Refusal::HopsSpent`], [`Refusal::NotToBeKept`], [`Refusal::NotForUs`].
pub fn validate(rules: &Rules, fresh: Fresh, wall: UnixTime) -> Result<Valid, Refusal> {
    let Fresh(carried, identified) = fresh;
    rules.check(&carried.envelope, carried.carriage, carried.hops, wall)?;
    Ok(Valid(carried, identified))
}

/// Takes the message off what its link may bring.
///
/// # Errors
/// [`Refusal::TooOften`].
pub fn rate_limit(rates: &Rates, valid: Valid, now: Instant) -> Result<Admitted, Refusal> {
    let Valid(carried, identified) = valid;
    rates.take(&carried.from, carried.carriage, carried.envelope.bytes().len(), now)?;
    Ok(Admitted(carried, identified))
}

/// Checks the author's signature.
///
/// # Errors
/// [`Refusal::BadSignature`].
pub fn verify(admitted: Admitted) -> Result<Verified, Refusal> {
    let Admitted(carried, identified) = admitted;
    carried.envelope.verify(&identified.id)?;
    Ok(Verified(carried, identified))
}

/// Opens the envelope if it is for this node, and reads it if it is for all to read.
///
/// What does not open is no reason to refuse it: only its author is at fault, of whom nothing is
/// known.
pub fn decrypt(opener: &Opener, verified: Verified) -> Decrypted {
    let Verified(carried, identified) = verified;
    let contents = match carried.envelope.open(opener) {
        Ok(opened) => Contents::Mine(opened),
        Err(OpenError::NotOurs) => Contents::Others,
        Err(OpenError::Clear) => {
            carried.envelope.read().map_or(Contents::Unreadable, Contents::Clear)
        }
        Err(
            OpenError::Sealed
            | OpenError::Length { .. }
            | OpenError::Padding
            | OpenError::Kind(_)
            | OpenError::Sender,
        ) => Contents::Unreadable,
    };
    Decrypted { carried, identified, contents }
}

/// Reserves the message, and the letter in it if that is for the application: what becomes of them
/// is remembered by [`Recorded::settle`].
///
/// # Errors
/// [`Refusal::Duplicate`], [`Refusal::UnderWay`], [`Refusal::Full`].
pub fn record(seen: &Seen, decrypted: Decrypted, moment: Moment) -> Result<Recorded, Refusal> {
    let Decrypted { carried, identified, contents } = decrypted;
    let sighting = Sighting {
        link: &carried.from,
        scope: carried.scope(),
        identified: &identified,
        short: carried.short,
        expires: carried.envelope.expires(),
        letter: letter(&carried, &contents),
    };
    let claim = seen.claim(sighting, moment)?;
    Ok(Recorded::new(carried, identified.id, contents, claim))
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
