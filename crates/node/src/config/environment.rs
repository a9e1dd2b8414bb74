//! The environment, taken once at the start so that nothing later depends on when it is asked.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Environment variables by name.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// What every variable of ours starts with.
    pub(super) const PREFIX: &'static str = "MESHWORK_";
    /// Names the data directory; no key, because the file is looked for there.
    pub const DATA_DIR: &'static str = "MESHWORK_DATA_DIR";
    /// Short for the variable of `log.filter`, which wins over it.
    pub const LOG: &'static str = "MESHWORK_LOG";
    /// What other Rust programs name their filter; [`Environment::LOG`] wins over it.
    pub const RUST_LOG: &'static str = "RUST_LOG";

    /// The environment of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of `variable`; `None` when it is not set or empty.
    pub fn get(&self, variable: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(variable)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The value of `variable` as an absolute path; `None` when it is anything else.
    pub(crate) fn absolute(&self, variable: &str) -> Option<PathBuf> {
        self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Every variable that starts like ours: its name, as far as it is Unicode, and its value.
    pub(super) fn ours(&self) -> impl Iterator<Item = (String, &OsStr)> {
        self.0.iter().filter_map(|(name, value)| {
            let name = name.to_string_lossy();
            name.starts_with(Self::PREFIX).then(|| (name.into_owned(), value.as_os_str()))
        })
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
