//! The key of the node's account, in a file that only its owner can read.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rand::TryRng;
use rand::rngs::SysRng;
use tickets::ChainKey;
use zeroize::Zeroizing;

/// Bytes of a key.
const LEN: usize = 32;

/// Permission bits that make a key somebody else's too.
const OTHERS: u32 = 0o077;

/// Why the node has no account. Each says which file and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainKeyError {
    /// Something other than a file is there.
    #[error("{} is not a regular file: move it away", path.display())]
    Special {
        /// What is there.
        path: PathBuf,
    },
    /// Somebody other than the owner may use the file.
    #[error(
        "{} is open to others (mode {mode:04o}, must be 0600): if nobody took the key, run \
         `chmod 600 '{}'`", path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The bytes are no key.
    #[error(
        "{} holds no key of an account: restore it from a copy, or move it away to get a new account",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the key of the account in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot create the key of the account in {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Reads the key in `path`; makes one where there is none.
///
/// A new file appears complete or not at all, with mode 0600 from its first byte, and is on the disk
/// when this returns.
///
/// # Errors
/// [`ChainKeyError`]. A file that is there but cannot be used is an error, never replaced.
pub(crate) fn load_or_create(path: &Path) -> Result<ChainKey, ChainKeyError> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let failed = |source| ChainKeyError::Write { path: path.into(), source };
    let key = new_key().map_err(failed)?;
    match write_new(path, &key) {
        Ok(()) => Ok(key),
        // Another process was faster: its key is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            load(path)?.ok_or_else(|| failed(error))
        }
        Err(error) => Err(failed(error)),
    }
}

/// A key that nobody has.
pub(super) fn new_key() -> io::Result<ChainKey> {
    let mut bytes = Zeroizing::new([0; LEN]);
    loop {
        SysRng.try_fill_bytes(&mut *bytes)?;
        // Of 2¹²⁸ random strings about one is no key.
        if let Ok(key) = ChainKey::from_bytes(&bytes) {
            return Ok(key);
        }
    }
}

/// The key in `path`; `None` if nothing is there.
fn load(path: &Path) -> Result<Option<ChainKey>, ChainKeyError> {
    let unreadable = |source| ChainKeyError::Read { path: path.into(), source };
    // Looked at before it is opened, because opening a pipe waits for its other end.
    match fs::metadata(path) {
        Ok(seen) if !seen.is_file() => return Err(ChainKeyError::Special { path: path.into() }),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(ChainKeyError::Exposed { path: path.into(), mode });
    }
    // Room for all that is read, so that growing leaves no copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LEN + 1));
    file.take(LEN as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let key = <&[u8; LEN]>::try_from(bytes.as_slice()).ok().map(ChainKey::from_bytes);
    match key {
        Some(Ok(key)) => Ok(Some(key)),
        Some(Err(_)) | None => Err(ChainKeyError::Corrupt { path: path.into() }),
    }
}

/// Writes `key` to a new file beside `path` and gives it that name unless it is taken.
fn write_new(path: &Path, key: &ChainKey) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    // Mode 0600 is what `tempfile` opens with; it is removed again unless it gets its name.
    let mut file = tempfile::Builder::new().prefix(".chain-key-").tempfile_in(directory)?;
    file.write_all(&*key.to_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|refused| refused.error)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn an_account_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("chain_key");
        let made = load_or_create(&path).expect("a free place");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(load_or_create(&path).expect("it is there").address(), made.address());
        assert_eq!(fs::read_dir(dir.path()).expect("ours").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_cannot_be_used_is_never_replaced() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("chain_key");
        for bytes in [&[1; 31][..], &[1; 33], &[0; 32], b""] {
            fs::write(&path, bytes).expect("ours");
            chmod(&path, 0o600);
            let refused = load_or_create(&path).expect_err("no key");
            assert!(matches!(refused, ChainKeyError::Corrupt { .. }), "{refused}");
            assert_eq!(fs::read(&path).expect("ours"), bytes);
        }
        fs::write(&path, [1; 32]).expect("ours");
        chmod(&path, 0o640);
        let refused = load_or_create(&path).expect_err("open to others");
        assert!(matches!(refused, ChainKeyError::Exposed { mode: 0o640, .. }), "{refused}");
        let refused = load_or_create(dir.path()).expect_err("a directory");
        assert!(matches!(refused, ChainKeyError::Special { .. }), "{refused}");
    }
}
