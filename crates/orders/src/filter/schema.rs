//! From a JSON Schema to a [`Check`]: every keyword is either decided here or left for the order.
//!
//! An order always has the same fields with the same types, so most of JSON Schema is decided when
//! a filter is compiled. What cannot be bounded, or what drafts read differently, is refused by name.

use std::collections::BTreeMap;

use super::Filter;
use super::check::{Check, Price};
use super::error::{BadFilter, quote};
use super::fields::{Field, Text};
use super::json::Json;
use super::pattern::Pattern;

mod assertions;

type Members = BTreeMap<String, Json>;

/// What a schema is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// The whole order, an object.
    Order,
    /// One text of it.
    Text(Text),
    /// The chain id, known from the filter.
    ChainId,
    /// Something that orders do not have. Only the form of the schema counts.
    Nowhere,
}

impl From<Field> for Place {
    fn from(field: Field) -> Self {
        match field {
            Field::ChainId => Self::ChainId,
            Field::Text(text) => Self::Text(text),
        }
    }
}

/// A schema, compiled for one chain.
#[derive(Clone)]
pub(super) struct Schema {
    pub(super) check: Check,
    pub(super) patterns: Vec<Pattern>,
    /// Bytes that it keeps.
    pub(super) memory: usize,
    /// Steps for the costliest order.
    pub(super) steps: usize,
    /// What tells the steps for a given one.
    pub(super) price: Price,
}

impl Schema {
    pub(super) fn compile(root: &Json, chain_id: u64) -> Result<Self, BadFilter> {
        let mut compiler = Compiler::new(chain_id);
        let check = compiler.root(root)?;
        let given = check.steps();
        if given > Filter::STEPS_MAX {
            return Err(BadFilter::TooCostly { given, bound: Filter::STEPS_MAX });
        }
        let Compiler { patterns, memory, .. } = compiler;
        let price = Price::of(&check);
        Ok(Self { check, patterns, memory, steps: given, price })
    }
}

struct Compiler<'a> {
    chain_id: i128,
    /// By reference, such as `#/definitions/token`.
    definitions: BTreeMap<String, &'a Json>,
    /// The references that lead to where we are.
    following: Vec<&'a str>,
    depth: usize,
    checks: usize,
    patterns: Vec<Pattern>,
    /// The number of each pattern.
    numbers: BTreeMap<&'a str, usize>,
    /// What is left of [`Filter::BUILD_MAX`].
    build_left: usize,
    memory: usize,
}

impl<'a> Compiler<'a> {
    fn new(chain_id: u64) -> Self {
        Self {
            chain_id: chain_id.into(),
            definitions: BTreeMap::new(),
            following: Vec::new(),
            depth: 0,
            checks: 0,
            patterns: Vec::new(),
            numbers: BTreeMap::new(),
            build_left: Filter::BUILD_MAX,
            memory: 0,
        }
    }

    fn root(&mut self, root: &'a Json) -> Result<Check, BadFilter> {
        if let Some(members) = root.as_object() {
            for keyword in ["definitions", "$defs"] {
                let Some(definitions) = members.get(keyword) else { continue };
                let definitions = definitions.as_object();
                let definitions = definitions.ok_or(expected(keyword, "an object of schemas"))?;
                for (name, schema) in definitions {
                    self.definitions.insert(format!("#/{keyword}/{name}"), schema);
                }
            }
        }
        // Also those that nothing refers to must be schemas.
        let definitions: Vec<&'a Json> = self.definitions.values().copied().collect();
        for definition in definitions {
            // One level down, where a definition is not the root.
            self.depth = 1;
            self.schema("definitions", definition, Place::Nowhere)?;
        }
        self.depth = 0;
        self.schema("schema", root, Place::Order)
    }

    fn schema(
        &mut self,
        keyword: &'static str,
        schema: &'a Json,
        place: Place,
    ) -> Result<Check, BadFilter> {
        self.count_checks(1)?;
        let members = match schema {
            Json::Bool(holds) => return Ok(Check::constant(*holds)),
            Json::Object(members) => members,
            Json::Null | Json::Integer(_) | Json::Text(_) | Json::Array(_) => {
                return Err(expected(keyword, "a schema: an object, true or false"));
            }
        };
        if self.depth > Filter::DEPTH_MAX {
            return Err(BadFilter::TooDeep { bound: Filter::DEPTH_MAX });
        }
        self.depth = self.depth.saturating_add(1);
        let check = match members.get("$ref") {
            Some(reference) => self.follow(reference, members, place),
            None => self.keywords(members, place),
        };
        self.depth = self.depth.saturating_sub(1);
        check
    }

    fn keywords(&mut self, members: &'a Members, place: Place) -> Result<Check, BadFilter> {
        let mut checks = Vec::new();
        for (name, value) in members {
            checks.push(self.keyword(name, value, members, place)?);
        }
        Ok(Check::all(checks))
    }

    /// One keyword. Most are about one type and hold for every other.
    fn keyword(
        &mut self,
        name: &'a str,
        value: &'a Json,
        beside: &'a Members,
        place: Place,
    ) -> Result<Check, BadFilter> {
        match name {
            _ if is_annotation(name) => Ok(Check::Always),
            "$id" | "id" | "definitions" | "$defs" if self.depth == 1 => Ok(Check::Always),
            "allOf" => Ok(Check::all(self.list("allOf", value, place)?)),
            "anyOf" => Ok(Check::any(self.list("anyOf", value, place)?)),
            "oneOf" => Ok(Check::exactly_one(self.list("oneOf", value, place)?)),
            "not" => Ok(self.schema("not", value, place)?.negated()),
            "if" => self.condition(value, beside, place),
            "then" if beside.contains_key("if") => Ok(Check::Always),
            "else" if beside.contains_key("if") => Ok(Check::Always),
            "then" => self.form_of("then", value),
            "else" => self.form_of("else", value),
            "properties" => self.properties(value, place),
            "patternProperties" => self.pattern_properties(value, place),
            "additionalProperties" => self.additional_properties(value, beside, place),
            "pattern" => self.pattern(value, place),
            "enum" => match value.as_array() {
                Some(values @ [_, ..]) => self.equals_one(values, place),
                _ => Err(expected("enum", "an array of at least one value")),
            },
            "const" => self.equals_one(std::slice::from_ref(value), place),
            "items" => match value.as_array() {
                Some(_) => self.list("items", value, Place::Nowhere).map(|_| Check::Always),
                None => self.form_of("items", value),
            },
            _ => self.assertion(name, value, beside, place),
        }
    }

    /// A schema whose outcome does not matter, because nothing of its kind is in an order.
    fn form_of(&mut self, keyword: &'static str, value: &'a Json) -> Result<Check, BadFilter> {
        self.schema(keyword, value, Place::Nowhere).map(|_| Check::Always)
    }

    fn list(
        &mut self,
        keyword: &'static str,
        value: &'a Json,
        place: Place,
    ) -> Result<Vec<Check>, BadFilter> {
        match value.as_array() {
            Some(schemas @ [_, ..]) => {
                schemas.iter().map(|schema| self.schema(keyword, schema, place)).collect()
            }
            _ => Err(expected(keyword, "an array of at least one schema")),
        }
    }

    fn condition(
        &mut self,
        value: &'a Json,
        beside: &'a Members,
        place: Place,
    ) -> Result<Check, BadFilter> {
        let condition = self.schema("if", value, place)?;
        let mut branch = |keyword| match beside.get(keyword) {
            Some(schema) => self.schema(keyword, schema, place),
            None => Ok(Check::Always),
        };
        let (then, otherwise) = (branch("then")?, branch("else")?);
        Ok(match condition {
            Check::Always => then,
            Check::Never => otherwise,
            condition @ (Check::All(_)
            | Check::Any(_)
            | Check::ExactlyOne(_)
            | Check::Not(_)
            | Check::If(_)
            | Check::Matches(..)
            | Check::Length(..)
            | Check::OneOf(..)) => Check::If(Box::new([condition, then, otherwise])),
        })
    }

    /// Follows a reference. It stands alone, since drafts differ on what is beside it.
    fn follow(
        &mut self,
        reference: &'a Json,
        members: &'a Members,
        place: Place,
    ) -> Result<Check, BadFilter> {
        let reference = reference.as_text().ok_or(expected("$ref", "a string"))?;
        let may_stand = |name: &String| {
            let at_root = self.depth == 1 && matches!(name.as_str(), "definitions" | "$defs");
            name == "$ref" || at_root || is_annotation(name)
        };
        if !members.keys().all(may_stand) {
            return Err(BadFilter::ReferenceNotAlone { reference: quote(reference) });
        }
        // Escapes in the name would need a second reading of the reference.
        let plain = !reference.contains(['~', '%']);
        let found = self.definitions.get(reference).copied().filter(|_| plain);
        let definition =
            found.ok_or_else(|| BadFilter::BadReference { reference: quote(reference) })?;
        if self.following.contains(&reference) {
            return Err(BadFilter::Recursive { reference: quote(reference) });
        }
        self.following.push(reference);
        let check = self.schema("$ref", definition, place);
        self.following.pop();
        check
    }

    fn properties(&mut self, value: &'a Json, place: Place) -> Result<Check, BadFilter> {
        let members = value.as_object().ok_or(expected("properties", "an object of schemas"))?;
        let mut checks = Vec::new();
        for (name, schema) in members {
            let field = Field::named(name).filter(|_| place == Place::Order);
            let there = field.map_or(Place::Nowhere, Place::from);
            let check = self.schema("properties", schema, there)?;
            if there != Place::Nowhere {
                checks.push(check);
            }
        }
        Ok(Check::all(checks))
    }

    fn pattern_properties(&mut self, value: &'a Json, place: Place) -> Result<Check, BadFilter> {
        let members = value.as_object();
        let members = members.ok_or(expected("patternProperties", "an object of schemas"))?;
        let mut checks = Vec::new();
        for (pattern, schema) in members {
            let number = self.pattern_number(pattern)?;
            self.form_of("patternProperties", schema)?;
            if place == Place::Order {
                for (name, field) in Field::all() {
                    if self.occurs(number, name) {
                        checks.push(self.schema("patternProperties", schema, field.into())?);
                    }
                }
            }
        }
        Ok(Check::all(checks))
    }

    /// What neither `properties` nor `patternProperties` beside it speaks of.
    fn additional_properties(
        &mut self,
        value: &'a Json,
        beside: &'a Members,
        place: Place,
    ) -> Result<Check, BadFilter> {
        self.form_of("additionalProperties", value)?;
        if place != Place::Order {
            return Ok(Check::Always);
        }
        let named = beside.get("properties").and_then(Json::as_object);
        let patterns = beside.get("patternProperties").and_then(Json::as_object);
        let mut checks = Vec::new();
        for (name, field) in Field::all() {
            let mut spoken_of = named.is_some_and(|named| named.contains_key(name));
            for pattern in patterns.into_iter().flat_map(BTreeMap::keys) {
                let number = self.pattern_number(pattern)?;
                spoken_of |= self.occurs(number, name);
            }
            if !spoken_of {
                checks.push(self.schema("additionalProperties", value, field.into())?);
            }
        }
        Ok(Check::all(checks))
    }

    fn pattern(&mut self, value: &'a Json, place: Place) -> Result<Check, BadFilter> {
        let pattern = value.as_text().ok_or(expected("pattern", "a string"))?;
        let number = self.pattern_number(pattern)?;
        Ok(match place {
            Place::Text(text) => Check::Matches(text, number),
            Place::Order | Place::ChainId | Place::Nowhere => Check::Always,
        })
    }

    fn occurs(&self, number: usize, name: &str) -> bool {
        self.patterns.get(number).is_some_and(|pattern| pattern.occurs_in(name))
    }

    /// The number of a pattern, compiled when it is seen for the first time.
    fn pattern_number(&mut self, text: &'a str) -> Result<usize, BadFilter> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let number = self.patterns.len();
        if number >= Filter::PATTERNS_MAX {
            return Err(BadFilter::TooManyPatterns { bound: Filter::PATTERNS_MAX });
        }
        let (pattern, built) = Pattern::compile(text, self.build_left)
            .map_err(|defect| BadFilter::BadPattern { pattern: quote(text), defect })?;
        self.build_left = self.build_left.saturating_sub(built);
        self.count_memory(pattern.memory())?;
        self.patterns.push(pattern);
        self.numbers.insert(text, number);
        Ok(number)
    }

    fn count_checks(&mut self, more: usize) -> Result<(), BadFilter> {
        self.checks = self.checks.saturating_add(more);
        if self.checks > Filter::CHECKS_MAX {
            return Err(BadFilter::TooManyChecks { bound: Filter::CHECKS_MAX });
        }
        self.count_memory(size_of::<Check>().saturating_mul(more))
    }

    fn count_memory(&mut self, more: usize) -> Result<(), BadFilter> {
        self.memory = self.memory.saturating_add(more);
        if self.memory > Filter::MEMORY_MAX {
            return Err(BadFilter::TooLarge { bound: Filter::MEMORY_MAX });
        }
        Ok(())
    }
}

/// Keywords that say something to people, not about orders.
fn is_annotation(name: &str) -> bool {
    matches!(
        name,
        "$schema"
            | "$comment"
            | "title"
            | "description"
            | "default"
            | "examples"
            | "readOnly"
            | "writeOnly"
            | "deprecated"
    )
}

fn expected(keyword: &'static str, expected: &'static str) -> BadFilter {
    BadFilter::BadKeyword { keyword, expected }
}
