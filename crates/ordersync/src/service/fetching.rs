//! One session of ours: requests go out while answers come in and are stored.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{BoxFuture, Either, FutureExt as _, select};
use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt as _};
use futures::{AsyncRead, AsyncWrite, SinkExt as _};
use futures_timer::Delay;
use machine::{Instant, PeerId};
use transport::clock::Clock;

use super::line::{Letter, LineError, Reader, Writer, split, within};
use super::network::{Network, Protocol, Score, Standing};
use super::serving::{pack, pack_some};
use super::sessions::Whom;
use super::shards::{Hand, Patience, Provider, Shards};
use super::{Event, Service};
use crate::binary::{Denial, Frame, Reason, Serial};
use crate::intake::{Admission, Origin};
use crate::json::RESPONSE_BYTES_MAX;
use crate::requester::{Break, Effect, Ended, Input, Outcome, RefusedBy, Requester, Rest, Tally};
use crate::{Entry, Fault, Item, Range, RawRequest, RawResponse};

/// Letters that may wait to be written: more than a window, so that asking never waits for reading.
const LETTERS: usize = 64;

/// The core of a session with its codec.
struct Talk<I: Item> {
    core: Requester<I>,
    protocol: Protocol,
    asked: Serial,
    answered: Serial,
}

enum Heard {
    /// Nothing yet: what is to be done at the start?
    Start,
    Letter(Letter),
    Admitted(Vec<Admission>),
    Range(Option<Range>),
    Broken(Break),
    Faulted(Fault),
    /// What is being stored takes too long.
    StopStoring,
}

#[expect(clippy::large_enum_variant, reason = "the largest is the end, of which there is one")]
enum Act<I> {
    Admit(Vec<Entry<I>>),
    Write(Letter),
    TakeRange,
    Through(Range),
    GiveBack(Range),
    Report(Fault),
    End(Outcome),
}

struct Turn<I: Item> {
    talk: Talk<I>,
    acts: VecDeque<Act<I>>,
    awaits_answer: bool,
    is_ending: bool,
    provider: Provider,
    tally: Tally,
}

impl<I: Item, N: Network> Service<I, N> {
    /// One session, from the opening of the stream to its end; in none of the protocols if no stream
    /// was opened.
    pub(super) async fn fetch_opened(
        &self,
        whom: &Whom<'_>,
        rest: Option<Rest>,
        shares: bool,
    ) -> (Option<Protocol>, Outcome) {
        let Whom { peer, offered, shards, until, .. } = *whom;
        let timeout = self.params().turn_timeout;
        let opening = self.network().open(peer, offered);
        let (protocol, stream) = match select(opening, Delay::new(timeout)).await {
            Either::Left((Ok(opened), _)) => opened,
            Either::Left((Err(_), _)) => return (None, Outcome::broken(Break::Closed)),
            Either::Right(((), _)) => return (None, Outcome::broken(Break::TimedOut)),
        };
        let subprotocols = self.subprotocols().of(protocol);
        let cx = self.context(peer, protocol);
        let limits = self.params().requester;
        let begin = move || match rest {
            Some(rest) => Requester::resume(subprotocols, limits, cx, rest),
            None if shares => Requester::start(subprotocols, limits, cx).sharing(),
            None => Requester::start(subprotocols, limits, cx),
        };
        // The first request takes as long as a look at the whole book.
        let begun = self.pool().run_patiently(Duration::MAX, begin).await;
        let Ok(core) = begun else { return (Some(protocol), Outcome::broken(Break::Stopped)) };
        let talk = Talk { core, protocol, asked: Serial::new(), answered: Serial::new() };

        let (reader, writer) = split(protocol, stream);
        let (letters, outbox) = mpsc::channel(LETTERS);
        let session = Fetching {
            service: self,
            peer,
            standing: self.network().standing(peer),
            reader,
            letters,
            shards,
            hand: shards.hand(peer),
            clock: Clock::start(),
            ranges: 0,
            through: Vec::new(),
            taking: FuturesUnordered::new(),
            storing: Storing::default(),
            deadline: Deadline::new(until.left(), self.params().session_timeout),
        };
        let writing = pin!(write_all(writer, outbox, timeout));
        let outcome = match select(pin!(session.run(talk)), writing).await {
            Either::Left((outcome, writing)) => {
                // What is still to be written is the end, or nobody wants it.
                select(writing, Delay::new(CLOSING)).await;
                outcome
            }
            Either::Right(((), session)) => session.await,
        };
        (Some(protocol), outcome)
    }
}

/// Writes until there is nothing more to write, then says so.
async fn write_all<S: AsyncWrite + Unpin>(
    mut writer: Writer<S>,
    mut letters: mpsc::Receiver<Letter>,
    timeout: Duration,
) {
    while let Some(letter) = letters.next().await {
        if writer.write(letter, timeout).await.is_err() {
            return;
        }
    }
    // Everything was heard that had to be: whether they hear the end as well changes nothing.
    let _closed = writer.close(CLOSING).await;
}

/// Time to say goodbye.
const CLOSING: Duration = Duration::from_secs(2);

/// Pages that are being stored. They are driven on whatever else is waited for: what they hold,
/// others wait for.
#[derive(Default)]
struct Storing {
    under_way: FuturesOrdered<BoxFuture<'static, Vec<Admission>>>,
    stored: VecDeque<Vec<Admission>>,
}

impl Storing {
    fn push(&mut self, page: BoxFuture<'static, Vec<Admission>>) {
        self.under_way.push_back(page);
    }

    fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.stored.is_empty()
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(outcomes)) = self.under_way.poll_next_unpin(cx) {
            self.stored.push_back(outcomes);
        }
    }

    /// Waits for `work`.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.drive(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// The oldest page, once it is stored. Cancel safe.
    async fn next(&mut self) -> Vec<Admission> {
        poll_fn(|cx| {
            self.drive(cx);
            self.stored.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// When a session has to end, and what is said then.
struct Deadline {
    delay: Delay,
    /// `None` once all that is waited for is being stored.
    why: Option<Break>,
}

impl Deadline {
    /// `left`: what there is for all sessions with that peer.
    fn new(left: Duration, session: Duration) -> Self {
        let why = if left < session { Break::Overdue } else { Break::TimedOut };
        Self { delay: Delay::new(left.min(session)), why: Some(why) }
    }

    /// The session broke off: as long as that it waits for what came to be stored.
    fn begin_to_end(&mut self, time: Duration) {
        if self.why.take().is_some() {
            self.delay.reset(time);
        }
    }
}

struct Fetching<'a, I: Item, N: Network, S> {
    service: &'a Service<I, N>,
    peer: PeerId,
    standing: Standing,
    reader: Reader<S>,
    letters: mpsc::Sender<Letter>,
    shards: &'a Shards,
    /// Ranges that were taken.
    hand: Hand,
    /// Since when the session is under way.
    clock: Clock,
    /// Ranges that are through.
    ranges: u32,
    /// Those of them that are through, while what came of them is being stored.
    through: Vec<Range>,
    /// Ranges that were asked for.
    taking: FuturesUnordered<BoxFuture<'a, Option<Range>>>,
    storing: Storing,
    /// Of the whole session.
    deadline: Deadline,
}

impl<'a, I, N, S> Fetching<'a, I, N, S>
where
    I: Item,
    N: Network,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    async fn run(mut self, mut talk: Talk<I>) -> Outcome {
        let mut heard = VecDeque::from([Heard::Start]);
        let mut awaits_answer = true;
        loop {
            let input = match heard.pop_front() {
                Some(input) => input,
                None => self.hear(awaits_answer).await,
            };
            let step = move || turn((talk, input));
            let stepping = self.service.pool().run_patiently(Duration::MAX, step);
            let turned = self.storing.beside(stepping).await;
            let Ok(turned) = turned else { return Outcome::broken(Break::Stopped) };
            talk = turned.talk;
            awaits_answer = turned.awaits_answer;
            if turned.is_ending {
                self.deadline.begin_to_end(self.service.params().turn_timeout);
                self.taking.clear();
            }
            for act in turned.acts {
                match act {
                    Act::Admit(entries) => {
                        let admitting = self.service.intake().admit(entries, Origin::Peer);
                        self.storing.push(admitting.boxed());
                    }
                    Act::Write(letter) => {
                        let sending = self.letters.send(letter);
                        if self.storing.beside(sending).await.is_err() {
                            heard.push_back(Heard::Broken(Break::Closed));
                        }
                    }
                    Act::TakeRange => self.taking.push(self.take_range(turned.provider)),
                    Act::Through(range) => {
                        self.ranges = self.ranges.saturating_add(1);
                        self.through.push(range);
                    }
                    Act::GiveBack(range) => self.hand.give_back(range),
                    Act::Report(fault) => self.report(fault),
                    Act::End(outcome) => {
                        if self.storing.is_empty() {
                            self.hand.through(std::mem::take(&mut self.through));
                        }
                        if outcome.ended == Ended::Agreed {
                            self.hand.agreed();
                        }
                        return outcome;
                    }
                }
            }
            if self.storing.is_empty() {
                self.hand.through(std::mem::take(&mut self.through));
            }
            let (sync, peer) = (self.service.sync, self.peer);
            self.service.tell(Event::Progress { sync, peer, tally: turned.tally });
        }
    }

    /// A range, once there is one. Who has waited for others as long as it would take for one more
    /// range at its own pace takes one that they have in work.
    fn take_range(&self, provider: Provider) -> BoxFuture<'a, Option<Range>> {
        let pace = self.clock.now().since(Instant::START).checked_div(self.ranges);
        let patience = Patience::of(self.service.params().turn_timeout, pace.unwrap_or_default());
        self.shards.take_patiently(self.peer, provider, patience).boxed()
    }

    fn report(&self, fault: Fault) {
        let Self { peer, standing, .. } = *self;
        if matches!(fault, Fault::Unwanted { .. }) {
            self.service.tell(Event::Scored { peer, score: Score::UnmatchedOrder });
        }
        self.service.tell(Event::Fault { peer, standing, fault });
    }

    /// What happens next: an answer, or something is stored.
    async fn hear(&mut self, awaits_answer: bool) -> Heard {
        let timeout = self.service.params().turn_timeout;
        let Self { reader, storing, taking, deadline, .. } = self;
        let stored = storing.next().map(Heard::Admitted);
        let taken = async {
            match taking.next().await {
                Some(range) => Heard::Range(range),
                None => pending().await,
            }
        };
        let why = deadline.why;
        let over = (&mut deadline.delay).map(|()| why.map_or(Heard::StopStoring, Heard::Broken));
        let (stored, taken) = (pin!(stored), pin!(taken));
        let here = select(stored, select(taken, over)).map(|first| match first {
            Either::Left((heard, _)) => heard,
            Either::Right((other, _)) => other.factor_first().0,
        });
        if !awaits_answer {
            // What others page, or what is being stored: the session has a time-out of its own.
            return here.await;
        }
        let read = async {
            match within(timeout, reader.read(RESPONSE_BYTES_MAX)).await {
                Ok(Some(letter)) => Heard::Letter(letter),
                Ok(None) | Err(LineError::Broken) => Heard::Broken(Break::Closed),
                Err(LineError::TimedOut) => Heard::Broken(Break::TimedOut),
                Err(LineError::Fault(fault)) => Heard::Faulted(fault),
            }
        };
        select(pin!(here), pin!(read)).await.factor_first().0
    }
}

/// One step of the core, with the decoding before it and the encoding after it. On the pool.
fn turn<I: Item>((mut talk, heard): (Talk<I>, Heard)) -> Turn<I> {
    match heard {
        Heard::Start => {}
        Heard::Letter(letter) => match talk.open(letter) {
            Ok(Ok(response)) => talk.core.handle(Input::Received(response)),
            Ok(Err(why)) => talk.core.handle(Input::Broken(why)),
            Err(fault) => talk.core.handle(Input::Faulted(fault)),
        },
        Heard::Admitted(outcomes) => talk.core.handle(Input::Admitted(outcomes)),
        Heard::Range(range) => talk.core.handle(Input::Range(range)),
        Heard::Broken(why) => talk.core.handle(Input::Broken(why)),
        Heard::Faulted(fault) => talk.core.handle(Input::Faulted(fault)),
        Heard::StopStoring => talk.core.handle(Input::StopStoring),
    }
    let mut acts = VecDeque::new();
    while let Some(effect) = talk.core.poll_effect() {
        match effect {
            Effect::Send(request) => match talk.seal(request) {
                Some(letter) => acts.push_back(Act::Write(letter)),
                None => talk.core.handle(Input::Broken(Break::Stopped)),
            },
            Effect::Admit(entries) => acts.push_back(Act::Admit(entries)),
            Effect::TakeRange => acts.push_back(Act::TakeRange),
            Effect::RangeDone(range) => acts.push_back(Act::Through(range)),
            Effect::GiveBack(range) => acts.push_back(Act::GiveBack(range)),
            Effect::Report(fault) => acts.push_back(Act::Report(fault)),
            Effect::End(outcome) => {
                if talk.protocol == Protocol::Binary {
                    acts.extend(pack(&Frame::<I>::End).map(Act::Write));
                }
                acts.push_back(Act::End(outcome));
            }
        }
    }
    let (awaits_answer, is_ending) = (talk.core.awaits_answer(), talk.core.is_ending());
    let tally = talk.core.tally();
    let provider = Provider { proves: talk.core.proves(), holds: tally.holds };
    Turn { talk, acts, awaits_answer, is_ending, provider, tally }
}

impl<I: Item> Talk<I> {
    fn seal(&mut self, request: RawRequest<I>) -> Option<Letter> {
        match self.protocol {
            Protocol::Binary => {
                let pushed = request.pushed.len();
                let frame = Frame::Request { id: self.asked.issue()?, request };
                let (letter, taken) = pack_some(&frame)?;
                self.core.left_off(pushed.saturating_sub(taken));
                Some(letter)
            }
            Protocol::Json(envelope) => envelope.encode_request(&request).ok().map(Letter::Text),
        }
    }

    /// The response in a letter, or why the provider will not give one.
    fn open(&mut self, letter: Letter) -> Result<Result<RawResponse<I>, Break>, Fault> {
        match (self.protocol, letter) {
            (Protocol::Binary, Letter::Packed(packed)) => match Frame::unpack(packed)? {
                Frame::Response { id, response } => {
                    self.answered
                        .take(id)
                        .map_err(|error| Fault::Message { problem: error.to_string() })?;
                    Ok(Ok(response))
                }
                Frame::Error { denial, .. } => Ok(Err(refused(&denial))),
                Frame::Request { .. } | Frame::End => Err(Fault::Unasked),
            },
            (Protocol::Json(envelope), Letter::Text(text)) => {
                envelope.decode_response(&text).map(Ok).map_err(Fault::from)
            }
            (Protocol::Binary, Letter::Text(_)) | (Protocol::Json(_), Letter::Packed(_)) => {
                Err(Fault::Unasked)
            }
        }
    }
}

fn refused(denial: &Denial) -> Break {
    tracing::debug!(%denial, "the provider refuses");
    Break::Refused(match denial.reason {
        Reason::NoMatch { .. } => RefusedBy::NoMatch,
        Reason::Metadata | Reason::Malformed => RefusedBy::Metadata,
        Reason::Unavailable => RefusedBy::Unavailable,
        Reason::Internal => RefusedBy::Failed,
        Reason::TooMuch => RefusedBy::TooMuch,
        Reason::Busy { retry_after } => RefusedBy::Busy { retry_after },
    })
}
