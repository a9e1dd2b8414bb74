//! Names of subprotocols: those that are well known are a number on the wire, others are words.

use wire::proto::ordersync::v1::{WellKnown, offer, response};
use wire::{Defect, Malformed};

use super::{Unpackable, within};
use crate::{paging, riblt};

/// Most bytes of the name of a subprotocol in this envelope.
pub const NAME_LEN_MAX: usize = 64;

/// What a number stands for, for ever.
const KNOWN: [(WellKnown, &str); 3] = [
    (WellKnown::Riblt, riblt::NAME),
    (WellKnown::Pagination1, paging::V1::NAME),
    (WellKnown::Pagination0, paging::V0::NAME),
];

pub(super) fn in_offer(name: &str) -> Result<offer::Name, Unpackable> {
    match number(name) {
        Some(number) => Ok(offer::Name::Known(number)),
        None => words(name).map(offer::Name::Words),
    }
}

pub(super) fn in_response(name: &str) -> Result<response::Name, Unpackable> {
    match number(name) {
        Some(number) => Ok(response::Name::Known(number)),
        None => words(name).map(response::Name::Words),
    }
}

pub(super) fn of_offer(name: Option<offer::Name>) -> Result<String, Malformed> {
    match name {
        Some(offer::Name::Known(number)) => of_number(number, "offer.known"),
        Some(offer::Name::Words(words)) => of_words(words, "offer.words"),
        None => Err(Malformed::new("offer.name", Defect::Missing)),
    }
}

pub(super) fn of_response(name: Option<response::Name>) -> Result<String, Malformed> {
    match name {
        Some(response::Name::Known(number)) => of_number(number, "response.known"),
        Some(response::Name::Words(words)) => of_words(words, "response.words"),
        None => Err(Malformed::new("response.name", Defect::Missing)),
    }
}

fn number(name: &str) -> Option<i32> {
    KNOWN.iter().find(|(_, known)| *known == name).map(|(number, _)| i32::from(*number))
}

fn words(name: &str) -> Result<String, Unpackable> {
    within("bytes of a subprotocol's name", name.len(), 1, NAME_LEN_MAX)?;
    Ok(name.to_owned())
}

/// A number of a later version keeps its place in the list, under a name that nobody has.
fn of_number(number: i32, field: &'static str) -> Result<String, Malformed> {
    if number == i32::from(WellKnown::Unspecified) {
        return Err(Malformed::new(field, Defect::Missing));
    }
    let known = KNOWN.iter().find(|(known, _)| i32::from(*known) == number);
    Ok(known.map_or_else(|| format!("#{number}"), |(_, name)| (*name).to_owned()))
}

fn of_words(words: String, field: &'static str) -> Result<String, Malformed> {
    if words.is_empty() { Err(Malformed::new(field, Defect::Missing)) } else { Ok(words) }
}
