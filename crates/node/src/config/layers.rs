//! Flag over environment over file over default, and what is wrong in any of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use super::{Config, ConfigError, Environment, KeyPath, Mistake, Params, Problem, Source};

/// Longest configuration file that is read, in bytes. The one that `meshwork init` writes has 5 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How alike two names must be for one to be suggested for the other, by Jaro and Winkler: 1 is equal.
const ALIKE: f64 = 0.8;

/// Keys of earlier versions, and what does their work now. Too unlike for the names to show it.
const MOVED: &[(&str, &str)] = &[("peers.target", "gossip.expected")];

/// One option of the command line that sets a key.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The key that it sets.
    pub key: KeyPath,
    /// The option, as `--listen`.
    pub option: &'static str,
    /// Its value.
    pub value: Value,
}

/// What a configuration is made of, weakest first; the defaults lie below all of it.
#[derive(Clone, Debug)]
pub struct Layers<'a> {
    /// The file, which must exist; `None` for a node without one.
    pub file: Option<&'a Path>,
    /// The environment.
    pub environment: &'a Environment,
    /// The options of the command line.
    pub flags: Vec<Flag>,
}

impl Layers<'_> {
    /// Reads every layer, lays one over the other and checks the result.
    ///
    /// # Bounds
    /// Reads at most 1 MiB of the file.
    ///
    /// # Errors
    /// [`ConfigError`]: the file cannot be read, or all that is wrong in any layer.
    pub fn load(self) -> Result<Effective, ConfigError> {
        let mut pile = Pile::default();
        if let Some(path) = self.file {
            pile.file(path, &read(path)?);
        }
        pile.environment(self.environment);
        for Flag { key, option, value } in self.flags {
            pile.put(key, value, Source::Flag { option });
        }
        pile.check()
    }
}

/// A configuration that passed every check, with the source of each value.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The values, checked.
    pub params: Params,
    sources: BTreeMap<KeyPath, Source>,
}

impl Effective {
    /// Where the value of `key` came from.
    pub fn source(&self, key: KeyPath) -> &Source {
        self.sources.get(&key).unwrap_or(&Source::Default)
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source: io::Error| ConfigError::Unreadable { path: path.into(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ConfigError::TooLong { path: path.into(), most: FILE_BYTES_MAX });
    }
    Ok(text)
}

/// The layers so far.
#[derive(Debug, Default)]
struct Pile {
    config: Config,
    sources: BTreeMap<KeyPath, Source>,
    problems: Vec<Problem>,
}

impl Pile {
    fn file(&mut self, path: &Path, text: &str) {
        let place = |at: Option<usize>| {
            let line =
                at.and_then(|at| text.get(..at)).map(|before| before.matches('\n').count() + 1);
            Source::File { path: path.into(), line }
        };
        let (document, mut faults) = DeTable::parse_recoverable(text);
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.span().map(|span| span.start));
            for fault in faults {
                let mistake = Mistake::Syntax(fault.message().to_owned());
                self.refuse(place(fault.span().map(|span| span.start)), mistake);
            }
            return;
        }
        let mut sections: Vec<_> = document.into_inner().into_iter().collect();
        sections.sort_by_key(|(name, _)| name.span().start);
        for (name, section) in sections {
            let place = |at: usize| place(Some(at));
            self.section(name.get_ref(), name.span().start, section, &place);
        }
    }

    fn section(
        &mut self,
        name: &str,
        at: usize,
        section: Spanned<DeValue<'_>>,
        place: &dyn Fn(usize) -> Source,
    ) {
        let Some(known) = Config::MANUAL.iter().find(|section| section.name == name) else {
            return self.unknown_section(name, at, &section, place);
        };
        let mut keys: Vec<_> = match section.into_inner() {
            DeValue::Table(keys) => keys.into_iter().collect(),
            other => {
                let mistake = Mistake::NotASection { section: known.name, found: other.type_str() };
                return self.refuse(place(at), mistake);
            }
        };
        keys.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in keys {
            let (name, place) = (key.get_ref(), place(key.span().start));
            let given = format!("{}.{name}", known.name);
            match KeyPath::find(&given) {
                Some(key) => match Value::deserialize(ValueDeserializer::from(value)) {
                    Ok(value) => self.put(key, value, place),
                    Err(error) => self.refuse(place, Mistake::meaningless(key, error.message())),
                },
                None => self.refuse(place, unknown_key(given, name)),
            }
        }
    }

    fn unknown_section(
        &mut self,
        name: &str,
        at: usize,
        section: &Spanned<DeValue<'_>>,
        place: &dyn Fn(usize) -> Source,
    ) {
        let keys = section.get_ref().as_table().into_iter().flatten();
        let moved = |key: &str| {
            let given = format!("{name}.{key}");
            moved(&given).map(|now| (given, now.to_owned()))
        };
        let moved: Vec<_> =
            keys.filter_map(|(key, _)| Some((key.span().start, moved(key.get_ref())?))).collect();
        if moved.is_empty() {
            let known = Config::MANUAL.iter().map(|section| section.name.to_owned());
            let nearest = nearest(known, |known| strsim::jaro_winkler(known, name));
            let mistake = Mistake::UnknownSection { given: name.to_owned(), nearest };
            return self.refuse(place(at), mistake);
        }
        for (at, (given, now)) in moved {
            self.refuse(place(at), Mistake::UnknownKey { given, nearest: Some(now) });
        }
    }

    fn environment(&mut self, environment: &Environment) {
        // The short names of the filter come first, so that its full name wins.
        let filter = KeyPath { section: "log", key: "filter" };
        for variable in [Environment::RUST_LOG, Environment::LOG] {
            if let Some(value) = environment.get(variable) {
                self.variable(filter, variable.to_owned(), value);
            }
        }
        for (variable, value) in environment.ours() {
            match KeyPath::all().find(|key| key.variable() == variable) {
                Some(key) => self.variable(key, variable, value),
                None if [Environment::DATA_DIR, Environment::LOG].contains(&&*variable) => {}
                None => {
                    let alike = |known: &str| strsim::jaro_winkler(known, &variable);
                    let moved = MOVED.iter().find(|(old, _)| variable_of(old) == variable);
                    let nearest = match moved {
                        Some((_, now)) => Some(variable_of(now)),
                        None => nearest(KeyPath::all().map(KeyPath::variable), alike),
                    };
                    let place = Source::Environment { variable: variable.clone() };
                    self.refuse(place, Mistake::UnknownVariable { nearest });
                }
            }
        }
    }

    fn variable(&mut self, key: KeyPath, variable: String, value: &OsStr) {
        let place = Source::Environment { variable };
        let Some(text) = value.to_str() else {
            return self.refuse(place, Mistake::NotUnicode { key });
        };
        let present = self.config.value(key);
        if let Some(value) = from_text(&present, text) {
            return self.put(key, value, place);
        }
        let detail = format!("{text:?} is not {}", expected(&present));
        self.refuse(place, Mistake::meaningless(key, &detail));
    }

    /// Lays `value` over the present one.
    fn put(&mut self, key: KeyPath, value: Value, place: Source) {
        let present = self.config.value(key);
        let value = widened(value, &present);
        if !value.same_type(&present) {
            let (expected, found) = (expected(&present), value.type_str());
            return self.refuse(place, Mistake::Type { key, expected, found });
        }
        let mut table = self.config.table();
        if let Some(section) = table.get_mut(key.section).and_then(Value::as_table_mut) {
            section.insert(key.key.to_owned(), value);
        }
        match Config::deserialize(table) {
            Ok(config) => {
                self.config = config;
                self.sources.insert(key, place);
            }
            Err(error) => self.refuse(place, Mistake::meaningless(key, error.message())),
        }
    }

    fn refuse(&mut self, place: Source, mistake: Mistake) {
        self.problems.push(Problem { place, mistake });
    }

    fn check(self) -> Result<Effective, ConfigError> {
        let Self { config, sources, mut problems } = self;
        let place = |mistake: &Mistake| {
            let place = mistake.key().and_then(|key| sources.get(&key));
            place.cloned().unwrap_or(Source::Default)
        };
        match config.check() {
            Ok(params) if problems.is_empty() => return Ok(Effective { params, sources }),
            Ok(_) => {}
            Err(mistakes) => problems.extend(
                mistakes.into_iter().map(|mistake| Problem { place: place(&mistake), mistake }),
            ),
        }
        Err(ConfigError::Invalid { problems })
    }
}

/// The key that does the work of `old` now.
fn moved(old: &str) -> Option<&'static str> {
    MOVED.iter().find_map(|(moved, now)| (*moved == old).then_some(*now))
}

/// The variable that sets a key which need not exist any more.
fn variable_of(path: &str) -> String {
    let path = path.replace('.', "__").to_ascii_uppercase();
    format!("{}{path}", Environment::PREFIX)
}

fn unknown_key(given: String, name: &str) -> Mistake {
    // Either the name is misspelt or it stands in the wrong section.
    let alike = |known: &str| {
        let bare = known.split_once('.').map_or(known, |(_, key)| key);
        strsim::jaro_winkler(known, &given).max(strsim::jaro_winkler(bare, name))
    };
    let nearest = nearest(KeyPath::all().map(|key| key.to_string()), alike);
    Mistake::UnknownKey { given, nearest }
}

/// The one of `known` that is most alike, if any is alike at all.
fn nearest(known: impl Iterator<Item = String>, alike: impl Fn(&str) -> f64) -> Option<String> {
    let scored = known.map(|name| (alike(&name), name));
    scored
        .filter(|(score, _)| *score > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// What a value of the same type as `present` is called in an error.
fn expected(present: &Value) -> &'static str {
    match present {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of strings",
        Value::Float(_) => "a number",
        Value::Datetime(_) => "a date",
        Value::Table(_) => "a table",
    }
}

/// A whole number where another would do as well, as that.
fn widened(value: Value, present: &Value) -> Value {
    match (&value, present) {
        (Value::Integer(whole), Value::Float(_)) => {
            i32::try_from(*whole).map_or(value, |whole| Value::Float(whole.into()))
        }
        _ => value,
    }
}

/// Reads `text` as a value of the same type as `present`: a list has commas between its entries.
fn from_text(present: &Value, text: &str) -> Option<Value> {
    match present {
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
        Value::Array(_) => {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            Some(Value::Array(entries.map(Value::from).collect()))
        }
        Value::String(_) => Some(Value::from(text)),
        Value::Float(_) => text.trim().parse().ok().map(Value::Float),
        Value::Datetime(_) | Value::Table(_) => None,
    }
}
