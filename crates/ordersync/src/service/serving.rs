//! One session of a peer's: a request is read, answered, and only then the next is read.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use futures::{AsyncRead, AsyncWrite};
use futures_timer::Delay;
use machine::{Instant, PeerId};
use transport::clock::Clock;

use super::budget::Who;
use super::line::{Letter, LineError, Reader, Writer, split, within};
use super::network::{Network, Protocol, Score, ServeError};
use super::{Event, Service};
use crate::binary::{Denial, Frame, Reason, Serial};
use crate::intake::{Admission, Origin};
use crate::json::REQUEST_BYTES_MAX;
use crate::provider::{Effect, Input, Provider, Tally};
use crate::{Context, Entry, Fault, Item, RawRequest, RawResponse, Refusal};

/// The core of a session with its codec.
struct Talk<I: Item> {
    core: Provider<I>,
    protocol: Protocol,
    asked: Serial,
    answered: Serial,
}

enum Heard {
    Letter(Letter),
    Admitted(Vec<Admission>),
    /// Nothing: there is more to do for what was heard before.
    More,
}

/// What is to be done after a step.
enum Act<I> {
    Admit(Vec<Entry<I>>),
    Write(Letter),
    Report(Fault),
    GoOn,
    End(Result<(), ServeError>),
}

type Turn<I> = (Talk<I>, VecDeque<Act<I>>);

impl<I: Item, N: Network> Service<I, N> {
    /// Serves a session that `peer` has opened, until its end.
    ///
    /// # Errors
    /// [`ServeError`] if not everything was said. It is told as an [`Event`] as well.
    ///
    /// # Cancel safety
    /// Dropped, the session ends; what the peer gave away before is either stored in whole or not.
    pub async fn handle_stream<S>(
        &self,
        peer: PeerId,
        protocol: Protocol,
        stream: S,
    ) -> Result<Tally, ServeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(_place) = self.budgets().admit(peer) else {
            self.tell_served(peer, protocol, Tally::default(), Err(ServeError::Full));
            return Err(ServeError::Full);
        };
        let who = Who { peer, standing: self.network().standing(peer) };
        let cx = Context { scans: self.leave(who), ..self.context(peer, protocol) };
        let limits = self.params().provider;
        let core = Provider::new(self.subprotocols().of(protocol), limits, cx);
        let talk = Talk { core, protocol, asked: Serial::new(), answered: Serial::new() };
        let (reader, writer) = split(protocol, stream);
        let mut serving =
            Serving { service: self, who, protocol, reader, writer, tally: Tally::default() };
        let ended = match select(pin!(serving.run(talk)), Delay::new(self.params().session_timeout))
            .await
        {
            Either::Left((ended, _)) => ended,
            Either::Right(((), _)) => Err(ServeError::TimedOut),
        };
        let tally = serving.tally;
        if let Err(ServeError::Fault(fault)) = &ended {
            self.tell(Event::Fault { peer, standing: who.standing, fault: fault.clone() });
        }
        self.tell_served(peer, protocol, tally, ended.clone());
        ended.map(|()| tally)
    }

    fn tell_served(
        &self,
        peer: PeerId,
        protocol: Protocol,
        tally: Tally,
        ended: Result<(), ServeError>,
    ) {
        let score = match &ended {
            Ok(()) | Err(ServeError::Full | ServeError::TimedOut) => None,
            Err(ServeError::Fault(_)) => Some(Score::InvalidMessage),
            Err(ServeError::Refused(Refusal::NoMatch(_))) => Some(Score::NegotiationFailed),
            Err(ServeError::Refused(_)) => None,
            Err(ServeError::Broken) => Some(Score::UnexpectedDisconnect),
        };
        if let Some(score) = score {
            self.tell(Event::Scored { peer, score });
        }
        self.tell(Event::Served { peer, protocol, tally, ended });
    }
}

struct Serving<'a, I: Item, N: Network, S> {
    service: &'a Service<I, N>,
    who: Who,
    protocol: Protocol,
    reader: Reader<S>,
    writer: Writer<S>,
    tally: Tally,
}

impl<I, N, S> Serving<'_, I, N, S>
where
    I: Item,
    N: Network,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    async fn run(&mut self, mut talk: Talk<I>) -> Result<(), ServeError> {
        let (who, budgets) = (self.who, self.service.budgets());
        let mut heard = None;
        loop {
            let input = if let Some(input) = heard.take() {
                input
            } else {
                self.rest(budgets.request(who)).await?;
                match self.read().await? {
                    Some(letter) => Heard::Letter(letter),
                    None => return Ok(()),
                }
            };
            let step = move || timed_turn((talk, input));
            let turned = self.service.pool().run_patiently(Duration::MAX, step).await;
            let ((next, acts), taken) = turned.map_err(|_| ServeError::Broken)?;
            let mut pause = budgets.compute(who, taken);
            talk = next;
            self.tally = talk.core.tally();
            for act in acts {
                match act {
                    Act::Admit(entries) => {
                        let price = CHECKED
                            .saturating_mul(u32::try_from(entries.len()).unwrap_or(u32::MAX));
                        pause = pause.max(budgets.compute(who, price));
                        let outcomes = self.service.intake().admit(entries, Origin::Peer).await;
                        heard = Some(Heard::Admitted(outcomes));
                    }
                    Act::Write(letter) => {
                        pause = pause.max(budgets.bytes(who, self.protocol, letter.len()));
                        self.write(letter).await?;
                    }
                    Act::Report(fault) => {
                        let Who { peer, standing } = who;
                        self.service.tell(Event::Fault { peer, standing, fault });
                    }
                    Act::GoOn => heard = Some(Heard::More),
                    Act::End(ended) => {
                        self.close(&ended).await;
                        return ended;
                    }
                }
            }
            self.rest(pause).await?;
        }
    }

    async fn read(&mut self) -> Result<Option<Letter>, ServeError> {
        let timeout = self.service.params().turn_timeout;
        let letter = within(timeout, self.reader.read(REQUEST_BYTES_MAX)).await?;
        if letter.is_some() {
            let (peer, score) = (self.who.peer, Score::ValidMessage);
            self.service.tell(Event::Scored { peer, score });
        }
        Ok(letter)
    }

    async fn write(&mut self, letter: Letter) -> Result<(), ServeError> {
        Ok(self.writer.write(letter, self.service.params().turn_timeout).await?)
    }

    async fn close(&mut self, ended: &Result<(), ServeError>) {
        let timeout = self.service.params().turn_timeout;
        // That they have nothing more to hear is no failure of what was said.
        let _closed = self.writer.close(timeout).await;
        if self.protocol == Protocol::Binary && matches!(ended, Err(ServeError::Refused(_))) {
            // Whoever is writing still would find the stream broken before it reads why. It may end
            // what it has begun, and no more: nobody pays for this.
            let ends = async {
                for _ in 0..ENDING_FRAMES {
                    let Ok(Some(_)) = self.reader.read(REQUEST_BYTES_MAX).await else { break };
                }
            };
            select(pin!(ends), Delay::new(timeout)).await;
        }
    }

    /// Waits until a budget has something again; or says when it will, if the requester would not
    /// wait for as long.
    async fn rest(&mut self, pause: Duration) -> Result<(), ServeError> {
        if pause <= self.service.params().turn_timeout {
            if !pause.is_zero() {
                Delay::new(pause).await;
            }
            return Ok(());
        }
        let refusal = Refusal::Busy { retry_after: Some(pause) };
        if self.protocol == Protocol::Binary {
            // About the session, whatever was asked last.
            let denied = pack(&Frame::<I>::Error { id: 0, denial: Denial::from(&refusal) });
            if let Some(letter) = denied {
                self.write(letter).await?;
            }
        }
        let ended = Err(refusal.into());
        self.close(&ended).await;
        ended
    }
}

/// Most frames that are read and dropped after a refusal: as many as a requester has in its window.
const ENDING_FRAMES: usize = 8;

/// What it takes to check one item that was given away: about a signature.
const CHECKED: Duration = Duration::from_micros(50);

/// A step, and how long it took.
fn timed_turn<I: Item>(step: (Talk<I>, Heard)) -> (Turn<I>, Duration) {
    let clock = Clock::start();
    let turned = turn(step);
    (turned, clock.now().since(Instant::START))
}

/// One step of the core, with the decoding before it and the encoding after it. On the pool.
fn turn<I: Item>((mut talk, heard): (Talk<I>, Heard)) -> Turn<I> {
    let mut acts = VecDeque::new();
    let more = match heard {
        Heard::Admitted(outcomes) => talk.core.begin(Input::Admitted(outcomes)),
        Heard::More => talk.core.go_on(),
        Heard::Letter(letter) => match talk.open(letter) {
            Ok(Some(request)) => talk.core.begin(Input::Received(request)),
            Ok(None) => {
                acts.push_back(Act::End(Ok(())));
                return (talk, acts);
            }
            Err(fault) => {
                talk.deny(
                    Denial { reason: Reason::Malformed, detail: fault.to_string() },
                    &mut acts,
                );
                acts.push_back(Act::End(Err(fault.into())));
                return (talk, acts);
            }
        },
    };
    while let Some(effect) = talk.core.poll_effect() {
        match effect {
            Effect::Admit(entries) => acts.push_back(Act::Admit(entries)),
            Effect::Report(fault) => acts.push_back(Act::Report(fault)),
            Effect::Respond(response) => match talk.seal(response) {
                Some(letter) => acts.push_back(Act::Write(letter)),
                None => acts.push_back(Act::End(Err(ServeError::Broken))),
            },
            Effect::End(Ok(())) => acts.push_back(Act::End(Ok(()))),
            Effect::End(Err(refusal)) => {
                talk.deny(Denial::from(&refusal), &mut acts);
                acts.push_back(Act::End(Err(refusal.into())));
            }
        }
    }
    if more {
        acts.push_back(Act::GoOn);
    }
    (talk, acts)
}

impl<I: Item> Talk<I> {
    /// The request in a letter; `None` if the requester says that it is through.
    fn open(&mut self, letter: Letter) -> Result<Option<RawRequest<I>>, Fault> {
        match (self.protocol, letter) {
            (Protocol::Binary, Letter::Packed(packed)) => match Frame::unpack(packed)? {
                Frame::Request { id, request } => {
                    self.asked
                        .take(id)
                        .map_err(|error| Fault::Message { problem: error.to_string() })?;
                    Ok(Some(request))
                }
                Frame::End => Ok(None),
                Frame::Response { .. } | Frame::Error { .. } => Err(Fault::Unasked),
            },
            (Protocol::Json(envelope), Letter::Text(text)) => {
                envelope.decode_request(&text).map(Some).map_err(Fault::from)
            }
            (Protocol::Binary, Letter::Text(_)) | (Protocol::Json(_), Letter::Packed(_)) => {
                Err(Fault::Unasked)
            }
        }
    }

    /// A response as a letter; `None` if it cannot be written, which is an error of ours.
    fn seal(&mut self, response: RawResponse<I>) -> Option<Letter> {
        match self.protocol {
            Protocol::Binary => {
                let id = self.answered.issue()?;
                pack(&Frame::Response { id, response })
            }
            Protocol::Json(envelope) => envelope.encode_response(&response).ok().map(Letter::Text),
        }
    }

    /// Says why not, where the envelope has words for it.
    fn deny(&self, denial: Denial, acts: &mut VecDeque<Act<I>>) {
        if self.protocol == Protocol::Binary {
            let id = self.asked.last();
            acts.extend(pack(&Frame::<I>::Error { id, denial }).map(Act::Write));
        }
    }
}

/// A frame as a letter.
pub(super) fn pack<I: Item>(frame: &Frame<I>) -> Option<Letter> {
    pack_some(frame).map(|(letter, _)| letter)
}

/// A frame as a letter, and how many of its items are in it.
pub(super) fn pack_some<I: Item>(frame: &Frame<I>) -> Option<(Letter, usize)> {
    let packed = frame.pack();
    if let Err(error) = &packed {
        tracing::warn!(%error, "a frame of ours cannot be sent");
    }
    packed.ok().map(|pack| (Letter::Packed(pack.frame), pack.taken))
}

impl From<LineError> for ServeError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::TimedOut => Self::TimedOut,
            LineError::Broken => Self::Broken,
            LineError::Fault(fault) => Self::Fault(fault),
        }
    }
}
