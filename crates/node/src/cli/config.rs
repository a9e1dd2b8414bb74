//! `config show` and `config check`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use super::output::Report;
use crate::config::{Config, Effective, KeyPath, Layers, Source};
use crate::printable::Printable;

/// Every value in force, by section and key.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown<'a>(BTreeMap<&'static str, BTreeMap<&'static str, Entry<'a>>>);

#[derive(Debug, Serialize)]
struct Entry<'a> {
    value: toml::Value,
    source: &'a Source,
}

impl<'a> Shown<'a> {
    fn new(effective: &'a Effective) -> Self {
        let mut sections: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for path in KeyPath::all() {
            let KeyPath { section, key } = path;
            let entry = Entry {
                value: effective.params.config().value(path),
                source: effective.source(path),
            };
            sections.entry(section).or_default().insert(key, entry);
        }
        Self(sections)
    }
}

impl Report for Shown<'_> {
    /// The file that would give the same values, with the sources as comments.
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for section in Config::MANUAL {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(format!("[{}]", section.name));
            for key in section.keys {
                let Entry { value, source } = &self.0[section.name][key.name];
                lines.push(format!("{} = {value} # {}", key.name, Printable(&source.to_string())));
            }
        }
        lines.join("\n")
    }
}

pub(super) fn show(context: &Context<'_>) -> Result<(), Failure> {
    let effective = context.settings(&context.dir()?, Vec::new())?;
    context.output.report(&Shown::new(&effective))
}

#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    /// The file, if there is one.
    file: Option<String>,
}

impl Report for Checked {
    fn text(&self) -> String {
        let file = self.file.as_deref().unwrap_or("no configuration file, the defaults apply");
        format!("ok: {file}")
    }
}

pub(super) fn check(context: &Context<'_>, file: Option<PathBuf>) -> Result<(), Failure> {
    let file = match file {
        Some(file) => Some(file),
        None => Some(context.dir()?.config_file()).filter(|file| file.exists()),
    };
    let layers =
        Layers { file: file.as_deref(), environment: context.environment, flags: Vec::new() };
    layers.load()?;
    let file = file.map(|file| file.display().to_string());
    context.output.report(&Checked { ok: true, file })
}
