//! The log: to standard error, one line for each message whatever the message holds.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer, debug_fn};
use tracing_subscriber::fmt::{FormatFields, SubscriberBuilder};

use crate::config::{Log, LogFormat};
use crate::printable::{Printable, printable_json};

/// Which messages are written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter(String);

impl Default for Filter {
    fn default() -> Self {
        Self("info,libp2p_swarm=warn,yamux=error".to_owned())
    }
}

/// A text that is no filter.
#[derive(Debug, thiserror::Error)]
#[error("{given:?} is no log filter, must be a level or a list such as \"info,meshwork=debug\"")]
pub struct FilterError {
    given: String,
    source: tracing_subscriber::filter::ParseError,
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(source) => Err(FilterError { given: text.to_owned(), source }),
        }
    }
}

impl TryFrom<String> for Filter {
    type Error = FilterError;

    fn try_from(text: String) -> Result<Self, FilterError> {
        text.parse()
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.0
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Sends all that this process logs from now on to standard error. Does nothing the second time.
pub fn start(log: &Log, colour: bool) {
    let filter = EnvFilter::builder().parse_lossy(&log.filter.0);
    // Only the first subscriber of a process counts, which is what a second call wants.
    let _already_started = match log.format {
        LogFormat::Text => text(io::stderr).with_ansi(colour).with_env_filter(filter).try_init(),
        LogFormat::Json => json(io::stderr).with_env_filter(filter).try_init(),
    };
}

/// Lines for people. Every value is made harmless before it is written: the subscriber by itself
/// escapes what steers a terminal in the message only, not in its fields, and line breaks nowhere.
fn text<W: Write, F: Fn() -> W + 'static>(
    to: F,
) -> SubscriberBuilder<impl for<'w> FormatFields<'w>, Format, LevelFilter, F> {
    let field = |out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let value = format!("{value:?}");
        match field.name() {
            "message" => write!(out, "{}", Printable(&value)),
            name => write!(out, "{name}={}", Printable(&value)),
        }
    };
    tracing_subscriber::fmt().fmt_fields(debug_fn(field).delimited(" ")).with_writer(to)
}

/// One JSON object on each line.
fn json<W: Write, F: Fn() -> W + 'static>(
    to: F,
) -> SubscriberBuilder<JsonFields, Format<Json>, LevelFilter, impl Fn() -> Harmless<W>> {
    tracing_subscriber::fmt().json().with_writer(move || Harmless(to()))
}

/// Whether standard error takes colours: it is a terminal and `NO_COLOR` is not set.
pub fn takes_colour(no_colour: bool) -> bool {
    !no_colour && io::stderr().is_terminal()
}

/// Escapes in JSON what the format would let pass.
#[derive(Debug)]
struct Harmless<W>(W);

impl<W: Write> Write for Harmless<W> {
    /// The subscriber hands over one whole object at a time, and its line break.
    fn write(&mut self, object: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(object);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        writeln!(self.0, "{}", printable_json(line))?;
        Ok(object.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::{Arc, Mutex};

    use crate::printable::is_harmful;

    #[test]
    fn a_filter_is_checked_when_it_is_read() {
        for good in ["info", "info,meshwork=debug", "warn,libp2p_swarm[{peer}]=trace"] {
            assert_eq!(good.parse::<Filter>().expect(good).to_string(), good);
        }
        assert!("info,meshwork=loud".parse::<Filter>().is_err());
    }

    /// A writer whose contents can be read afterwards.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn writer(&self) -> impl Fn() -> Self + use<> {
            let log = self.clone();
            move || log.clone()
        }
    }

    /// What a peer may call itself.
    const AGENT: &str = "evil\r\n2026-01-01 INFO all is well\u{1b}[2J\u{9b}1m\u{202e}";

    /// What is written when this subscriber hears of such a peer, in every place there is.
    fn written(log: &Shared, subscriber: impl tracing::Subscriber + Send + Sync) -> String {
        tracing::subscriber::with_default(subscriber, || {
            let _inside = tracing::info_span!("peer", agent = %AGENT).entered();
            tracing::info!(agent = AGENT, also = %AGENT, debug = ?AGENT, "refused: {AGENT}");
        });
        let written = log.0.lock().expect("no writer panics").clone();
        String::from_utf8(written).expect("the log is text")
    }

    #[test]
    fn what_a_peer_says_steers_no_terminal_and_forges_no_line() {
        let log = Shared::default();
        let line = written(&log, text(log.writer()).with_ansi(false).finish());
        let body = line.strip_suffix('\n').expect("a whole line");
        assert!(!body.contains(is_harmful), "{body:?}");
        assert_eq!(body.matches("evil").count(), 5, "{body:?}");
        assert!(
            body.contains(r"refused: evil\r\n2026-01-01 INFO all is well\u{1b}[2J"),
            "{body:?}"
        );

        let log = Shared::default();
        let line = written(&log, json(log.writer()).finish());
        let body = line.strip_suffix('\n').expect("a whole line");
        assert!(!body.contains(is_harmful), "{body:?}");
        let object: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(object["fields"]["agent"], AGENT);
    }
}
