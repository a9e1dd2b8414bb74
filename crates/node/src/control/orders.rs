//! The orders in the control API: what is asked for in parts, and told in streams.

mod client;
mod convert;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::stream;
use futures::{Stream as AnyStream, StreamExt};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

pub use self::client::Stream;
use super::telling::{self, Answer, Replies, ending};
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::orders_server::Orders as OrdersApi;
use crate::orders::{NoSync, Orders};

/// Most orders in one reply: each may have a few hundred bytes, and all must fit 4 MiB.
pub(crate) const ORDERS_LIST_MAX: u32 = 500;

/// Most bytes in a part of what is imported.
pub(crate) const PART_BYTES_MAX: usize = 64 << 10;

/// Most bytes in a request: a part, and what stands around it.
pub(super) const ORDERS_REQUEST_BYTES_MAX: usize = PART_BYTES_MAX + 16;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    orders: Orders,
    request_timeout: Duration,
    /// Streams end with the node.
    ended: CancellationToken,
}

impl Service {
    pub(super) const fn new(
        orders: Orders,
        request_timeout: Duration,
        ended: CancellationToken,
    ) -> Self {
        Self { orders, request_timeout, ended }
    }

    /// What `answer` comes to, unless it takes too long.
    async fn in_time<T>(&self, answer: impl Future<Output = T> + Send) -> Result<T, Status> {
        let too_late = |_| Status::deadline_exceeded("the node is too busy to answer");
        timeout(self.request_timeout, answer).await.map_err(too_late)
    }

    fn tell<R: Send + 'static>(
        &self,
        replies: impl AnyStream<Item = Result<R, Status>> + Send + 'static,
    ) -> Response<Replies<R>> {
        telling::tell(replies, self.ended.clone())
    }
}

impl From<NoSync> for Status {
    fn from(error: NoSync) -> Self {
        Self::unavailable(error.to_string())
    }
}

#[tonic::async_trait]
impl OrdersApi for Service {
    type ImportStream = Replies<proto::OrdersImportReply>;
    type ExportStream = Replies<proto::OrdersExportReply>;
    type WatchStream = Replies<proto::OrdersWatchReply>;
    type SyncStream = Replies<proto::OrdersSyncReply>;

    async fn status(
        &self,
        _: Request<proto::OrdersStatusRequest>,
    ) -> Answer<proto::OrdersStatusReply> {
        let count_v4 = self.in_time(self.orders.count_v4()).await?;
        let count_v4 = count_v4.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(proto::OrdersStatusReply::of(self.orders.status(), count_v4)))
    }

    async fn import(
        &self,
        asked: Request<Streaming<proto::OrdersImportRequest>>,
    ) -> Answer<Self::ImportStream> {
        let parts = asked.into_inner().map(|asked| convert::part(asked?));
        let batches = self.orders.import(parts);
        Ok(self.tell(batches.map(|batch| batch.map(Into::into))))
    }

    async fn list(
        &self,
        asked: Request<proto::OrdersListRequest>,
    ) -> Answer<proto::OrdersListReply> {
        let query = convert::query(&asked.into_inner())?;
        self.in_time(self.orders.list(query)).await.map(|listing| Response::new(listing.into()))
    }

    async fn export(&self, _: Request<proto::OrdersExportRequest>) -> Answer<Self::ExportStream> {
        Ok(self.tell(self.orders.export().map(|part| Ok(part.into()))))
    }

    async fn watch(&self, _: Request<proto::OrdersWatchRequest>) -> Answer<Self::WatchStream> {
        let changes = self.orders.changes().map(|changes| Ok(changes.into()));
        let begun = stream::once(async { Ok(proto::OrdersWatchReply::default()) });
        Ok(self.tell(begun.chain(changes)))
    }

    async fn sync(&self, asked: Request<proto::OrdersSyncRequest>) -> Answer<Self::SyncStream> {
        let wish = convert::wish(asked.into_inner(), self.orders.min_peers())?;
        let reports = self.in_time(self.orders.sync(wish)).await??;
        let told = ReceiverStream::new(reports).map(|report| Ok(convert::report(report)));
        Ok(self.tell(until_the_end(told)))
    }
}

/// The reports of a sync; what ends without an end has lost the node.
fn until_the_end(
    reports: impl AnyStream<Item = Result<proto::OrdersSyncReply, Status>> + Send + 'static,
) -> impl AnyStream<Item = Result<proto::OrdersSyncReply, Status>> + Send + 'static {
    let is_end = |reply: &proto::OrdersSyncReply| {
        matches!(reply.what, Some(proto::orders_sync_reply::What::End(_)))
    };
    let state = Some(reports.boxed());
    stream::unfold(state, move |state| async move {
        let mut reports = state?;
        let reply = reports.next().await.unwrap_or_else(|| Err(ending()));
        let goes_on = reply.as_ref().is_ok_and(|reply| !is_end(reply));
        Some((reply, goes_on.then_some(reports)))
    })
}
