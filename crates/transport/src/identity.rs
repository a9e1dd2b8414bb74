//! The identity of a node: one Ed25519 key, in a file that only its owner can read.
//!
//! The file holds the protobuf encoding that libp2p gives a private key: 68 bytes. Its peer id is
//! the name of the node, so a lost key is a lost name, and a copied key is a stolen one. Everything
//! here blocks on the disk and is meant for the start of the program.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use libp2p_identity::{DecodingError, KeyType, Keypair};
use zeroize::Zeroizing;

/// Longest identity file that is read, in bytes. An Ed25519 key takes 68; at less than that none
/// would fit, and a larger limit only lets a wrong path cost more.
pub const FILE_BYTES_MAX: usize = 1024;

/// Permission bits that make a key somebody else's too.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Why a node has no identity. Each says which file and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Nothing is there.
    #[error("there is no identity file at {path}: create one, or give the path of yours")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A new key was asked for where a file stands.
    #[error("{path} exists and an identity is never overwritten: move it away first")]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// A directory stands where the file should be.
    #[error("{path} is a directory, not an identity file: move it away or give another path")]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// A socket, a pipe or a device stands where the file should be.
    #[error("{path} is not a regular file: move it away or give another path")]
    Special {
        /// What is not a file.
        path: PathBuf,
    },
    /// Somebody other than the owner may use the file.
    #[error(
        "{path} is open to others (mode {mode:04o}, must be 0600): if nobody took the key, \
         run `chmod 600 '{path}'`"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is longer than any key.
    #[error(
        "{path} is longer than {FILE_BYTES_MAX} bytes, an identity takes 68: give the right path"
    )]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are no private key.
    #[error(
        "{path} holds no usable key ({bytes} bytes): restore it from a copy, \
         or move it away to get a new identity"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// What the decoder says, where it came to be asked.
        source: Option<DecodingError>,
    },
    /// A private key of a kind that cannot be a node.
    #[error(
        "{path} holds a key of type {found}, a node needs Ed25519: give another path, \
         or move it away to get a new identity"
    )]
    OtherKeyType {
        /// The file.
        path: PathBuf,
        /// The kind found.
        found: KeyType,
    },
    /// The file could not be read.
    #[error("cannot read the identity file {path}: check its owner and its directory")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot create the identity file {path}: check that its directory can be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Reads the key in `path`.
///
/// # Bounds
/// Reads at most [`FILE_BYTES_MAX`] + 1 bytes.
///
/// # Errors
/// [`IdentityError`]: missing, no regular file, open to others, too long, corrupt, of another type,
/// or unreadable.
///
/// # Security
/// On Unix a file that its group or others may read, write or execute is refused: a key that was
/// open to others is to be thought over, not used in silence.
pub fn load(path: &Path) -> Result<Keypair, IdentityError> {
    let bytes = read(path)?;
    let corrupt = |source| IdentityError::Corrupt { path: path.into(), bytes: bytes.len(), source };
    // The encoding opens with the field of the key type, 0x08, and its value.
    let found = match bytes.as_slice() {
        [0x08, 0, ..] => KeyType::RSA,
        [0x08, 1, ..] => KeyType::Ed25519,
        [0x08, 2, ..] => KeyType::Secp256k1,
        [0x08, 3, ..] => KeyType::Ecdsa,
        _ => return Err(corrupt(None)),
    };
    if found != KeyType::Ed25519 {
        return Err(IdentityError::OtherKeyType { path: path.into(), found });
    }
    Keypair::from_protobuf_encoding(&bytes).map_err(|source| corrupt(Some(source)))
}

/// Makes a new key and writes it to `path`, which must not exist.
///
/// The file appears complete or not at all, with mode 0600 from its first byte, and is on the disk
/// when this returns. Of several creators exactly one succeeds.
///
/// # Errors
/// [`IdentityError::Exists`] or [`IdentityError::Write`].
#[expect(clippy::missing_panics_doc, reason = "an Ed25519 key always has an encoding")]
pub fn create(path: &Path) -> Result<Keypair, IdentityError> {
    let keypair = Keypair::generate_ed25519();
    let bytes = keypair
        .to_protobuf_encoding()
        .map(Zeroizing::new)
        .expect("an Ed25519 key always has an encoding");
    match write_new(path, &bytes) {
        Ok(()) => Ok(keypair),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(IdentityError::Exists { path: path.into() })
        }
        Err(source) => Err(IdentityError::Write { path: path.into(), source }),
    }
}

/// Reads the key in `path`; makes one where there is none.
///
/// # Errors
/// [`IdentityError`]. A file that is there but cannot be used is an error, never replaced.
pub fn load_or_create(path: &Path) -> Result<Keypair, IdentityError> {
    match load(path) {
        Err(IdentityError::Missing { .. }) => {}
        loaded => return loaded,
    }
    match create(path) {
        // Another process was faster: its key is the identity.
        Err(IdentityError::Exists { .. }) => load(path),
        created => created,
    }
}

/// Reads the bytes of a private, regular, short file.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let unreadable = |source| IdentityError::Read { path: path.into(), source };
    // Looked at before it is opened, because opening a pipe waits for its other end.
    let seen = fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => IdentityError::Missing { path: path.into() },
        _ => unreadable(source),
    })?;
    if seen.is_dir() {
        return Err(IdentityError::Directory { path: path.into() });
    }
    if !seen.is_file() {
        return Err(IdentityError::Special { path: path.into() });
    }
    let file = File::open(path).map_err(unreadable)?;
    refuse_exposed(path, &file)?;
    // Room for all that may be read, so that growing leaves no copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(IdentityError::TooLong { path: path.into() });
    }
    Ok(bytes)
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt;

    let metadata =
        file.metadata().map_err(|source| IdentityError::Read { path: path.into(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        Ok(())
    } else {
        Err(IdentityError::Exposed { path: path.into(), mode })
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> Result<(), IdentityError> {
    Ok(())
}

/// Writes `bytes` to a new file beside `path` and gives it that name unless it is taken.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Mode 0600 is what `tempfile` opens with; it is removed again unless it gets its name.
    let mut file = tempfile::Builder::new().prefix(".identity-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|refused| refused.error)?;
    sync_directory(directory)
}

/// Makes a new name in `directory` durable.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
