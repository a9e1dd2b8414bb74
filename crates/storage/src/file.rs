//! Opens the file, makes it where there is none, and tells what is wrong with it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, StorageBackend};

use crate::error::Refusal;
use crate::schema;

/// Permission bits that let somebody else look in.
const OTHERS: u32 = 0o077;

/// Memory for pages of the file, in bytes: an address book of the usual size and everything beside
/// it but the orders, which are written all over their table, so that its pages are left to the
/// kernel. What redb takes unless told otherwise is 1 GiB.
const CACHE_BYTES: usize = 16 << 20;

/// Opens the store at `path`; where there is no file, makes one.
pub(crate) fn open(path: &Path) -> Result<Database, Refusal> {
    let file = match open_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            open_file(path)
        }
        opened => opened,
    };
    let file = file.map_err(failed("open it"))?;
    let metadata = file.metadata().map_err(failed("look at it"))?;
    if !metadata.is_file() {
        return Err(Refusal::NotOurs { reason: "it is no file".to_owned() });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(Refusal::Exposed { mode });
    }
    open_backend(FileBackend::new(file).map_err(|error| refusal_of(error.into(), "open it"))?)
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// The file appears complete or not at all, with mode 0600 from its first byte, and its name is on
/// the disk when this returns. A process that dies on the way leaves a file with a name of its own
/// beside it.
fn create(path: &Path) -> Result<(), Refusal> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = tempfile::Builder::new().prefix(".meshwork-new-").tempfile_in(dir);
    let new = new.map_err(failed("make it"))?;
    let file = new.as_file().try_clone().map_err(failed("make it"))?;
    let backend = FileBackend::new(file).map_err(|error| refusal_of(error.into(), "make it"))?;
    make(backend)?;
    new.as_file().sync_all().map_err(failed("write it"))?;
    match new.persist_noclobber(path) {
        Ok(_) => {}
        // Somebody was quicker; theirs is as good.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("name it")(error.error)),
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("write its directory"))
}

/// Makes of nothing an empty store.
pub(crate) fn make(backend: impl StorageBackend) -> Result<(), Refusal> {
    let made = builder().create_with_backend(backend);
    let database = made.map_err(|error| refusal_of(error.into(), "make it"))?;
    schema::lay_out(&database)?;
    database.close().map_err(|error| refusal_of(error.into(), "write it"))
}

/// Opens what `backend` holds, which has to be one of ours.
pub(crate) fn open_backend(backend: impl StorageBackend) -> Result<Database, Refusal> {
    // To redb, no bytes are a database that is yet to be made; to us, one that has been lost.
    if backend.len().map_err(failed("look at it"))? == 0 {
        return Err(Refusal::Corrupt { reason: "it is empty".to_owned() });
    }
    let opened = builder().create_with_backend(backend);
    let database = opened.map_err(|error| refusal_of(error.into(), "read it"))?;
    schema::settle(&database)?;
    Ok(database)
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    // Every page is read and its checksum verified at every start: a disk that returns other bytes
    // than it was given is noticed then, and not by what a node does with them.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> Refusal {
    move |source| Refusal::Io { doing, source }
}

/// What an error of redb means to the operator.
pub(crate) fn refusal_of(error: redb::Error, doing: &'static str) -> Refusal {
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Refusal::InUse,
        redb::Error::UpgradeRequired(version) => {
            Refusal::NotOurs { reason: format!("its file format is {version}") }
        }
        redb::Error::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData => Refusal::NotOurs { reason: error.to_string() },
            io::ErrorKind::UnexpectedEof => Refusal::Corrupt { reason: error.to_string() },
            _ => Refusal::Io { doing, source: error },
        },
        redb::Error::Corrupted(reason) => Refusal::Corrupt { reason },
        other => Refusal::Corrupt { reason: other.to_string() },
    }
}
