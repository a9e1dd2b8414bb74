//! Why a command failed: the code it exits with, and what to do next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use storage::{OpenError, Refusal};
use tonic::{Code, Status};
use transport::identity::IdentityError;

use super::exit::Exit;
use super::words::counted;
use crate::config::ConfigError;
use crate::control::{BindError, ClientError, ListenError};
use crate::datadir::DataDirError;
use crate::memory::MemoryError;
use crate::messaging::NoMessaging;
use crate::node::StartError;
use crate::payments::NoRelaying;
use crate::service::ServiceError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the control API of this node is off")]
    ControlOff,
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot make a place for the nodes")]
    Directory(#[source] io::Error),
    #[error("the network did not manage everything")]
    Testnet,
    #[error("cannot read {file}")]
    Input {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{bad} of {} not imported", counted(lines, "line"))]
    BadLines { bad: u64, lines: u64 },
    #[error("the sync came to nothing: {0}")]
    Sync(String),
    #[error("synced with {synced} of {} asked for", counted(wanted, "peer"))]
    SyncedWithFew { synced: u32, wanted: u32 },
    #[error("the sync did not end within {0:?}")]
    SyncTimedOut(Duration),
    #[error("{bad} of {} not settled", counted(channels, "channel"))]
    Unsettled { bad: u64, channels: u64 },
    #[error("not sent: {0}")]
    Unsent(String),
    #[error("not delivered: {0}")]
    Undelivered(String),
    #[error("refused: {0}")]
    SendRefused(String),
    #[error("nobody says whether it was delivered")]
    SendTimedOut,
    #[error("a message over relays of {len} bytes, must have at most {max}")]
    TooLongForRelays { len: usize, max: usize },
    #[error("nobody says yet whether it was delivered: {0}")]
    UnderWay(String),
    #[error("refused: {0}")]
    NotTaken(String),
    #[error("refused: {0}")]
    NotReachable(String),
    #[error("cannot write the result")]
    Output(#[source] io::Error),
}

impl Failure {
    /// The code to exit with.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Identity(IdentityError::Missing { .. }) => Exit::NotFound,
            Self::Config(_) | Self::Listen(_) | Self::Identity(_) => Exit::Configuration,
            Self::DataDir(error) | Self::Service(ServiceError::DataDir(error)) => {
                exit_of_directory(error)
            }
            Self::Service(ServiceError::Bind(BindError::Listen(_)) | ServiceError::ChainKey(_)) => {
                Exit::Configuration
            }
            Self::Service(ServiceError::Memory(MemoryError::Open(error))) => exit_of_store(error),
            Self::Client(error) => of_client(error),
            Self::ControlOff => Exit::Unreachable,
            Self::Input { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Exit::NotFound
            }
            Self::Input { .. } => Exit::Failed,
            Self::SyncTimedOut(_) | Self::SendTimedOut | Self::UnderWay(_) => Exit::TimedOut,
            Self::SendRefused(_) | Self::NotTaken(_) | Self::NotReachable(_) => Exit::Refused,
            Self::TooLongForRelays { .. } => Exit::Usage,
            Self::Service(_)
            | Self::Runtime(_)
            | Self::Directory(_)
            | Self::Testnet
            | Self::File { .. }
            | Self::BadLines { .. }
            | Self::Sync(_)
            | Self::SyncedWithFew { .. }
            | Self::Unsettled { .. }
            | Self::Unsent(_)
            | Self::Undelivered(_)
            | Self::Output(_) => Exit::Failed,
        }
    }

    /// What to do next, where the error itself does not say so.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Identity(IdentityError::Missing { .. }) => Some(
                "make a node with `meshwork init`, or give its directory with --data-dir".into(),
            ),
            Self::Config(ConfigError::Unreadable { .. }) => Some(
                "check that the file is yours, that you may read it and that it is UTF-8".into(),
            ),
            Self::Config(ConfigError::TooLong { .. }) => {
                Some("give the right file; `meshwork init` writes one with every key".into())
            }
            Self::Config(ConfigError::Invalid { .. }) => Some(
                "`meshwork init` in an empty directory writes a file that explains every key"
                    .into(),
            ),
            Self::DataDir(error) | Self::Service(ServiceError::DataDir(error)) => {
                of_directory(error)
            }
            Self::Listen(_) | Self::Service(ServiceError::Bind(BindError::Listen(_))) => Some(
                "set control.listen, --control or ledger.serve to a shorter path, as unix:/run/NAME.sock"
                    .into(),
            ),
            Self::Service(ServiceError::Bind(BindError::Occupied { .. })) => {
                Some("if no node uses it, remove it; else give another path with --control".into())
            }
            Self::Service(ServiceError::Start(StartError::Listen { .. })) => Some(
                "another program may use the port: set network.listen or --listen to another \
                 address; port 0 lets the system choose"
                    .into(),
            ),
            Self::Client(ClientError::Unreachable { .. }) => Some(
                "start the node with `meshwork run`, or give its --data-dir or --control".into(),
            ),
            Self::Client(ClientError::Forbidden { .. }) => {
                Some("run this as the user that the node runs as".into())
            }
            Self::Client(ClientError::Lost { .. }) => {
                Some("see the log of the node, if it is one that serves there".into())
            }
            Self::ControlOff => {
                Some("give its address with --control, or set control.listen".into())
            }
            Self::Client(ClientError::Refused { status, .. }) => of_refusal(status),
            _ => self.of_result().map(str::to_owned),
        }
    }

    /// What to do next about something that was done in part, or not at all.
    fn of_result(&self) -> Option<&'static str> {
        match self {
            Self::BadLines { .. } => Some(
                "the other lines were imported; mend these and import the file again: what is known \
                 does no harm",
            ),
            Self::Sync(_) => {
                Some("`meshwork peers list` tells who is connected; or name a peer with --from")
            }
            Self::SyncedWithFew { .. } => {
                Some("the lines above say how it ended with each; what came is kept")
            }
            Self::SyncTimedOut(_) => Some("what came is kept; give it more time with --timeout"),
            Self::Unsettled { .. } => Some(
                "the lines above say why; what they hold is kept, and nothing is lost by trying again",
            ),
            Self::Unsent(_) => Some(
                "`meshwork channels list` tells to whom there is a channel; a relay must have announced \
                 that it is one, and be connected",
            ),
            Self::Undelivered(_) | Self::SendRefused(_) => {
                Some("send it again, over other relays or more of them")
            }
            Self::SendTimedOut => {
                Some("the recipient may have it; who sends it again may have it there twice")
            }
            Self::TooLongForRelays { .. } => Some("without --via-relays it may have 65536"),
            Self::UnderWay(_) => Some(
                "it goes on; `meshwork sent` tells what becomes of it, and `meshwork watch` at once",
            ),
            Self::NotReachable(_) => Some("`meshwork peers list` tells who is connected"),
            Self::Config(_)
            | Self::DataDir(_)
            | Self::Identity(_)
            | Self::Listen(_)
            | Self::Service(_)
            | Self::Client(_)
            | Self::ControlOff
            | Self::Runtime(_)
            | Self::Directory(_)
            | Self::Testnet
            | Self::Input { .. }
            | Self::File { .. }
            | Self::NotTaken(_)
            | Self::Output(_) => None,
        }
    }
}

fn exit_of_store(error: &OpenError) -> Exit {
    match error.refusal {
        Refusal::InUse | Refusal::Io { .. } => Exit::Failed,
        // What is in the directory cannot be used as it is.
        _ => Exit::Configuration,
    }
}

fn exit_of_directory(error: &DataDirError) -> Exit {
    match error {
        DataDirError::Nowhere
        | DataDirError::NotADirectory { .. }
        | DataDirError::Exposed { .. }
        | DataDirError::Identity(_) => Exit::Configuration,
        DataDirError::InUse { .. } | DataDirError::Occupied { .. } | DataDirError::Io { .. } => {
            Exit::Failed
        }
    }
}

fn of_directory(error: &DataDirError) -> Option<String> {
    match error {
        DataDirError::Nowhere => Some("give one with --data-dir".into()),
        DataDirError::NotADirectory { .. } => Some("give another one with --data-dir".into()),
        DataDirError::Exposed { path, .. } => Some(format!(
            "if everything in it is yours, run `chmod 700 '{}'`; else give another one with --data-dir",
            path.display()
        )),
        DataDirError::InUse { .. } => {
            Some("stop the other node, or give this one another directory with --data-dir".into())
        }
        DataDirError::Occupied { .. } => {
            Some("`meshwork run` uses what is there; for a new node give another --data-dir".into())
        }
        DataDirError::Io { .. } | DataDirError::Identity(_) => None,
    }
}

fn of_client(error: &ClientError) -> Exit {
    let code = match error {
        ClientError::Unreachable { .. } | ClientError::Lost { .. } => return Exit::Unreachable,
        ClientError::Forbidden { .. } => return Exit::Unauthorised,
        ClientError::TimedOut { .. } => return Exit::TimedOut,
        ClientError::Refused { status, .. } => status.code(),
    };
    match code {
        Code::Unavailable | Code::Cancelled => Exit::Unreachable,
        Code::Unauthenticated | Code::PermissionDenied => Exit::Unauthorised,
        Code::NotFound => Exit::NotFound,
        Code::DeadlineExceeded => Exit::TimedOut,
        Code::ResourceExhausted | Code::FailedPrecondition => Exit::Refused,
        Code::Unimplemented => Exit::Incompatible,
        Code::Internal | Code::DataLoss => Exit::Bug,
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::AlreadyExists
        | Code::Aborted
        | Code::OutOfRange => Exit::Failed,
    }
}

/// What to do about what the node refuses.
fn of_refusal(status: &Status) -> Option<String> {
    if status.message() == NoRelaying.to_string() {
        return Some("set relay.enabled in its configuration, and start it again".into());
    }
    if status.message() == NoMessaging.to_string() {
        return Some(
            "set dht.enabled in its configuration, and start it again; a seed carries none".into(),
        );
    }
    // An error of the ledger, which the message begins with.
    let hint = match status.message().split(':').next()? {
        "TokenTransferFailed" => "`meshwork channels list` tells what the account has",
        "WrongChannelState" => {
            "`meshwork channels list --closed` tells in which state it is: one is opened when it is \
             closed, and funded when it is open"
        }
        "NoticePeriodNotDue" => {
            "run it again when the notice is over, as `meshwork channels list` tells"
        }
        "InvalidNonce" => "run it again; is another program using the same key?",
        _ => return None,
    };
    Some(hint.into())
}
