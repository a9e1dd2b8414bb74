//! A requester and a provider, message by message, without a network.

use std::collections::VecDeque;
use std::sync::Arc;

use machine::{PeerId, UnixTime};
use meshwork_ordersync::requester::{self, Break, Ended, Outcome};
use meshwork_ordersync::{
    Admission, Admitted, Book, Context, Entry, Form, Holding, Inserted, Leave, Provider, Range,
    RawResponse, Rejected, Requester, Subprotocols, book, paging, provider, riblt,
};

use crate::sample::{Note, Prefix};

/// One side.
pub(crate) struct Side {
    pub(crate) book: Arc<Book<Note>>,
}

/// How a session goes.
pub(crate) struct Script<'a> {
    pub(crate) form: Form,
    pub(crate) page: usize,
    pub(crate) window: usize,
    pub(crate) push: bool,
    pub(crate) secret: [u8; 32],
    pub(crate) scans: bool,
    /// Sees each response on its way, and may change it; `None` cuts the stream there.
    pub(crate) tamper: &'a mut dyn FnMut(RawResponse<Note>) -> Option<RawResponse<Note>>,
}

impl Side {
    pub(crate) fn new(seed: u8, notes: impl IntoIterator<Item = u32>) -> Self {
        let book = Book::new(book::Config::default().check().unwrap(), [seed; 32]);
        let side = Self { book: Arc::new(book) };
        side.hold(notes.into_iter().map(|number| Entry::new(note(number))).collect());
        side
    }

    /// Begins a new epoch, whose sketch is that of the whole book.
    pub(crate) fn rotate(&self, key: u8) {
        assert!(self.book.rotate(reconcile::Key::from_bytes([key; 16])));
    }

    pub(crate) fn hold(&self, entries: Vec<Entry<Note>>) -> Vec<Inserted> {
        let received = UnixTime::from_millis(0);
        let hold = |entry| Holding { entry, received, pinned: false };
        self.book.insert(entries.into_iter().map(hold).collect())
    }

    /// As an intake does it.
    pub(crate) fn admit(&self, entries: Vec<Entry<Note>>) -> Vec<Admission> {
        let admit = |entry: Entry<Note>| {
            let id = entry.id;
            if entry.item.text.contains("forged") {
                let detail = "it is forged".to_owned();
                return Admission {
                    id,
                    outcome: Err(Rejected::Invalid { code: "forged", detail }),
                };
            }
            let outcome = match self.hold(vec![entry]).as_slice() {
                [Inserted::New { .. }] => Ok(Admitted::New),
                [Inserted::Known] => Ok(Admitted::Known),
                _ => Err(Rejected::Full),
            };
            Admission { id, outcome }
        };
        entries.into_iter().map(admit).collect()
    }

    pub(crate) fn context(&self, script: &Script<'_>) -> Context<Note> {
        Context {
            book: Arc::clone(&self.book),
            peer: PeerId::random(),
            form: script.form,
            filter: Prefix::default(),
            page: script.page,
            secret: script.secret,
            scans: Leave::fixed(script.scans),
            push: script.push,
        }
    }
}

pub(crate) fn note(number: u32) -> Note {
    Note::new(format!("note {number}"))
}

pub(crate) fn subprotocols(form: Form) -> Subprotocols<Note> {
    let both = Subprotocols::new().with(riblt::Riblt).unwrap();
    let both = both.with(paging::V1::default()).unwrap();
    if form == Form::Json { both.with(paging::V0).unwrap() } else { both }
}

/// Runs one session of `requester` with `provider`, in order and without loss.
pub(crate) fn run(requester: &Side, provider: &Side, script: &mut Script<'_>) -> Outcome {
    let limits = requester::Limits { window: script.window, ..requester::Limits::default() };
    let cx = requester.context(script);
    let core = Requester::start(subprotocols(script.form), limits, cx);
    go_on(core, requester, provider, script)
}

/// Goes on with a requester that was made elsewhere. Nothing is stored while there is anything else to
/// do, and what is not stored when the session ends is lost.
pub(crate) fn go_on(
    mut asking: Requester<Note>,
    requester: &Side,
    provider: &Side,
    script: &mut Script<'_>,
) -> Outcome {
    let limits = provider::Limits::default();
    let cx = provider.context(script);
    let mut giving = Provider::new(subprotocols(script.form), limits, cx);
    let mut ranges: VecDeque<Range> = Range::shards(4).into();
    let mut storing = VecDeque::new();
    for _ in 0..1_000_000 {
        match asking.poll_effect() {
            Some(requester::Effect::Send(request)) => {
                giving.handle(provider::Input::Received(request));
                while let Some(effect) = giving.poll_effect() {
                    match effect {
                        provider::Effect::Admit(entries) => {
                            let outcomes = provider.admit(entries);
                            giving.handle(provider::Input::Admitted(outcomes));
                        }
                        provider::Effect::Respond(response) => {
                            asking.handle(match (script.tamper)(response) {
                                Some(response) => requester::Input::Received(response),
                                None => requester::Input::Broken(Break::Closed),
                            });
                        }
                        provider::Effect::Report(_) => {}
                        provider::Effect::End(Ok(())) => {}
                        provider::Effect::End(Err(_)) => {
                            asking.handle(requester::Input::Broken(Break::Closed));
                        }
                    }
                }
            }
            Some(requester::Effect::Admit(entries)) => storing.push_back(entries),
            Some(requester::Effect::TakeRange) => {
                asking.handle(requester::Input::Range(ranges.pop_front()));
            }
            Some(requester::Effect::GiveBack(range)) => ranges.push_back(range),
            Some(requester::Effect::RangeDone(_) | requester::Effect::Report(_)) => {}
            Some(requester::Effect::End(outcome)) => return outcome,
            None => {
                let Some(entries) = storing.pop_front() else {
                    panic!("nothing to do, and no end: {asking:?}")
                };
                asking.handle(requester::Input::Admitted(requester.admit(entries)));
            }
        }
    }
    panic!("no end: {asking:?}");
}

/// Whether everything that `there` holds is held here.
pub(crate) fn holds_all(here: &Side, there: &Side) -> bool {
    there.book.ids(&Prefix::default()).iter().all(|id| here.book.contains(id))
}

/// Passes every response on.
#[expect(clippy::unnecessary_wraps, reason = "one of those that may cut the stream")]
pub(crate) fn honest(response: RawResponse<Note>) -> Option<RawResponse<Note>> {
    Some(response)
}

/// Whether an outcome says that nothing is missing.
pub(crate) fn is_whole(outcome: &Outcome) -> bool {
    matches!(outcome.ended, Ended::Agreed | Ended::Paged)
}

/// An item that nobody accepts.
pub(crate) fn forged(number: u32) -> Entry<Note> {
    Entry::new(Note::new(format!("forged {number}")))
}
