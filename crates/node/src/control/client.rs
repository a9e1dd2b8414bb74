//! The operator's end: one connection to one node.

use std::error::Error;
use std::future::{Future, ready};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handshake::Banned;
use hyper_util::rt::TokioIo;
use libp2p::PeerId;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use super::{REPLY_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::config::DialAddress;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::book_client::BookClient;
use crate::generated::control::v1::node_client::NodeClient;
use crate::generated::control::v1::peers_client::PeersClient;
use crate::handle::Colour;

/// Longest time for connecting and for each request. The node itself gives up after
/// `control.request_timeout`, at most 60 s, and says so; this is for a node that says nothing.
const PATIENCE: Duration = Duration::from_secs(70);

/// Why a node did not answer as hoped. Every variant names the socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody serves there.
    #[error("cannot reach a node at {}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody serves there, but not to this user.
    #[error("not allowed to talk to the node at {}", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke, or whoever serves there does not speak the control API.
    #[error("lost the connection to the node at {}", path.display())]
    Lost {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer.
    #[error("no answer from the node at {} within {PATIENCE:?}", path.display())]
    TimedOut {
        /// The socket.
        path: PathBuf,
    },
    /// The node answered that it will not or cannot.
    #[error("the node at {} says: {}", path.display(), status.message())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Its answer.
        status: Box<Status>,
    },
}

impl ClientError {
    /// What a failed request says.
    pub(super) fn of(path: PathBuf, status: Status) -> Self {
        // An answer has no cause on this side; what has one was made up here.
        if status.source().is_some() {
            Self::Lost { path, source: status.into() }
        } else {
            Self::Refused { path, status: Box::new(status) }
        }
    }

    /// The code of the node's answer, if it gave one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { status, .. } => Some(status.code()),
            Self::Unreachable { .. }
            | Self::Forbidden { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. } => None,
        }
    }
}

/// A connection to a running node.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) path: PathBuf,
    pub(super) channel: Channel,
}

impl Client {
    /// Connects to the node that serves on the socket `path`.
    ///
    /// # Errors
    /// [`ClientError`], all but `Refused`.
    ///
    /// # Cancel safety
    /// Nothing is sent before this returns but the preface of HTTP/2.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let path = path.to_owned();
        let stream = match timeout(PATIENCE, UnixStream::connect(&path)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(ClientError::Forbidden { path, source });
            }
            Ok(Err(source)) => return Err(ClientError::Unreachable { path, source }),
            Err(_elapsed) => return Err(ClientError::TimedOut { path }),
        };
        // One connection for the life of the client: when it breaks, the node is gone.
        let mut only = Some(TokioIo::new(stream));
        let connector = tower::service_fn(move |_| {
            ready(only.take().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset)))
        });
        let endpoint = Endpoint::from_static("http://meshwork.control");
        match timeout(PATIENCE, endpoint.connect_with_connector(connector)).await {
            Ok(Ok(channel)) => Ok(Self { path, channel }),
            Ok(Err(source)) => Err(ClientError::Lost { path, source: source.into() }),
            Err(_elapsed) => Err(ClientError::TimedOut { path }),
        }
    }

    /// How the node is.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn status(&self) -> Result<proto::StatusReply, ClientError> {
        let mut node = self.node();
        self.wait(node.status(proto::StatusRequest {})).await
    }

    /// Has the node say goodbye to its peers and end. It answers first.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn shut_down(&self) -> Result<(), ClientError> {
        let mut node = self.node();
        self.wait(node.shutdown(proto::ShutdownRequest {})).await.map(|proto::ShutdownReply {}| ())
    }

    /// The connected peers.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn peers(&self) -> Result<Vec<proto::Peer>, ClientError> {
        let mut peers = self.peers_client();
        let reply = self.wait(peers.list(proto::PeersListRequest {})).await?;
        Ok(reply.peers)
    }

    /// Has the node keep a link to the peer at `address`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn add(&self, address: &DialAddress) -> Result<(), ClientError> {
        let request = proto::PeersAddRequest { address: address.to_string() };
        let mut peers = self.peers_client();
        self.wait(peers.add(request)).await.map(|proto::PeersAddReply {}| ())
    }

    /// Has the node treat `peer` as any other.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn remove(&self, peer: PeerId) -> Result<(), ClientError> {
        let request = proto::PeersRemoveRequest { peer_id: peer.to_string() };
        let mut peers = self.peers_client();
        self.wait(peers.remove(request)).await.map(|proto::PeersRemoveReply {}| ())
    }

    /// Has the node keep somebody out; the answer comes when that is durable.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn ban(
        &self,
        banned: Banned,
        time: Duration,
        reason: String,
    ) -> Result<(), ClientError> {
        let duration_ms = time.as_millis().try_into().unwrap_or(u64::MAX);
        let request = proto::PeersBanRequest { whom: banned.to_string(), duration_ms, reason };
        let mut peers = self.peers_client();
        self.wait(peers.ban(request)).await.map(|proto::PeersBanReply {}| ())
    }

    /// Has the node let somebody in again; the answer comes when that is durable.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn unban(&self, banned: Banned) -> Result<(), ClientError> {
        let request = proto::PeersUnbanRequest { whom: banned.to_string() };
        let mut peers = self.peers_client();
        self.wait(peers.unban(request)).await.map(|proto::PeersUnbanReply {}| ())
    }

    /// The bans in force.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn bans(&self) -> Result<Vec<proto::Ban>, ClientError> {
        let mut peers = self.peers_client();
        let reply = self.wait(peers.bans(proto::PeersBansRequest {})).await?;
        Ok(reply.bans)
    }

    /// At most `limit` entries of the address book; those of one colour if one is given.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn book(
        &self,
        colour: Option<Colour>,
        limit: u32,
    ) -> Result<proto::BookListReply, ClientError> {
        let colour = colour.map_or(proto::Colour::Unspecified, Into::into).into();
        let mut book = BookClient::new(self.channel.clone())
            .max_encoding_message_size(REQUEST_BYTES_MAX)
            .max_decoding_message_size(REPLY_BYTES_MAX);
        self.wait(book.list(proto::BookListRequest { colour, limit })).await
    }

    fn peers_client(&self) -> PeersClient<Channel> {
        PeersClient::new(self.channel.clone())
            .max_encoding_message_size(REQUEST_BYTES_MAX)
            .max_decoding_message_size(REPLY_BYTES_MAX)
    }

    fn node(&self) -> NodeClient<Channel> {
        NodeClient::new(self.channel.clone())
            .max_encoding_message_size(REQUEST_BYTES_MAX)
            .max_decoding_message_size(REPLY_BYTES_MAX)
    }

    pub(super) async fn wait<R>(
        &self,
        reply: impl Future<Output = Result<Response<R>, Status>>,
    ) -> Result<R, ClientError> {
        let path = || self.path.clone();
        match timeout(PATIENCE, reply).await {
            Ok(Ok(reply)) => Ok(reply.into_inner()),
            Ok(Err(status)) => Err(ClientError::of(path(), status)),
            Err(_elapsed) => Err(ClientError::TimedOut { path: path() }),
        }
    }
}
