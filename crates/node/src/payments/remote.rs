//! The ledger of another node of this machine, over the place where that serves it.

use std::fmt;
use std::future::ready;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use hyper_util::rt::TokioIo;
use tickets::UnixTime;
use tickets::ledger::{
    Code, Ledger, LedgerGone, Params, Receipt, SignedTransaction, SubmitError, Update, UpdateReader,
};
use tokio::net::UnixStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code as Answer, Status, Streaming};

use crate::config::LedgerPlace;
use crate::control::{LEDGER_REPLY_BYTES_MAX, LEDGER_REQUEST_BYTES_MAX};
use crate::datadir::DataDir;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::ledger_client::LedgerClient;
use crate::generated::control::v1::ledger_submit_reply::Outcome;

/// Longest time until a connection stands.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Longest time until an answer begins.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How often it is asked whether a silent ledger is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// Most bytes of a reason that is believed.
const REASON_BYTES_MAX: usize = 256;

/// Whether the ledger is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It tells what happens.
    Connected,
    /// It does not.
    Apart {
        /// Why.
        why: String,
    },
}

/// The ledger of another node.
#[derive(Debug)]
pub(super) struct Remote {
    place: LedgerPlace,
    genesis: Params,
    channel: Channel,
    /// Whether it is there, for those who wait for that.
    pub(super) standing: watch::Sender<Standing>,
    /// Told when it answers although it was away.
    back: Arc<Notify>,
}

impl fmt::Display for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::config::LedgerUrl(Some(self.place.clone())).fmt(out)
    }
}

impl Remote {
    /// The ledger of `genesis` that is served at `place`; nobody is asked yet. `dir` is where a relative path
    /// starts.
    pub(super) fn new(place: &LedgerPlace, genesis: Params, dir: &DataDir) -> Self {
        let endpoint = |uri: Uri| {
            Endpoint::from(uri)
                .connect_timeout(CONNECT_WITHIN)
                .http2_keep_alive_interval(ALIVE_EVERY)
                .keep_alive_timeout(ALIVE_EVERY)
                .keep_alive_while_idle(true)
        };
        let channel = match place {
            LedgerPlace::Unix(path) => {
                let path = dir.path().join(path);
                let uri = Uri::from_static("http://meshwork.ledger");
                let connector = tower::service_fn(move |_| connect(path.clone()));
                endpoint(uri).connect_with_connector_lazy(connector)
            }
            LedgerPlace::Loopback(address) => {
                let uri = format!("http://{address}").parse().expect("an address is an authority");
                endpoint(uri).connect_lazy()
            }
        };
        let why = "not reached yet".to_owned();
        let (standing, _) = watch::channel(Standing::Apart { why });
        Self { place: place.clone(), genesis, channel, standing, back: Arc::default() }
    }

    /// Waits until it has answered somebody although it was away.
    pub(super) async fn is_back(&self) {
        self.back.notified().await;
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Notes that the ledger is away; says whether that is news.
    pub(super) fn part(&self, why: String) -> bool {
        turn(&self.standing, Standing::Apart { why })
    }

    fn client(&self) -> LedgerClient<Channel> {
        LedgerClient::new(self.channel.clone())
            .max_encoding_message_size(LEDGER_REQUEST_BYTES_MAX)
            .max_decoding_message_size(LEDGER_REPLY_BYTES_MAX)
    }
}

/// Says whether that is news.
fn turn(standing: &watch::Sender<Standing>, now: Standing) -> bool {
    standing.send_if_modified(|standing| {
        let news = *standing != now;
        *standing = now;
        news
    })
}

async fn connect(path: PathBuf) -> io::Result<TokioIo<UnixStream>> {
    UnixStream::connect(path).await.map(TokioIo::new)
}

impl Ledger for Remote {
    fn submit(
        &self,
        transaction: SignedTransaction,
    ) -> BoxFuture<'static, Result<Receipt, SubmitError>> {
        let mut client = self.client();
        let (standing, back) = (self.standing.clone(), Arc::clone(&self.back));
        async move {
            let request = proto::LedgerSubmitRequest { transaction: transaction.to_bytes() };
            let answer = match timeout(ANSWER_WITHIN, client.submit(request)).await {
                Ok(Ok(answer)) => answer.into_inner(),
                Ok(Err(status)) => return Err(refused(&status)),
                Err(_elapsed) => return Err(silent().into()),
            };
            if *standing.borrow() != Standing::Connected {
                back.notify_one();
            }
            match answer.outcome {
                Some(Outcome::Receipt(proto::LedgerReceipt { version, at })) => {
                    Ok(Receipt { version, at: UnixTime(at) })
                }
                Some(Outcome::Rejection(proto::LedgerRejection { code, mut reason })) => {
                    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                    match Code::from_number(code) {
                        Some(code) => Err(SubmitError::Rejected { code, reason }),
                        None => {
                            Err(gone(format!("error {code} of a later version: {reason}")).into())
                        }
                    }
                }
                None => Err(gone("an answer of a later version".to_owned()).into()),
            }
        }
        .boxed()
    }

    fn entries(&self, after: u64) -> BoxStream<'static, Result<Update, LedgerGone>> {
        let (mut client, standing) = (self.client(), self.standing.clone());
        let reader = UpdateReader::new(&self.genesis);
        let begin = async move {
            let replies = client.entries(proto::LedgerEntriesRequest { after });
            let replies = timeout(ANSWER_WITHIN, replies).await.map_err(|_elapsed| silent())?;
            let replies = replies.map_err(|status| gone(said(&status)))?.into_inner();
            if turn(&standing, Standing::Connected) {
                tracing::info!("the ledger is there");
            }
            Ok(updates(replies, reader))
        };
        let failed = |error| stream::once(ready(Err(error))).boxed();
        begin.map(move |begun| begun.unwrap_or_else(failed)).flatten_stream().boxed()
    }
}

/// The updates in the replies, up to the first error.
fn updates(
    replies: Streaming<proto::LedgerEntriesReply>,
    reader: UpdateReader,
) -> BoxStream<'static, Result<Update, LedgerGone>> {
    let state = Some((replies, reader));
    let updates = stream::unfold(state, async |state: Option<(Streaming<_>, UpdateReader)>| {
        let (mut replies, mut reader) = state?;
        loop {
            let frame = match replies.message().await {
                Ok(Some(reply)) => reply.frame,
                Ok(None) => return Some((Err(gone("it ended".to_owned())), None)),
                Err(status) => return Some((Err(gone(said(&status))), None)),
            };
            match reader.push(frame) {
                Ok(None) => {}
                Ok(Some(update)) => return Some((Ok(update), Some((replies, reader)))),
                Err(error) => return Some((Err(gone(error.to_string())), None)),
            }
        }
    });
    updates.boxed()
}

fn gone(message: String) -> LedgerGone {
    LedgerGone { message }
}

fn silent() -> LedgerGone {
    gone(format!("no answer within {ANSWER_WITHIN:?}"))
}

fn refused(status: &Status) -> SubmitError {
    match status.code() {
        Answer::ResourceExhausted => SubmitError::Busy,
        _ => gone(said(status)).into(),
    }
}

/// What a failed request says, with what caused it on this side.
fn said(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
    text
}
