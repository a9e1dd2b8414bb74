//! The settings and the table that describes them say the same.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::time::Duration;

use meshwork_dht::{Config, ConfigError};
use serde_json::{Map, Value};

/// The page that the operator reads.
const PAGE: &str = include_str!("../../src/config.rs");

struct Row {
    section: String,
    key: String,
    default: Value,
    bound: Option<(Value, Value)>,
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<_> = line.strip_prefix("//! |")?.split('|').map(str::trim).collect();
        let (section, key) = cells[0].strip_prefix('`')?.strip_suffix('`')?.split_once('.')?;
        let bound = cells[3].split_once(" to ");
        Some(Self {
            section: section.to_owned(),
            key: key.to_owned(),
            default: value(cells[2]),
            bound: bound.map(|(min, max)| (value(min), value(max))),
        })
    }

    fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// A bound may name another key of the section: its default is meant.
    fn resolve(&self, bound: &Value) -> Value {
        let section = &sections(&Config::default())[&self.section];
        let named = bound.as_str().and_then(|name| section.get(name));
        named.unwrap_or(bound).clone()
    }
}

/// A cell: `true`, `1,024`, `64 MiB`, and as it stands a time or the name of a key.
fn value(cell: &str) -> Value {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let shift = ["", "KiB", "MiB", "GiB", "TiB"].iter().position(|known| *known == unit);
    let number = number.replace(',', "").parse::<u64>().ok();
    match (cell.parse::<bool>(), number, shift) {
        (Ok(switch), ..) => switch.into(),
        (_, Some(number), Some(thousands)) => (number << (10 * thousands)).into(),
        _ => cell.into(),
    }
}

fn rows() -> Vec<Row> {
    PAGE.lines().filter_map(Row::parse).collect()
}

fn sections(config: &Config) -> Map<String, Value> {
    serde_json::to_value(config).unwrap().as_object().unwrap().clone()
}

/// The defaults with one key set.
fn with(row: &Row, value: Value) -> Config {
    let mut sections = sections(&Config::default());
    let section = sections[&row.section].as_object_mut().unwrap();
    assert!(section.insert(row.key.clone(), value).is_some(), "{} exists", row.name());
    serde_json::from_value(sections.into()).unwrap()
}

/// What one less and one more than a value are; nothing is less than nothing.
fn beside(value: &Value) -> (Option<Value>, Value) {
    if let Some(number) = value.as_u64() {
        return (number.checked_sub(1).map(Value::from), (number + 1).into());
    }
    let time = humantime(value);
    let text = |time: Duration| Value::from(format!("{}ms", time.as_millis()));
    let step = Duration::from_millis(1);
    (time.checked_sub(step).map(text), text(time + step))
}

fn humantime(value: &Value) -> Duration {
    let text = value.as_str().unwrap();
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let number: u64 = text.strip_suffix(unit).unwrap().parse().unwrap();
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "day" | "days" => 86_400_000,
        unit => panic!("{unit} is no unit of time"),
    };
    Duration::from_millis(number * millis)
}

/// Which key is refused, with which bounds.
fn refused(config: Config) -> Option<(&'static str, Value, Value)> {
    let time = |time: Duration| Value::from(u64::try_from(time.as_millis()).unwrap());
    match config.check() {
        Err(ConfigError::Number { key, min, max, .. }) => Some((key, min.into(), max.into())),
        Err(ConfigError::Time { key, min, max, .. }) => Some((key, time(min), time(max))),
        Ok(_) => None,
    }
}

#[test]
fn defect_17_documents_and_defaults_agree() {
    let mut described: Vec<_> = rows().iter().map(Row::name).collect();
    let mut there: Vec<_> = sections(&Config::default())
        .iter()
        .flat_map(|(section, keys)| {
            keys.as_object().unwrap().keys().map(move |key| format!("{section}.{key}"))
        })
        .collect();
    described.sort();
    there.sort();
    assert_eq!(described, there);
    for row in rows() {
        assert_eq!(with(&row, row.default.clone()), Config::default(), "{}", row.name());
    }
}

#[test]
fn one_more_or_less_than_the_table_allows_is_refused_and_named() {
    for row in rows() {
        let Some((min, max)) = &row.bound else { continue };
        let (min, max) = (row.resolve(min), row.resolve(max));
        let plain = |bound: &Value| match bound.as_u64() {
            Some(number) => number.into(),
            None => u64::try_from(humantime(bound).as_millis()).unwrap().into(),
        };
        let named = |config| refused(config).is_some_and(|(key, ..)| *key == row.name());
        assert!(!named(with(&row, min.clone())) && !named(with(&row, max.clone())));
        let outside = [beside(&min).0, Some(beside(&max).1)];
        for value in outside.into_iter().flatten() {
            let (key, least, most) = refused(with(&row, value)).unwrap();
            assert_eq!((key, least, most), (row.name().as_str(), plain(&min), plain(&max)));
        }
    }
}

#[test]
fn both_profiles_are_sound_and_unknown_keys_are_not() {
    assert!(Config::default().check().is_ok());
    assert!(Config::fast().check().is_ok());
    let unknown = r#"{"routing": {"bucket_size": 20}}"#;
    let error = serde_json::from_str::<Config>(unknown).unwrap_err();
    assert!(error.to_string().contains("unknown field `bucket_size`"), "{error}");
}
