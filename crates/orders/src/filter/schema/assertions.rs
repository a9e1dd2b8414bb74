//! Keywords that speak of one value and have no schema inside.

use super::{Compiler, Members, Place, expected};
use crate::filter::check::Check;
use crate::filter::error::{BadFilter, quote};
use crate::filter::fields::Field;
use crate::filter::json::Json;

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

impl Compiler<'_> {
    /// A keyword with neither a schema nor a pattern in it.
    pub(super) fn assertion(
        &mut self,
        name: &str,
        value: &Json,
        beside: &Members,
        place: Place,
    ) -> Result<Check, BadFilter> {
        if let Some(values) = value.as_array() {
            self.count_checks(values.len())?;
        }
        match name {
            "type" => types(value, place),
            "required" => required(value, place),
            "minProperties" => {
                Ok(of_order(place, Field::all().count() >= size("minProperties", value)?))
            }
            "maxProperties" => {
                Ok(of_order(place, Field::all().count() <= size("maxProperties", value)?))
            }
            "minLength" => Ok(length(place, size("minLength", value)?, usize::MAX)),
            "maxLength" => Ok(length(place, 0, size("maxLength", value)?)),
            "minimum" => Ok(self.of_chain(place, self.chain_id >= integer("minimum", value)?)),
            "maximum" => Ok(self.of_chain(place, self.chain_id <= integer("maximum", value)?)),
            "exclusiveMinimum" => {
                let bound = exclusive("exclusiveMinimum", value, beside.get("minimum"))?;
                let holds = bound.is_none_or(|bound| self.chain_id > bound);
                Ok(self.of_chain(place, holds))
            }
            "exclusiveMaximum" => {
                let bound = exclusive("exclusiveMaximum", value, beside.get("maximum"))?;
                let holds = bound.is_none_or(|bound| self.chain_id < bound);
                Ok(self.of_chain(place, holds))
            }
            "multipleOf" => {
                let factor = integer("multipleOf", value)?;
                if factor < 1 {
                    return Err(expected("multipleOf", "an integer above 0"));
                }
                Ok(self.of_chain(place, self.chain_id.checked_rem(factor) == Some(0)))
            }
            // An order has no arrays.
            "minItems" => size("minItems", value).map(|_| Check::Always),
            "maxItems" => size("maxItems", value).map(|_| Check::Always),
            "uniqueItems" => {
                let flag = matches!(value, Json::Bool(_)).then_some(Check::Always);
                flag.ok_or(expected("uniqueItems", "true or false"))
            }
            unknown => Err(BadFilter::UnknownKeyword { keyword: quote(unknown) }),
        }
    }

    fn of_chain(&self, place: Place, holds: bool) -> Check {
        debug_assert!(self.chain_id > 0, "chains are numbered from 1");
        Check::constant(holds || place != Place::ChainId)
    }

    /// `enum` and `const`: the value is one of `values`.
    pub(super) fn equals_one(&mut self, values: &[Json], place: Place) -> Result<Check, BadFilter> {
        self.count_checks(values.len())?;
        match place {
            Place::Nowhere => Ok(Check::Always),
            Place::ChainId => Ok(Check::constant(values.contains(&Json::Integer(self.chain_id)))),
            Place::Text(text) => {
                let mut texts = Vec::new();
                for value in values {
                    if let Some(value) = value.as_text() {
                        self.count_memory(value.len())?;
                        texts.push(value.to_owned());
                    }
                }
                texts.sort_unstable();
                texts.dedup();
                Ok(if texts.is_empty() { Check::Never } else { Check::OneOf(text, texts) })
            }
            Place::Order => {
                let orders = values.iter().map(|value| self.equals_order(value));
                Ok(Check::any(orders.collect::<Result<_, _>>()?))
            }
        }
    }

    /// The whole order is `value`: it has the same keys, and each the same value.
    fn equals_order(&mut self, value: &Json) -> Result<Check, BadFilter> {
        let Some(members) = value.as_object() else { return Ok(Check::Never) };
        if members.len() != Field::all().count() {
            return Ok(Check::Never);
        }
        let mut checks = Vec::new();
        for (name, field) in Field::all() {
            let Some(value) = members.get(name) else { return Ok(Check::Never) };
            checks.push(self.equals_one(std::slice::from_ref(value), field.into())?);
        }
        Ok(Check::all(checks))
    }
}

fn of_order(place: Place, holds: bool) -> Check {
    Check::constant(holds || place != Place::Order)
}

fn length(place: Place, min: usize, max: usize) -> Check {
    match place {
        Place::Text(text) => Check::Length(text, min, max),
        Place::Order | Place::ChainId | Place::Nowhere => Check::Always,
    }
}

fn types(value: &Json, place: Place) -> Result<Check, BadFilter> {
    let wanted = || expected("type", "the name of a type, or an array of such names");
    let names = value.as_array().unwrap_or(std::slice::from_ref(value));
    if names.is_empty() {
        return Err(wanted());
    }
    let mut holds = false;
    for name in names {
        let name = name.as_text().filter(|name| TYPES.contains(name)).ok_or_else(wanted)?;
        holds |= match place {
            Place::Order => name == "object",
            Place::Text(_) => name == "string",
            Place::ChainId => matches!(name, "integer" | "number"),
            Place::Nowhere => true,
        };
    }
    Ok(Check::constant(holds))
}

fn required(value: &Json, place: Place) -> Result<Check, BadFilter> {
    let wanted = || expected("required", "an array of strings");
    let mut holds = true;
    for name in value.as_array().ok_or_else(wanted)? {
        let name = name.as_text().ok_or_else(wanted)?;
        holds &= Field::named(name).is_some();
    }
    Ok(of_order(place, holds))
}

fn integer(keyword: &'static str, value: &Json) -> Result<i128, BadFilter> {
    value.as_integer().ok_or(expected(keyword, "an integer"))
}

fn size(keyword: &'static str, value: &Json) -> Result<usize, BadFilter> {
    let size = integer(keyword, value).ok().and_then(|size| usize::try_from(size).ok());
    size.ok_or(expected(keyword, "an integer of at least 0"))
}

/// Draft 6 and later give the bound itself, draft 4 says whether the bound beside it is excluded.
fn exclusive(
    keyword: &'static str,
    value: &Json,
    beside: Option<&Json>,
) -> Result<Option<i128>, BadFilter> {
    match (value, beside) {
        (Json::Integer(bound), _) => Ok(Some(*bound)),
        (Json::Bool(true), Some(Json::Integer(bound))) => Ok(Some(*bound)),
        (Json::Bool(false), Some(_)) => Ok(None),
        _ => Err(expected(keyword, "an integer, or true or false beside its bound")),
    }
}
