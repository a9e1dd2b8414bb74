//! What the control API answers about messages.

use std::time::Duration;

use futures::{Stream as AnyStream, StreamExt, stream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use transport::clock::Clock;

use super::super::telling::{Answer, Replies, ending, tell};
use super::convert;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::messages_server::Messages;
use crate::messaging::{Messaging, NoMessaging, Sending};

/// The service.
#[derive(Clone, Debug)]
pub(in super::super) struct Service {
    messaging: Messaging,
    request_timeout: Duration,
    /// Streams end with the node.
    ended: CancellationToken,
}

impl Service {
    pub(in super::super) const fn new(
        messaging: Messaging,
        request_timeout: Duration,
        ended: CancellationToken,
    ) -> Self {
        Self { messaging, request_timeout, ended }
    }

    /// What `answer` comes to, unless it takes too long.
    async fn in_time<T, E>(
        &self,
        answer: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Status>
    where
        Status: From<E>,
    {
        match timeout(self.request_timeout, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_elapsed) => Err(Status::deadline_exceeded("the node is too busy to answer")),
        }
    }

    /// A node without messages would have nothing to tell, and says so instead.
    fn is_on(&self) -> Result<(), NoMessaging> {
        if self.messaging.is_off() { Err(NoMessaging) } else { Ok(()) }
    }
}

#[tonic::async_trait]
impl Messages for Service {
    type SendStream = Replies<proto::MessagesSendReply>;
    type WatchStream = Replies<proto::MessagesWatchReply>;

    async fn send(&self, asked: Request<proto::MessagesSendRequest>) -> Answer<Self::SendStream> {
        let (to, payload, options) = convert::outgoing(asked.into_inner())?;
        let sending = self.in_time(self.messaging.send(to, payload, options)).await?;
        Ok(tell(news_of(sending), self.ended.clone()))
    }

    async fn inbox(
        &self,
        asked: Request<proto::MessagesInboxRequest>,
    ) -> Answer<proto::MessagesInboxReply> {
        let (after, limit) = convert::page(asked.into_inner())?;
        let found = self.in_time(self.messaging.inbox(after, limit)).await?;
        // Fewer than may be told do not say that these are all: they may be long.
        let more = match found.last() {
            Some(last) => !self.in_time(self.messaging.inbox(last.number, 1)).await?.is_empty(),
            None => false,
        };
        let messages = found.into_iter().map(Into::into).collect();
        Ok(Response::new(proto::MessagesInboxReply { messages, more }))
    }

    async fn forget(
        &self,
        asked: Request<proto::MessagesForgetRequest>,
    ) -> Answer<proto::MessagesForgetReply> {
        let through = asked.into_inner().through;
        let count = self.in_time(self.messaging.forget(through)).await?;
        Ok(Response::new(proto::MessagesForgetReply { count }))
    }

    async fn sent(
        &self,
        asked: Request<proto::MessagesSentRequest>,
    ) -> Answer<proto::MessagesSentReply> {
        let limit = convert::sent_limit(asked.into_inner().limit)?;
        self.is_on()?;
        let messages = self.messaging.sent(limit).into_iter().map(Into::into).collect();
        Ok(Response::new(proto::MessagesSentReply { messages }))
    }

    async fn watch(&self, _: Request<proto::MessagesWatchRequest>) -> Answer<Self::WatchStream> {
        self.is_on()?;
        let news = self.messaging.watch().map(|news| Ok(news.into()));
        let begun = stream::once(async { Ok(proto::MessagesWatchReply::default()) });
        Ok(tell(begun.chain(news), self.ended.clone()))
    }

    async fn status(
        &self,
        _: Request<proto::MessagesStatusRequest>,
    ) -> Answer<proto::MessagesStatusReply> {
        Ok(Response::new(self.in_time(self.messaging.status()).await?.into()))
    }
}

/// Which message it is, and all news of it; what ends without an end has lost the node.
fn news_of(
    sending: Sending,
) -> impl AnyStream<Item = Result<proto::MessagesSendReply, Status>> + Send + 'static {
    let letter = convert::letter(sending.letter());
    let begun = proto::MessagesSendReply { letter: letter.clone(), news: None };
    let news = stream::unfold(Some(sending), move |sending| {
        let letter = letter.clone();
        async move {
            let mut sending = sending?;
            let Some(outcome) = sending.next().await else { return Some((Err(ending()), None)) };
            let news = Some(convert::news(outcome, Clock::wall()));
            let reply = proto::MessagesSendReply { letter, news };
            Some((Ok(reply), (!outcome.is_end()).then_some(sending)))
        }
    });
    stream::once(async { Ok(begun) }).chain(news)
}
