//! The operator's end of what is about orders.

use std::path::PathBuf;

use bytes::Bytes;
use futures::{Stream as AnyStream, StreamExt};
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use super::super::REPLY_BYTES_MAX;
use super::super::client::{Client, ClientError};
use super::ORDERS_REQUEST_BYTES_MAX;
use crate::config::DialAddress;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::orders_client::OrdersClient;
use crate::orders::Query;

/// What a node tells bit by bit. To drop it ends what it tells of.
#[derive(Debug)]
pub struct Stream<R> {
    path: PathBuf,
    replies: Streaming<R>,
}

impl<R> Stream<R> {
    /// The next reply; `None` when all is told. Waits as long as it takes.
    ///
    /// # Errors
    /// [`ClientError::Refused`], [`ClientError::Lost`]; nothing comes after it.
    ///
    /// # Cancel safety
    /// May be dropped and asked again.
    pub async fn next(&mut self) -> Result<Option<R>, ClientError> {
        let failed = |status| ClientError::of(self.path.clone(), status);
        self.replies.message().await.map_err(failed)
    }
}

impl Client {
    /// How many orders the node has, and what they add up to.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn orders_status(&self) -> Result<proto::OrdersStatusReply, ClientError> {
        let mut orders = self.orders();
        self.wait(orders.status(proto::OrdersStatusRequest {})).await
    }

    /// Has the node take in the orders in `parts`, lines of JSON that are cut anywhere, and tell what
    /// became of each batch. The node reads as fast as the replies are taken.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn orders_import(
        &self,
        parts: impl AnyStream<Item = Bytes> + Send + 'static,
    ) -> Result<Stream<proto::OrdersImportReply>, ClientError> {
        let parts = parts.map(|part| proto::OrdersImportRequest { part });
        let mut orders = self.orders();
        self.stream(orders.import(parts)).await
    }

    /// The orders of `query`, ascending by hash.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn orders_list(&self, query: Query) -> Result<proto::OrdersListReply, ClientError> {
        let request = proto::OrdersListRequest {
            limit: query.limit.try_into().unwrap_or(u32::MAX),
            after: query.after.as_bytes().to_vec().into(),
            maker: query.maker.map_or_else(Bytes::new, |maker| maker.0.to_vec().into()),
            token: query.token.map_or_else(Bytes::new, |token| token.0.to_vec().into()),
        };
        let mut orders = self.orders();
        self.wait(orders.list(request)).await
    }

    /// All orders as lines of JSON, ascending by hash.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn orders_export(&self) -> Result<Stream<proto::OrdersExportReply>, ClientError> {
        let mut orders = self.orders();
        self.stream(orders.export(proto::OrdersExportRequest {})).await
    }

    /// What comes and goes, after a first reply that says nothing.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn orders_watch(&self) -> Result<Stream<proto::OrdersWatchReply>, ClientError> {
        let mut orders = self.orders();
        self.stream(orders.watch(proto::OrdersWatchRequest {})).await
    }

    /// Has the node fetch what `from` have, or so many of its peers if that is empty; as many as its
    /// configuration says if `min_peers` is 0.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn orders_sync(
        &self,
        min_peers: u32,
        from: &[DialAddress],
    ) -> Result<Stream<proto::OrdersSyncReply>, ClientError> {
        let from = from.iter().map(ToString::to_string).collect();
        let mut orders = self.orders();
        self.stream(orders.sync(proto::OrdersSyncRequest { min_peers, from })).await
    }

    fn orders(&self) -> OrdersClient<Channel> {
        OrdersClient::new(self.channel.clone())
            .max_encoding_message_size(ORDERS_REQUEST_BYTES_MAX)
            .max_decoding_message_size(REPLY_BYTES_MAX)
    }

    pub(in crate::control) async fn stream<R>(
        &self,
        reply: impl Future<Output = Result<Response<Streaming<R>>, Status>>,
    ) -> Result<Stream<R>, ClientError> {
        let replies = self.wait(reply).await?;
        Ok(Stream { path: self.path.clone(), replies })
    }
}
