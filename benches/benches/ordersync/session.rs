//! One session between two sides, over a link on which only distance takes time.

use std::collections::VecDeque;

use bytes::Bytes;
use ordersync::requester::{self, Break, Outcome};
use ordersync::zeroex::Order;
use ordersync::{Form, Provider, Range, Requester, Subprotocols, provider};

use crate::side::Side;
use crate::traffic::{Line, Traffic, read_request, read_response};
use crate::{Failure, side};

/// How two sides talk.
pub(crate) struct Talk {
    pub(crate) form: Form,
    pub(crate) subprotocols: Subprotocols<Order>,
    pub(crate) page: usize,
    pub(crate) window: usize,
    pub(crate) secret: [u8; 32],
    /// After so many responses the stream is cut.
    pub(crate) cut: Option<usize>,
}

/// What came of it.
pub(crate) struct Talked {
    pub(crate) outcome: Outcome,
    pub(crate) traffic: Traffic,
    /// Times that a message and what it led to crossed the link.
    pub(crate) round_trips: usize,
    /// All messages of the two, in order.
    pub(crate) requests: Vec<Bytes>,
    pub(crate) responses: Vec<Bytes>,
}

impl Talk {
    /// As nodes of ours do it when nobody changes the configuration.
    pub(crate) fn ours(secret: [u8; 32]) -> Result<Self, Failure> {
        let (form, window) = (Form::Binary, requester::Limits::default().window);
        Ok(Self { form, subprotocols: side::ours(form)?, page: 500, window, secret, cut: None })
    }

    /// As nodes of 0x-Mesh do it.
    pub(crate) fn legacy() -> Result<Self, Failure> {
        let (form, subprotocols) = (Form::Json, side::legacy()?);
        Ok(Self { form, subprotocols, page: 500, window: 1, secret: [0; 32], cut: None })
    }

    /// The requester of such a session.
    pub(crate) fn requester(&self, side: &Side) -> Requester<Order> {
        let limits = requester::Limits { window: self.window, ..requester::Limits::default() };
        let cx = side.context(self.form, self.page, self.secret);
        Requester::start(self.subprotocols.clone(), limits, cx)
    }

    /// Brings what `provider` has to `requester`.
    pub(crate) fn run(&self, requester: &Side, provider: &Side) -> Result<Talked, Failure> {
        let cx = provider.context(self.form, self.page, self.secret);
        let limits = provider::Limits::default();
        let mut giving = Giving {
            core: Provider::new(self.subprotocols.clone(), limits, cx),
            side: provider,
            broken: false,
        };
        let mut asking = Asking {
            core: self.requester(requester),
            side: requester,
            ranges: Range::shards(4).into(),
            outcome: None,
        };
        let mut line = Line::new(self.form);
        let mut crossed = (Vec::new(), Vec::new());
        for round_trips in 0.. {
            let requests = asking.settle(&mut line)?;
            if let Some(outcome) = asking.outcome {
                line.end()?;
                let (traffic, (requests, responses)) = (line.traffic, crossed);
                return Ok(Talked { outcome, traffic, round_trips, requests, responses });
            }
            let mut answers = Vec::new();
            for request in requests {
                answers.extend(giving.answer(read_request(self.form, &request)?, &mut line)?);
                crossed.0.push(request);
            }
            let broken = giving.broken || (answers.is_empty());
            for answer in answers {
                if self.cut.is_some_and(|cut| crossed.1.len() >= cut) {
                    break;
                }
                let response = read_response(self.form, &answer)?;
                asking.core.handle(requester::Input::Received(response));
                crossed.1.push(answer);
            }
            let cut = self.cut.is_some_and(|cut| crossed.1.len() >= cut);
            if broken || cut {
                asking.core.handle(requester::Input::Broken(Break::Closed));
            }
        }
        Err("a session without end".into())
    }
}

/// The requester's end.
struct Asking<'a> {
    core: Requester<Order>,
    side: &'a Side,
    ranges: VecDeque<Range>,
    outcome: Option<Outcome>,
}

impl Asking<'_> {
    /// Does what the core wants done until it waits for answers. What it sent meanwhile.
    fn settle(&mut self, line: &mut Line) -> Result<Vec<Bytes>, Failure> {
        let mut sent = Vec::new();
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                requester::Effect::Send(request) => {
                    let (bytes, left_off) = line.ask(request)?;
                    self.core.left_off(left_off);
                    sent.push(bytes);
                }
                requester::Effect::Admit(orders) => {
                    let outcomes = self.side.admit(&orders);
                    self.core.handle(requester::Input::Admitted(outcomes));
                }
                requester::Effect::TakeRange => {
                    self.core.handle(requester::Input::Range(self.ranges.pop_front()));
                }
                requester::Effect::GiveBack(range) => self.ranges.push_back(range),
                requester::Effect::RangeDone(_) | requester::Effect::Report(_) => {}
                requester::Effect::End(outcome) => self.outcome = Some(outcome),
            }
        }
        Ok(sent)
    }
}

/// The provider's end.
struct Giving<'a> {
    core: Provider<Order>,
    side: &'a Side,
    broken: bool,
}

impl Giving<'_> {
    fn answer(
        &mut self,
        request: ordersync::RawRequest<Order>,
        line: &mut Line,
    ) -> Result<Vec<Bytes>, Failure> {
        let mut answers = Vec::new();
        self.core.handle(provider::Input::Received(request));
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                provider::Effect::Admit(orders) => {
                    let outcomes = self.side.admit(&orders);
                    self.core.handle(provider::Input::Admitted(outcomes));
                }
                provider::Effect::Respond(response) => answers.push(line.answer(response)?),
                provider::Effect::Report(_) => {}
                provider::Effect::End(ended) => self.broken |= ended.is_err(),
            }
        }
        Ok(answers)
    }
}
