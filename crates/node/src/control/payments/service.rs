//! What the control API answers about payments.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::super::parse;
use super::super::telling::{Answer, Replies, tell};
use super::convert::{self, amount, whom};
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::channels_server::Channels;
use crate::generated::control::v1::relay_server::Relay;
use crate::generated::control::v1::tickets_server::Tickets;
use crate::payments::{ChannelView, PaymentError, Payments, Whom};

/// Longest time until it is known what became of a message. Whoever sends it knows in 30 s.
const SENT_WITHIN: Duration = Duration::from_secs(40);

/// The services.
#[derive(Clone, Debug)]
pub(in super::super) struct Service {
    payments: Payments,
    request_timeout: Duration,
    /// Streams end with the node.
    ended: CancellationToken,
}

impl Service {
    pub(in super::super) const fn new(
        payments: Payments,
        request_timeout: Duration,
        ended: CancellationToken,
    ) -> Self {
        Self { payments, request_timeout, ended }
    }

    /// What `answer` comes to, unless it takes too long.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, PaymentError>> + Send,
    ) -> Result<T, Status> {
        match timeout(self.request_timeout, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_elapsed) => Err(Status::deadline_exceeded(
                "the ledger takes too long to answer, and may do it all the same",
            )),
        }
    }

    async fn changed(
        &self,
        change: impl Future<Output = Result<ChannelView, PaymentError>> + Send,
    ) -> Result<Option<proto::PaymentChannel>, Status> {
        self.in_time(change).await.map(|channel| Some(channel.into()))
    }

    /// The channel by which the node is paid that is meant; `None` for all.
    fn incoming(&self, text: &str) -> Result<Option<tickets::ChannelId>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let channel = self.payments.incoming(&whom(text)?)?;
        Ok(Some(channel))
    }
}

#[tonic::async_trait]
impl Channels for Service {
    async fn list(
        &self,
        asked: Request<proto::ChannelsListRequest>,
    ) -> Answer<proto::ChannelsListReply> {
        let proto::ChannelsListRequest { limit, closed } = asked.into_inner();
        let limit = convert::limit(limit)?;
        Ok(Response::new(convert::listing(&self.payments, limit, closed)))
    }

    async fn open(
        &self,
        asked: Request<proto::ChannelsOpenRequest>,
    ) -> Answer<proto::ChannelsOpenReply> {
        let asked = asked.into_inner();
        let (whom, amount) = (whom(&asked.whom)?, amount(&asked.amount)?);
        let channel = self.changed(self.payments.open_channel(&whom, amount)).await?;
        Ok(Response::new(proto::ChannelsOpenReply { channel }))
    }

    async fn fund(
        &self,
        asked: Request<proto::ChannelsFundRequest>,
    ) -> Answer<proto::ChannelsFundReply> {
        let asked = asked.into_inner();
        let (whom, amount) = (whom(&asked.whom)?, amount(&asked.amount)?);
        let channel = self.changed(self.payments.fund_channel(&whom, amount)).await?;
        Ok(Response::new(proto::ChannelsFundReply { channel }))
    }

    async fn close(
        &self,
        asked: Request<proto::ChannelsCloseRequest>,
    ) -> Answer<proto::ChannelsCloseReply> {
        let whom: Whom = whom(&asked.into_inner().whom)?;
        let channel = self.changed(self.payments.close_channel(&whom)).await?;
        Ok(Response::new(proto::ChannelsCloseReply { channel }))
    }
}

#[tonic::async_trait]
impl Tickets for Service {
    type ListStream = Replies<proto::TicketsListReply>;
    type AggregateStream = Replies<proto::TicketsAggregateReply>;
    type RedeemStream = Replies<proto::TicketsRedeemReply>;

    async fn list(&self, asked: Request<proto::TicketsListRequest>) -> Answer<Self::ListStream> {
        let proto::TicketsListRequest { whom, each } = asked.into_inner();
        let channel = self.incoming(&whom)?;
        let held = self.payments.held(channel, each).await?;
        let payments = self.payments.clone();
        let told = ReceiverStream::new(held).map(move |held| Ok(convert::held(held, &payments)));
        Ok(tell(told, self.ended.clone()))
    }

    async fn aggregate(
        &self,
        asked: Request<proto::TicketsAggregateRequest>,
    ) -> Answer<Self::AggregateStream> {
        let channel = self.incoming(&asked.into_inner().whom)?;
        let settled = self.payments.aggregate(channel).await?;
        let payments = self.payments.clone();
        let told = ReceiverStream::new(settled).map(move |settled| {
            let settled = Some(convert::settled(settled, &payments));
            Ok(proto::TicketsAggregateReply { settled })
        });
        Ok(tell(told, self.ended.clone()))
    }

    async fn redeem(
        &self,
        asked: Request<proto::TicketsRedeemRequest>,
    ) -> Answer<Self::RedeemStream> {
        let channel = self.incoming(&asked.into_inner().whom)?;
        let settled = self.payments.redeem(channel).await?;
        let payments = self.payments.clone();
        let told = ReceiverStream::new(settled).map(move |settled| {
            let settled = Some(convert::settled(settled, &payments));
            Ok(proto::TicketsRedeemReply { settled })
        });
        Ok(tell(told, self.ended.clone()))
    }
}

#[tonic::async_trait]
impl Relay for Service {
    async fn send(&self, asked: Request<proto::RelaySendRequest>) -> Answer<proto::RelaySendReply> {
        let asked = asked.into_inner();
        let to = parse::peer(&asked.peer_id)?;
        let message = convert::message(to, asked)?;
        match timeout(SENT_WITHIN, self.payments.send(message)).await {
            Ok(sent) => Ok(Response::new(sent?.into())),
            Err(_elapsed) => Err(Status::deadline_exceeded("the node is too busy to answer")),
        }
    }
}
