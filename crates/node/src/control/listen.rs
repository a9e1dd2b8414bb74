//! Where the control API is served and found.

use std::fmt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::datadir::DataDir;

/// Where the control API is served.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// On a unix socket; a relative path is taken from the data directory.
    Unix(String),
    /// Nowhere.
    Off,
}

impl Default for Listen {
    fn default() -> Self {
        Self::Unix("control.sock".to_owned())
    }
}

/// Why a text says not where the control API is, or that the place cannot be used.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Neither form.
    #[error("{given:?} is no control address, must be \"unix:PATH\" or \"off\"")]
    Syntax {
        /// What was given.
        given: String,
    },
    /// The system has no room for the path.
    #[error("the path of the socket has {} bytes, the system takes at most {}: {}", path.as_os_str().len(), SOCKET_PATH_MAX, path.display())]
    TooLong {
        /// The whole path.
        path: PathBuf,
    },
}

/// Most bytes in the path of a unix socket.
///
/// # Source
/// `sun_path` holds 108 bytes on Linux and 104 elsewhere, the closing zero included.
pub const SOCKET_PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

impl Listen {
    /// The socket, as an absolute path; `None` when it is off.
    ///
    /// # Errors
    /// [`ListenError::TooLong`].
    pub fn socket(&self, dir: &DataDir) -> Result<Option<PathBuf>, ListenError> {
        match self {
            Self::Unix(path) => socket_path(path, dir).map(Some),
            Self::Off => Ok(None),
        }
    }
}

/// The socket at `path`, as an absolute path.
pub(super) fn socket_path(path: &str, dir: &DataDir) -> Result<PathBuf, ListenError> {
    let path = dir.path().join(path);
    if fits(&path) { Ok(path) } else { Err(ListenError::TooLong { path }) }
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= SOCKET_PATH_MAX && SocketAddr::from_pathname(path).is_ok()
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() && !path.contains('\0') => {
                Ok(Self::Unix(path.to_owned()))
            }
            None if text == "off" => Ok(Self::Off),
            _ => Err(ListenError::Syntax { given: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix:{path}"),
            Self::Off => out.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_forms_and_no_third() {
        for good in ["unix:control.sock", "unix:/run/meshwork.sock", "off"] {
            assert_eq!(good.parse::<Listen>().expect(good).to_string(), good);
        }
        for bad in ["unix:", "unix:a\0b", "/run/meshwork.sock", "127.0.0.1:1", "", "on"] {
            assert_eq!(bad.parse::<Listen>(), Err(ListenError::Syntax { given: bad.to_owned() }));
        }
    }

    #[test]
    fn a_path_is_taken_from_the_data_directory_and_must_fit() {
        let dir = DataDir::at(Path::new("/data")).expect("an absolute path");
        let socket = |path: String| Listen::Unix(path).socket(&dir);
        assert_eq!(socket("c.sock".to_owned()), Ok(Some("/data/c.sock".into())));
        assert_eq!(socket("/run/c.sock".to_owned()), Ok(Some("/run/c.sock".into())));
        assert_eq!(Listen::Off.socket(&dir), Ok(None));
        let room = SOCKET_PATH_MAX - "/data/".len();
        assert!(socket("s".repeat(room)).is_ok());
        assert!(matches!(socket("s".repeat(room + 1)), Err(ListenError::TooLong { .. })));
    }
}
