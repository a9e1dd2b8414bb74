//! A unix socket for the node's owner alone.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::BindError;
use crate::datadir::Claim;

/// The file of a socket; removed when dropped.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    /// Who may connect.
    owner: u32,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the socket is gone already");
        }
    }
}

impl Socket {
    /// Opens a socket at `path`, with mode 0600.
    ///
    /// What a killed node left in the data directory is replaced, which is safe because `claim` says
    /// that no other node lives there. Elsewhere nothing says so, and nothing is replaced.
    pub(super) fn open(path: PathBuf, claim: &Claim) -> Result<(UnixListener, Self), BindError> {
        let failed = |source: io::Error| BindError::Io { path: path.clone(), source };
        if let Ok(found) = fs::symlink_metadata(&path) {
            let ours = path.parent() == Some(claim.dir().path());
            if !(ours && found.file_type().is_socket()) {
                return Err(BindError::Occupied { path });
            }
            fs::remove_file(&path).map_err(failed)?;
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        let owner = fs::symlink_metadata(&path).map_err(failed)?.uid();
        let socket = Self { path: path.clone(), owner };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok((listener, socket))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the other end of `connection` is a process of the same user, or of the superuser.
    pub(super) fn admits(&self, connection: &UnixStream) -> bool {
        let other = connection.peer_cred().map(|other| other.uid());
        let admitted = other.as_ref().is_ok_and(|&user| user == self.owner || user == 0);
        if !admitted {
            tracing::warn!(?other, "turned away a connection of another user");
        }
        admitted
    }
}
