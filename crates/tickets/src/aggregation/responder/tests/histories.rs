//! Whatever is asked, whenever the ledger moves, and wherever the issuer stops: no index is promised
//! twice, and no more is promised than there is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::aggregation::sample::{amount, index, interval, made, made_like};
use crate::{Amount, TicketIndex};

/// Plain tickets, one to an index.
static PLAIN: LazyLock<Vec<Winner>> =
    LazyLock::new(|| (0..PLAINS).map(|first| made(interval(first, 1), 10)).collect());

const PLAINS: u64 = 12;

/// What the channel holds: not enough for all tickets.
const BALANCE: u128 = 45;

#[derive(Clone, Debug)]
enum Happening {
    /// Somebody asks: for these plain tickets, and with which of the aggregates.
    Ask { plain: u16, aggregates: u8, end: End },
    /// The same is asked once more.
    Repeat,
    /// The ledger takes a ticket, up to this index.
    Redeem(u64),
    /// The issuer starts anew from what it kept.
    Restart,
}

/// How a request ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Well,
    NotKept,
    Stopped,
    StoppedWhenKept,
}

fn happening() -> impl Strategy<Value = Happening> {
    let end = prop_oneof![
        6 => Just(End::Well),
        1 => Just(End::NotKept),
        1 => Just(End::Stopped),
        1 => Just(End::StoppedWhenKept),
    ];
    // A few side by side, so that several aggregates have room beside each other, or some anywhere.
    let plain = prop_oneof![
        (0..PLAINS, 1..4_u32).prop_map(|(first, count)| ((1 << count) - 1) << first),
        (any::<u16>(), any::<u16>()).prop_map(|(some, others)| some & others),
    ];
    let ask = (plain, any::<u8>(), end).prop_map(|(plain, aggregates, end)| Happening::Ask {
        plain,
        aggregates,
        end,
    });
    prop_oneof![
        8 => ask,
        2 => Just(Happening::Repeat),
        2 => (0..PLAINS).prop_map(Happening::Redeem),
        1 => Just(Happening::Restart),
    ]
}

/// An aggregate that the asker has.
#[derive(Clone)]
struct Had {
    winner: Winner,
    /// It went into another one.
    spent: bool,
}

struct World {
    channel: Channel,
    responder: Responder,
    kept: BTreeMap<Key, Issued>,
    had: Vec<Had>,
    last: Option<(Request, Ticket)>,
}

impl World {
    fn new() -> Self {
        let channel = Channel { balance: amount(BALANCE), ..channel() };
        let responder = responder(&channel, Vec::new());
        Self { channel, responder, kept: BTreeMap::new(), had: Vec::new(), last: None }
    }

    fn restart(&mut self) {
        let issued = self.kept.values().copied().collect();
        self.responder = Responder::new(issuer().address(), LIMITS, issued);
        self.show();
    }

    /// Shows the issuer what the ledger has.
    fn show(&mut self) {
        for change in self.responder.on_view(&self.channel, Some(asker())) {
            self.keep(&change);
        }
    }

    fn keep(&mut self, change: &Change) {
        match change {
            Change::Put(Row::Issued(row)) => drop(self.kept.insert(row.key(), *row)),
            Change::Remove(key) => drop(self.kept.remove(key)),
            Change::Put(row) => panic!("{row:?} is not the responder's"),
        }
    }

    fn redeem(&mut self, first: u64) {
        self.channel.index = self.channel.index.max(index(first));
        self.show();
    }

    /// Those of the tickets that are in order.
    fn pick(&self, plain: u16, aggregates: u8) -> Vec<Winner> {
        let plain = PLAIN.iter().enumerate().filter(|(bit, _)| plain & (1 << bit) != 0);
        let had = self.had.iter().enumerate().filter(|(bit, _)| aggregates & (1 << (bit % 8)) != 0);
        let mut tickets: Vec<_> =
            plain.map(|(_, it)| it.clone()).chain(had.map(|(_, it)| it.winner.clone())).collect();
        tickets.sort_by_key(|it| (it.interval.first(), std::cmp::Reverse(it.interval.end())));
        let mut end = TicketIndex::ZERO;
        tickets.retain(|it| {
            let fits = it.interval.first() >= end;
            end = if fits { it.interval.end() } else { end };
            fits
        });
        tickets
    }

    fn ask(&mut self, tickets: Vec<Winner>, how: End) {
        let request = request(tickets);
        let now = Instant::START;
        let job = match self.responder.on_ask(asker(), ID, request.clone(), now) {
            Step::Check(job) => job,
            step => {
                if let Ok(ticket) = told(step) {
                    self.same_as_ever(&request, &ticket);
                }
                return;
            }
        };
        if matches!(how, End::Stopped) {
            return self.restart();
        }
        let (id, changes) = match compute(&mut self.responder, &job) {
            Step::Write { channel, changes } => (channel, changes),
            step => {
                assert_eq!(request.tickets.len(), 1);
                return assert!(told(step).is_ok());
            }
        };
        if matches!(how, End::NotKept) {
            return assert!(told(self.responder.on_written(id, Written::Failed)).is_err());
        }
        for change in &changes {
            self.keep(change);
        }
        if matches!(how, End::StoppedWhenKept) {
            // The asker waits for nothing, and asks again.
            self.restart();
            return self.ask(request.tickets, End::Well);
        }
        let ticket = told(self.responder.on_written(id, Written::Done)).unwrap();
        self.issued(request, ticket);
    }

    /// Nothing is told that was not told, or kept to be told, before.
    fn same_as_ever(&mut self, request: &Request, ticket: &Ticket) {
        let had = self.had.iter().any(|it| it.winner.signature == ticket.signature);
        if !had {
            // Only because the issuer stopped before it could be told.
            assert!(self.kept.values().any(|it| it.ticket == *ticket));
            self.issued(request.clone(), *ticket);
        }
    }

    /// An aggregate is in the asker's hands.
    fn issued(&mut self, request: Request, ticket: Ticket) {
        let (first, last) = (&request.tickets[0], request.tickets.last().unwrap());
        let body = &ticket.body;
        assert_eq!(body.interval, first.interval.covering(&last.interval).unwrap());
        let amounts = request.tickets.iter().map(|it| it.amount);
        assert_eq!(Some(body.amount), Amount::checked_sum(amounts));
        for had in &mut self.had {
            had.spent |= request.tickets.contains(&had.winner);
        }
        let redeemable = |it: &&Had| it.winner.interval.first() >= self.channel.index;
        let open = || self.had.iter().filter(|it| !it.spent).filter(redeemable);
        assert!(open().all(|it| !it.winner.interval.overlaps(&body.interval)));
        let promised: u128 = open().map(|it| it.winner.amount.get()).sum();
        assert!(promised + body.amount.get() <= BALANCE);
        self.had.push(Had { winner: made_like(&ticket, &first.response), spent: false });
        self.last = Some((request, ticket));
    }

    fn repeat(&mut self) {
        let Some((request, ticket)) = self.last.clone() else { return };
        let again = self.responder.on_ask(asker(), ID, request, Instant::START);
        let redeemable = ticket.body.interval.first() >= self.channel.index;
        assert_eq!(told(again).ok(), redeemable.then_some(ticket));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_index_is_promised_twice(happenings in prop::collection::vec(happening(), 1..24)) {
        let mut world = World::new();
        for happening in happenings {
            match happening {
                Happening::Ask { plain, aggregates, end } => {
                    let tickets = world.pick(plain, aggregates);
                    world.ask(tickets, end);
                }
                Happening::Repeat => world.repeat(),
                Happening::Redeem(first) => world.redeem(first),
                Happening::Restart => world.restart(),
            }
            let (history, all) = (&world.responder.history, interval(0, u32::MAX));
            let live: Vec<_> = history.overlapping(&world.channel, &all).collect();
            let worth: u128 = live.iter().map(|it| it.ticket.body.amount.get()).sum();
            prop_assert_eq!(history.worth(&world.channel), worth);
            let pairs = live.iter().zip(live.iter().skip(1));
            for (one, next) in pairs {
                prop_assert!(!one.ticket.body.interval.overlaps(&next.ticket.body.interval));
            }
        }
    }
}
