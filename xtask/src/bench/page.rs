//! The page of ratios: a section for each benchmark, each with the circumstances of its own run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use anyhow::Context as _;
use xshell::{Shell, cmd};

const INTRODUCTION: &str = "# Benchmarks

Written by `cargo xtask bench --report`, of all benchmarks or of those named; do not edit. Both sides
of a ratio were measured in one run on one machine, so it carries over better than the time of either
side.
";

/// What starts a section.
const HEADING: &str = "\n## ";

/// The sections of the page, by benchmark.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Page {
    sections: BTreeMap<String, String>,
}

impl Page {
    /// Takes a page apart.
    pub(super) fn read(text: &str) -> Self {
        let sections = text.split(HEADING).skip(1).filter_map(|section| {
            let (name, body) = section.split_once('\n')?;
            Some((name.to_owned(), body.trim().to_owned()))
        });
        Self { sections: sections.collect() }
    }

    /// Replaces the section of one benchmark.
    pub(super) fn set(&mut self, name: &str, circumstances: &Circumstances, ratios: &[String]) {
        let body = format!("{}\n\n```text\n{}\n```", circumstances.line(), ratios.join("\n"));
        self.sections.insert(name.to_owned(), body);
    }

    /// The page as it is kept.
    pub(super) fn text(&self) -> String {
        let section = |(name, body): (&String, &String)| format!("{HEADING}{name}\n\n{body}\n");
        let sections: String = self.sections.iter().map(section).collect();
        format!("{INTRODUCTION}{sections}")
    }
}

/// Where and when a report was made.
#[derive(Debug)]
pub(super) struct Circumstances {
    machine: String,
    compiler: String,
    commit: String,
    date: String,
    /// Whose orders were encoded, where some were.
    orders: Option<String>,
    quick: bool,
}

impl Circumstances {
    pub(super) fn read(sh: &Shell, quick: bool, orders: Option<String>) -> anyhow::Result<Self> {
        let cores = thread::available_parallelism()?;
        let changed = !cmd!(sh, "git status --porcelain --untracked-files=no").read()?.is_empty();
        let commit = cmd!(sh, "git rev-parse --short=12 HEAD").read()?;
        Ok(Self {
            machine: format!("{}, {cores} cores", cpu_model()),
            compiler: cmd!(sh, "rustc --version").read()?,
            commit: if changed { format!("{commit}, with local changes") } else { commit },
            date: cmd!(sh, "date -u +%Y-%m-%d").read()?,
            orders,
            quick,
        })
    }

    pub(super) fn line(&self) -> String {
        let Self { machine, compiler, commit, date, orders, quick } = self;
        let samples =
            if *quick { "few samples (`--quick`): rough figures" } else { "full samples" };
        let orders =
            orders.iter().map(|orders| format!("\nOrders, where some are encoded: {orders}."));
        let orders: String = orders.collect();
        format!("On {machine}, with {compiler}, commit {commit}, {date}; {samples}.{orders}")
    }
}

/// Whose orders the figures of encoded ones are of.
pub(super) fn whose(file: Option<&Path>) -> anyhow::Result<String> {
    let Some(file) = file else {
        return Ok("the sample in the tree (`--orders FILE` names others)".to_owned());
    };
    let text = fs::read_to_string(file).context("cannot read the file of orders")?;
    let name = file.file_name().unwrap_or_default().display();
    Ok(format!("{name}, {} lines", text.lines().count()))
}

/// What Linux calls the processor; its architecture elsewhere.
fn cpu_model() -> String {
    let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = described.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circumstances() -> Circumstances {
        Circumstances {
            machine: "Abacus, 2 cores".to_owned(),
            compiler: "rustc 1.95.0".to_owned(),
            commit: "0123456789ab".to_owned(),
            date: "2026-11-21".to_owned(),
            orders: Some("some.jsonl, 7 lines".to_owned()),
            quick: true,
        }
    }

    #[test]
    fn whose_orders_were_encoded_is_said() -> anyhow::Result<()> {
        assert!(whose(None)?.starts_with("the sample"));
        let sample =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/orders/data/sample-v3.jsonl");
        assert_eq!(whose(Some(&sample))?, "sample-v3.jsonl, 200 lines");
        assert!(whose(Some(Path::new("no such file"))).is_err());
        Ok(())
    }

    #[test]
    fn a_section_says_under_which_circumstances_it_was_written() {
        let mut page = Page::default();
        page.set("transport", &circumstances(), &["ratio bulk 0.97".to_owned()]);
        let text = page.text();
        for part in
            ["Abacus, 2 cores", "1.95.0", "0123456789ab", "2026-11-21", "some.jsonl", "--quick"]
        {
            assert!(text.contains(part), "{part} is missing");
        }
        assert!(text.contains("## transport\n\nOn Abacus"), "{text}");
        assert!(text.contains("```text\nratio bulk 0.97\n```"), "{text}");
    }

    #[test]
    fn what_was_not_run_again_stays() {
        let ratio = |ratio: &str| [ratio.to_owned()];
        let mut page = Page::default();
        page.set("orders", &circumstances(), &ratio("ratio a 1"));
        page.set("wire", &circumstances(), &ratio("ratio b 2"));
        let mut again = Page::read(&page.text());
        assert_eq!(again, page);
        again.set("wire", &circumstances(), &ratio("ratio b 3"));
        let text = again.text();
        assert!(text.contains("ratio a 1") && text.contains("ratio b 3"), "{text}");
        assert!(!text.contains("ratio b 2"), "{text}");
    }
}
