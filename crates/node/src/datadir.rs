//! The data directory: who may look into it, what is in it, and that only one node uses it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use libp2p::identity::Keypair;
use transport::identity::{self, IdentityError};

use crate::config::{Config, Environment, commented};

/// Permission bits that let somebody else look in.
const OTHERS: u32 = 0o077;

/// Where a node keeps what must outlive it.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Neither the command line nor the environment says where it is.
    #[error(
        "no data directory: none of --data-dir, {}, XDG_DATA_HOME and HOME is set",
        Environment::DATA_DIR
    )]
    Nowhere,
    /// Something else stands in its place.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// What stands there.
        path: PathBuf,
    },
    /// Others may look into it.
    #[error("the data directory {} is open to others (mode {mode:04o}, must be 0700)", path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process uses it.
    #[error("the data directory {} is in use{}", path.display(), by(owner.as_deref()))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that uses it, if it said.
        owner: Option<String>,
    },
    /// A new node was to be made where one is.
    #[error("{} exists already and is not overwritten", path.display())]
    Occupied {
        /// The file in the way.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

fn by(owner: Option<&str>) -> String {
    owner.map_or_else(String::new, |owner| format!(" by process {owner}"))
}

impl DataDir {
    /// The directory that was asked for on the command line, else by `MESHWORK_DATA_DIR`, else the
    /// one where the system keeps such data: `meshwork` in `XDG_DATA_HOME` or `~/.local/share`.
    ///
    /// # Errors
    /// [`DataDirError::Nowhere`], and [`DataDirError::Io`] when the present directory is gone.
    pub fn locate(asked: Option<&Path>, environment: &Environment) -> Result<Self, DataDirError> {
        let asked = asked.or_else(|| environment.get(Environment::DATA_DIR).map(Path::new));
        let path = match asked {
            Some(path) => path.to_owned(),
            None => environment
                .absolute("XDG_DATA_HOME")
                .or_else(|| Some(environment.absolute("HOME")?.join(".local/share")))
                .ok_or(DataDirError::Nowhere)?
                .join("meshwork"),
        };
        Self::at(&path)
    }

    /// The directory at `path`, which need not exist.
    ///
    /// # Errors
    /// [`DataDirError::Io`] when the path is relative and the present directory is gone.
    pub fn at(path: &Path) -> Result<Self, DataDirError> {
        let absolute = std::path::absolute(path).map_err(failed("find", path))?;
        Ok(Self { path: absolute })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that holds the identity.
    pub fn identity_file(&self) -> PathBuf {
        self.path.join("identity.key")
    }

    /// The file that holds the key of the node's account.
    pub fn chain_key_file(&self) -> PathBuf {
        self.path.join("chain_key")
    }

    /// The file that holds what the node has learned.
    pub fn store_file(&self) -> PathBuf {
        self.path.join("meshwork.redb")
    }

    /// The file that holds the configuration.
    pub fn config_file(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// The file whose lock a node holds as long as it lives.
    fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Creates the directory where there is none and takes it for this process.
    ///
    /// # Errors
    /// [`DataDirError`]: no directory, open to others, in use, or refused by the system.
    ///
    /// # Security
    /// A new directory has mode 0700 from the start. An existing one must have it: an empty one is
    /// given it, but one with files in it is refused, because a mistyped path would otherwise lock
    /// others out of what is theirs, and because files that were open need a look.
    pub fn claim(&self) -> Result<Claim, DataDirError> {
        let path = &self.path;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                DataDirError::NotADirectory { path: path.clone() }
            }
            _ => failed("create", path)(source),
        })?;
        self.refuse_exposed()?;
        let lock = self.lock()?;
        Ok(Claim { dir: self.clone(), lock })
    }

    fn refuse_exposed(&self) -> Result<(), DataDirError> {
        let path = &self.path;
        let mode = fs::metadata(path).map_err(failed("look at", path))?.mode() & 0o7777;
        if mode & OTHERS == 0 {
            return Ok(());
        }
        if fs::read_dir(path).map_err(failed("read", path))?.next().is_some() {
            return Err(DataDirError::Exposed { path: path.clone(), mode });
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(failed("set the mode of", path))
    }

    fn lock(&self) -> Result<File, DataDirError> {
        let path = self.lock_file();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(&path).map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&mut lock);
                return Err(DataDirError::InUse { path: self.path.clone(), owner });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        let signed = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        signed.map_err(failed("write", &path))?;
        Ok(lock)
    }
}

/// What the holder of the lock wrote into it: its process id.
fn owner(lock: &mut File) -> Option<String> {
    let mut text = String::new();
    lock.rewind().ok()?;
    lock.take(20).read_to_string(&mut text).ok()?;
    text.parse::<u32>().ok().map(|process| process.to_string())
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> DataDirError {
    move |source| DataDirError::Io { doing, path: path.to_owned(), source }
}

/// A data directory that no other process uses while this lives.
#[derive(Debug)]
pub struct Claim {
    dir: DataDir,
    #[expect(dead_code, reason = "held for its lock, which ends when it is closed")]
    lock: File,
}

impl Claim {
    /// The directory.
    pub const fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// Makes a node: an identity, and a file with every key of `config`. Returns the identity.
    ///
    /// # Errors
    /// [`DataDirError::Occupied`] when there is an identity or a configuration already; otherwise
    /// what the system says.
    pub fn init(&self, config: &Config) -> Result<Keypair, DataDirError> {
        let (identity, config_file) = (self.dir.identity_file(), self.dir.config_file());
        for path in [&identity, &config_file] {
            // Anything that bears the name is in the way, also a link that leads nowhere.
            if path.symlink_metadata().is_ok() {
                return Err(DataDirError::Occupied { path: path.clone() });
            }
        }
        // The identity comes last: a directory without one is not taken for a complete node.
        write_new(&config_file, &commented(config))?;
        Ok(identity::create(&identity)?)
    }

    /// The identity of the node; a directory without a node becomes one first.
    ///
    /// # Errors
    /// [`DataDirError`]: an identity that is there but cannot be used is never replaced.
    pub fn identity(&self) -> Result<Keypair, DataDirError> {
        if !self.dir.config_file().exists() && !self.dir.identity_file().exists() {
            return self.init(&Config::default());
        }
        Ok(identity::load_or_create(&self.dir.identity_file())?)
    }
}

/// Writes a file that must not exist, and has it on disk before it returns.
fn write_new(path: &Path, text: &str) -> Result<(), DataDirError> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed("create", path))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    use tempfile::TempDir;

    fn empty() -> (TempDir, DataDir) {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let dir = DataDir::at(&temporary.path().join("node")).expect("an absolute path");
        (temporary, dir)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it exists").mode() & 0o7777
    }

    fn open_to_others(path: &Path) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_system() {
        let path = |asked: Option<&str>, variables: &[(&str, &str)]| {
            let environment = variables.iter().copied().collect();
            DataDir::locate(asked.map(Path::new), &environment).map(|dir| dir.path)
        };
        let all = [("MESHWORK_DATA_DIR", "/e"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(path(Some("/flag"), &all).expect("given"), Path::new("/flag"));
        assert_eq!(path(None, &all).expect("given"), Path::new("/e"));
        assert_eq!(path(None, &all[1..]).expect("given"), Path::new("/x/meshwork"));
        assert_eq!(path(None, &all[2..]).expect("given"), Path::new("/h/.local/share/meshwork"));
        let relative = [("XDG_DATA_HOME", "x"), ("MESHWORK_DATA_DIR", "")];
        assert!(matches!(path(None, &relative), Err(DataDirError::Nowhere)));
    }

    #[test]
    fn a_new_directory_and_all_in_it_is_for_its_owner_alone() {
        let (_temporary, dir) = empty();
        dir.claim().expect("a new directory").init(&Config::default()).expect("a new node");
        assert_eq!(mode(dir.path()), 0o700);
        for file in [dir.identity_file(), dir.config_file(), dir.lock_file()] {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }

    #[test]
    fn an_open_directory_is_closed_when_empty_and_refused_when_not() {
        let (_temporary, dir) = empty();
        fs::create_dir(dir.path()).expect("a new directory");
        open_to_others(dir.path());
        drop(dir.claim().expect("an empty directory"));
        assert_eq!(mode(dir.path()), 0o700);

        open_to_others(dir.path());
        let refused = dir.claim();
        assert!(matches!(refused, Err(DataDirError::Exposed { mode: 0o755, .. })), "{refused:?}");
        assert_eq!(mode(dir.path()), 0o755, "not ours to change");
    }

    #[test]
    fn one_process_at_a_time() {
        let (_temporary, dir) = empty();
        let first = dir.claim().expect("nobody else");
        match dir.claim() {
            Err(DataDirError::InUse { owner, .. }) => {
                assert_eq!(owner, Some(std::process::id().to_string()));
            }
            other => panic!("{other:?}"),
        }
        drop(first);
        dir.claim().expect("the first is gone");
    }

    #[test]
    fn nothing_is_overwritten() {
        let (_temporary, dir) = empty();
        let claim = dir.claim().expect("a new directory");
        let key = claim.identity().expect("an empty directory becomes a node");
        let refused = claim.init(&Config::default());
        assert!(matches!(refused, Err(DataDirError::Occupied { .. })), "{refused:?}");
        assert_eq!(claim.identity().expect("a node").public(), key.public());

        fs::remove_file(dir.identity_file()).expect("ours");
        std::os::unix::fs::symlink("/nowhere", dir.identity_file()).expect("a link");
        fs::remove_file(dir.config_file()).expect("ours");
        let refused = claim.init(&Config::default());
        assert!(matches!(refused, Err(DataDirError::Occupied { .. })), "{refused:?}");
    }

    #[test]
    fn a_file_in_its_place_is_an_error() {
        let (_temporary, dir) = empty();
        fs::write(dir.path(), "").expect("a file");
        let refused = dir.claim();
        assert!(matches!(refused, Err(DataDirError::NotADirectory { .. })), "{refused:?}");
        let below = DataDir::at(&dir.path().join("below")).expect("an absolute path");
        let refused = below.claim();
        assert!(matches!(refused, Err(DataDirError::NotADirectory { .. })), "{refused:?}");
    }
}
