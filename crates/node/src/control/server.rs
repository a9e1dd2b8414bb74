//! The node's end: a unix socket for its owner alone, and the services on it.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;

use super::messages::{MESSAGES_REQUEST_BYTES_MAX, Service as MessagesService};
use super::orders::{ORDERS_REQUEST_BYTES_MAX, Service as OrdersService};
use super::payments::Service as PaymentsService;
use super::service::Service;
use super::socket::Socket;
use super::{ListenError, REPLY_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::config::Control;
use crate::datadir::Claim;
use crate::generated::control::v1::book_server::BookServer;
use crate::generated::control::v1::channels_server::ChannelsServer;
use crate::generated::control::v1::messages_server::MessagesServer;
use crate::generated::control::v1::node_server::NodeServer;
use crate::generated::control::v1::orders_server::OrdersServer;
use crate::generated::control::v1::peers_server::PeersServer;
use crate::generated::control::v1::relay_server::RelayServer;
use crate::generated::control::v1::tickets_server::TicketsServer;
use crate::handle::Handle;
use crate::messaging::Messaging;
use crate::orders::Orders;
use crate::payments::Payments;

/// Why the control API cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The place is no good.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Something is there that this node did not leave behind.
    #[error("{} is in the way of the socket", path.display())]
    Occupied {
        /// What is in the way.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot serve on {}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses a place where the ledger was to be served.
    #[error("cannot serve the ledger on {place}")]
    Ledger {
        /// The place.
        place: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// The server gave up before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the control API has stopped")]
pub struct ServeError(#[from] tonic::transport::Error);

/// The control API on its socket, which goes when this does.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    socket: Socket,
    request_timeout: Duration,
    streams_max: u32,
}

impl Server {
    /// Opens the socket that `control` asks for; `None` when it asks for none.
    ///
    /// What a killed node left in the data directory is replaced, which is safe because `claim` says
    /// that no other node lives there. Elsewhere nothing says so, and nothing is replaced.
    ///
    /// # Errors
    /// [`BindError`].
    ///
    /// # Security
    /// The socket has mode 0600, and a process of another user that gets hold of it all the same is
    /// turned away. Whoever connects can stop the node.
    pub fn bind(control: &Control, claim: &Claim) -> Result<Option<Self>, BindError> {
        let Some(path) = control.listen.socket(claim.dir())? else { return Ok(None) };
        let (listener, socket) = Socket::open(path, claim)?;
        let Control { request_timeout, streams_max, .. } = *control;
        Ok(Some(Self { listener, socket, request_timeout, streams_max }))
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        self.socket.path()
    }

    /// Answers out of what the node is until `end` is there; requests under way are finished first, but
    /// for those that take as long as it pleases: they are told that the node is ending.
    ///
    /// # Errors
    /// [`ServeError`].
    ///
    /// # Cancel safety
    /// Dropping the future cuts every connection and removes the socket.
    pub async fn serve(
        self,
        handle: Handle,
        orders: Orders,
        payments: Payments,
        messaging: Messaging,
        end: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let Self { listener, socket, request_timeout, streams_max } = self;
        let service = Service::new(handle, request_timeout);
        let node = NodeServer::new(service.clone())
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let peers = PeersServer::new(service.clone())
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let book = BookServer::new(service)
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let ended = CancellationToken::new();
        let orders = OrdersServer::new(OrdersService::new(orders, request_timeout, ended.clone()))
            .max_decoding_message_size(ORDERS_REQUEST_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let payments = PaymentsService::new(payments, request_timeout, ended.clone());
        let channels = ChannelsServer::new(payments.clone())
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let tickets = TicketsServer::new(payments.clone())
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let relay = RelayServer::new(payments)
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let messages = MessagesService::new(messaging, request_timeout, ended.clone());
        let messages = MessagesServer::new(messages)
            .max_decoding_message_size(MESSAGES_REQUEST_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        let end = async {
            end.await;
            ended.cancel();
        };
        let connections = UnixListenerStream::new(listener)
            .filter(|connection| ready(connection.as_ref().is_ok_and(|it| socket.admits(it))));
        tonic::transport::Server::builder()
            .max_concurrent_streams(streams_max)
            .add_service(node)
            .add_service(peers)
            .add_service(book)
            .add_service(orders)
            .add_service(channels)
            .add_service(tickets)
            .add_service(relay)
            .add_service(messages)
            .serve_with_incoming_shutdown(connections, end)
            .await?;
        Ok(())
    }
}
