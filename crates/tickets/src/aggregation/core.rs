//! The core: what is asked of issuers, what redeemers ask of us, and the tickets that are held.

pub(super) mod errands;
pub(super) mod wallet;
pub(super) mod writer;

use ecdsa::Address;
use machine::{Effect, Input, Instant, JobError, JobId, Machine, PeerId};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use transport::question::{Question, QuestionId};

use self::errands::{Books, Context, Errand, Errands, Lane};
use self::wallet::Wallet;
use self::writer::{Entry, Token, Written};
use super::redeemer::Redeemer;
use super::requester::Requester;
use super::responder::{Responder, Step};
use super::{
    Batch, Change, Command, Done, EarnError, Event, Fault, Held, Job, Kept, Key, Params, Refusal,
    RefusalCode, Reply, Request, Row, Stats, Unwritten, ViewError,
};
use crate::{AcknowledgedTicket, Channel, ChannelId, Epoch, TicketIndex};

/// Rows that one write removes.
const REMOVED_MAX: usize = 1000;

/// The core of aggregation and of what is held until it is redeemed.
#[derive(Debug)]
pub struct Core {
    params: Params,
    rng: ChaCha8Rng,
    errands: Errands,
    books: Books,
    requester: Requester,
    redeemer: Redeemer,
    responder: Responder,
}

impl Core {
    /// The core of the account `me`, with what it kept when it last stopped.
    #[must_use]
    pub fn new(params: Params, me: Address, kept: Kept, seed: [u8; 32]) -> Self {
        let (wallet, issued) = Wallet::new(kept);
        let limits = params.limits();
        Self {
            params,
            rng: ChaCha8Rng::from_seed(seed),
            errands: Errands::default(),
            books: Books::new(me, wallet),
            requester: Requester::default(),
            redeemer: Redeemer::default(),
            responder: Responder::new(me, limits, issued),
        }
    }

    /// Tickets that are held.
    pub const fn held_count(&self) -> usize {
        self.books.wallet.count()
    }

    /// The tickets of a channel that are held, of all its epochs, ascending.
    pub fn held(&self, channel: &ChannelId) -> impl Iterator<Item = &Held> {
        self.books.wallet.of(channel)
    }

    /// The tickets of one epoch of a channel, ascending, from an index on.
    pub fn held_from(
        &self,
        channel: &ChannelId,
        epoch: Epoch,
        from: TicketIndex,
    ) -> impl DoubleEndedIterator<Item = &Held> + Clone {
        self.books.wallet.of_epoch(channel, epoch, from)
    }

    /// The tickets of a channel whose issuer was asked for one in their place, and has not answered.
    pub fn batch(&self, channel: &ChannelId) -> Option<&Batch> {
        self.books.wallet.batch(channel)
    }

    /// Channels that tickets are held of.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.books.wallet.channels()
    }

    /// What became of the tickets of a channel.
    pub fn stats(&self, channel: ChannelId) -> Stats {
        self.books.wallet.stats(channel)
    }

    /// Attempts that somebody waits for, and requests of others that are being checked.
    pub fn passing_entries(&self) -> usize {
        self.requester.waited_for().saturating_add(self.errands.checks())
    }

    /// Everything that is remembered, in entries.
    pub fn entries(&self) -> usize {
        let books = &self.books;
        [
            books.wallet.count(),
            books.wallet.others(),
            books.views.len(),
            books.lanes.len(),
            books.unswept.len(),
            books.writer.waiting(),
            self.requester.len(),
            self.redeemer.len(),
            books.earning.len(),
            self.errands.under_way(),
        ]
        .iter()
        .sum()
    }

    fn split(
        &mut self,
        now: Instant,
    ) -> (&mut Requester, &mut Redeemer, &mut Responder, Context<'_>) {
        let Self { params, rng, errands, books, requester, redeemer, responder, .. } = self;
        (requester, redeemer, responder, Context { params, rng, errands, books, now })
    }

    fn on_command(&mut self, command: Command, now: Instant) {
        let (requester, redeemer, _, mut cx) = self.split(now);
        match command {
            Command::View { channel, peer } => self.on_view(channel, peer, now),
            Command::Earn(ticket) => self.on_earn(&ticket, now),
            Command::Aggregate { channel, below, prerequisites } => {
                requester.ask(channel, below, prerequisites, &mut cx);
            }
            Command::Redeem { channel, from, below } => {
                redeemer.redeem(channel, from, below, &mut cx);
            }
        }
    }

    fn on_view(&mut self, channel: Channel, peer: Option<PeerId>, now: Instant) {
        let id = channel.id();
        let (_, _, responder, mut cx) = self.split(now);
        let (max, books) = (cx.params.channels_max, &mut *cx.books);
        if books.views.len() >= max
            && !books.views.contains_key(&id)
            && let Some(closed) = books.forget_closed()
        {
            responder.forget(&closed);
        }
        let outcome = if channel.source != books.me && channel.destination != books.me {
            Err(ViewError::NotOurs(id))
        } else if books.views.len() >= max && !books.views.contains_key(&id) {
            Err(ViewError::TooMany { max })
        } else {
            books.see(channel, peer);
            let gone = responder.on_view(&channel, peer);
            // What is not removed now is when the node starts again, and never is in the way.
            for gone in gone.chunks(REMOVED_MAX) {
                let removed = cx.write(Token::Nobody, gone.to_vec(), None);
                tracing::trace!(channel = %id, ?removed, "aggregates that the ledger has passed");
            }
            Ok(())
        };
        cx.errands.emit(Event::Viewed { channel: id, outcome });
    }

    fn on_earn(&mut self, ticket: &AcknowledgedTicket, now: Instant) {
        let held = Held::new(ticket);
        let body = held.ticket.body;
        let outcome = match self.earn(ticket, held, now) {
            Ok(false) => return,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        let index = body.interval.first();
        self.errands.emit(Event::Earned { channel: body.channel, index, outcome });
    }

    /// Whether the ticket is durable already; otherwise that is told later.
    fn earn(
        &mut self,
        ticket: &AcknowledgedTicket,
        held: Held,
        now: Instant,
    ) -> Result<bool, EarnError> {
        let body = held.ticket.body;
        let (channel, index) = (body.channel, body.interval.first());
        if ChannelId::between(ticket.ticket().issuer(), &self.books.me) != channel {
            return Err(EarnError::NotOurs);
        }
        let view = self.books.views.get(&channel);
        if view.is_some_and(|view| view.is_over(body.epoch, index)) {
            return Err(EarnError::TooLate { epoch: body.epoch, index });
        }
        if let Some(before) = self.books.wallet.get(&channel, &(body.epoch, index)) {
            let same = before.ticket == held.ticket;
            return if same { Ok(true) } else { Err(EarnError::Taken { index }) };
        }
        if body.is_aggregate() {
            return Err(EarnError::Aggregate { offset: body.interval.offset().get() });
        }
        // What it was worth is in an aggregate already, or will be passed with it.
        if self.books.wallet.covers(&channel, &(body.epoch, index)) {
            return Err(EarnError::Taken { index });
        }
        if self.books.earning.contains_key(&held.key()) {
            return Err(Unwritten::Busy.into());
        }
        let max = self.params.held_max;
        if self.books.wallet.count().saturating_add(self.books.earning.len()) >= max {
            return Err(EarnError::Full { max });
        }
        let key = held.key();
        let tally = Stats { won: 1, ..Stats::new(channel) };
        let change = Change::Put(Row::Held(held));
        let (_, _, _, mut cx) = self.split(now);
        cx.write(Token::Earn(key), vec![change], Some(tally))?;
        self.books.earning.insert(key, false);
        Ok(false)
    }

    fn on_earned(&mut self, key: Key, written: Written) {
        let Key::Held { channel, index, .. } = key else { return };
        let outcome = match written {
            Written::Done => Ok(()),
            Written::Failed => Err(Unwritten::Failed.into()),
            Written::Unknown => Err(Unwritten::Unknown.into()),
        };
        // An unknown end is followed by a known one, until when no ticket above it may be used.
        let before = self.books.earning.insert(key, true);
        if written != Written::Unknown {
            self.books.earning.remove(&key);
        }
        if before == Some(false) {
            self.errands.emit(Event::Earned { channel, index, outcome });
        }
    }

    fn on_done(&mut self, id: JobId, outcome: Result<Done, JobError>, now: Instant) {
        let errand = self.errands.end(id);
        let (requester, redeemer, responder, mut cx) = self.split(now);
        match errand {
            Some(Errand::Write) => self.on_written(&outcome, now),
            Some(Errand::Prove(channel)) => requester.on_proven(channel, id, outcome, &mut cx),
            Some(Errand::Verify(channel)) => requester.on_verified(channel, id, outcome, &mut cx),
            Some(Errand::Redeem(channel)) => redeemer.on_paid(channel, id, outcome, &mut cx),
            Some(Errand::Check(channel)) => {
                let unavailable = Refusal::new(RefusalCode::Unavailable);
                let outcome = match outcome {
                    Ok(Done::Checked(outcome)) => outcome,
                    Ok(_) | Err(_) => Err(unavailable),
                };
                let step = responder.on_checked(channel, outcome);
                self.answer(step, now);
            }
            None => {}
        }
    }

    fn on_written(&mut self, outcome: &Result<Done, JobError>, now: Instant) {
        let (durable, told) = self.books.writer.on_done(outcome, now);
        for change in durable {
            self.books.wallet.apply(change);
        }
        for (Entry { token, .. }, written) in told {
            match token {
                Token::Earn(key) => self.on_earned(key, written),
                Token::Issue(channel) => {
                    let step = self.responder.on_written(channel, written);
                    self.answer(step, now);
                }
                Token::Errand(channel) => {
                    let lane = self.books.lanes.get(&channel).copied();
                    let (requester, redeemer, _, mut cx) = self.split(now);
                    match lane {
                        Some(Lane::Aggregate) => requester.on_written(channel, written, &mut cx),
                        Some(Lane::Redeem) => redeemer.on_written(channel, written, &mut cx),
                        Some(Lane::Sweep) => redeemer.on_swept(channel, written, &mut cx),
                        None => {}
                    }
                }
                Token::Nobody => {}
            }
        }
    }

    /// Does what the responder says.
    fn answer(&mut self, step: Step, now: Instant) {
        match step {
            Step::Nothing => {}
            Step::Answer { peer, id, reply } => self.reply(peer, id, reply),
            Step::Check(request) => {
                let errand = Errand::Check(request.channel());
                self.errands.start(errand, Job::Check(request));
            }
            Step::Write { channel, changes } => {
                let (_, _, _, mut cx) = self.split(now);
                if cx.write(Token::Issue(channel), changes, None).is_err() {
                    let step = self.responder.on_written(channel, Written::Failed);
                    self.answer(step, now);
                }
            }
            Step::Issued { channel, epoch, interval, peer, id, reply } => {
                self.errands.emit(Event::Issued { channel, epoch, interval });
                self.reply(peer, id, reply);
            }
        }
    }

    fn reply(&mut self, peer: PeerId, id: QuestionId, reply: Reply) {
        if let Err(Refusal { code, .. }) = reply.outcome
            && code.is_cheating()
        {
            self.errands.report(peer, Fault::Cheating(code));
        }
        let message = Question::Answer { id, answer: reply };
        self.errands.effects.push(Effect::Send { peer, message });
    }

    /// What every input may have made possible.
    fn go_on(&mut self, now: Instant) {
        let (_, redeemer, _, mut cx) = self.split(now);
        redeemer.sweep(&mut cx);
        cx.start_write();
    }
}

impl Machine for Core {
    const NAMES: &'static [&'static str] = &["/meshwork/tickets/aggregation/1"];

    type Message = Question<Request, Reply>;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Job;
    type Done = Done;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        let (requester, _, responder, mut cx) = self.split(now);
        match input {
            Input::Received { peer, message: Question::Ask { id, ask } } => {
                let step = responder.on_ask(peer, id, ask, now);
                self.answer(step, now);
            }
            Input::Received { peer, message: Question::Answer { id, answer } } => {
                requester.on_reply(peer, id, answer, &mut cx);
            }
            Input::Undelivered { message: Question::Ask { id, .. }, cause, .. } => {
                requester.on_undelivered(id, cause, &mut cx);
            }
            // Whoever asked is gone; the same request gets the same answer again.
            Input::Undelivered { message: Question::Answer { .. }, .. } => {}
            Input::Command(command) => self.on_command(command, now),
            Input::Done { id, outcome } => self.on_done(id, outcome, now),
            // A question comes back by itself when its peer leaves.
            Input::Joined { .. } | Input::Left { .. } | Input::Wall(_) => {}
        }
        self.go_on(now);
    }

    fn tick(&mut self, now: Instant) {
        let (requester, _, _, mut cx) = self.split(now);
        requester.tick(&mut cx);
        self.go_on(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let write = self.books.writer.next_deadline();
        self.requester.next_deadline().into_iter().chain(write).min()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.errands.effects.pop()
    }
}
