//! A town of gossip cores in virtual time: whoever is dialled and at home opens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use handshake::{DialError, Refusal, Reject, RejectCode};
use libp2p_core::Multiaddr;
use machine::{PeerId, UnixTime};
use meshwork_gossip::{
    Change, Command, Config, Core, Direction, Done, Event, Job, Opened, Purpose, Setup, Snapshot,
    Stored,
};
use simnet::{Net, News, Ticket};
use wire::signed::SignedRecord;

use crate::records::{address, open, peer, record};

/// Whose word the records of seeds are.
pub(crate) const SEED: u8 = 255;

/// The town.
pub(crate) struct Town {
    pub(crate) net: Net<Core>,
    config: Config,
    numbers: BTreeMap<PeerId, u8>,
    trusted: BTreeMap<u8, Vec<u8>>,
    configs: BTreeMap<u8, Config>,
    /// Who does not open when dialled.
    pub(crate) deaf: BTreeSet<u8>,
    /// Who has no room, and whom it names instead.
    pub(crate) full: BTreeMap<u8, Vec<u8>>,
    /// Who neither hears nor is heard.
    pub(crate) offline: BTreeSet<u8>,
    /// Whom seeds tell of; nobody asks them if it is empty.
    pub(crate) seeds: Vec<u8>,
    /// Who waits for what seeds tell.
    seeking: BTreeSet<PeerId>,
    pub(crate) dials: Vec<(u8, u8, Purpose)>,
    pub(crate) events: Vec<(u8, Event)>,
    pub(crate) kept: BTreeMap<u8, Kept>,
}

/// What survives a restart.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) entries: BTreeMap<PeerId, Stored>,
    pub(crate) anchors: Vec<PeerId>,
}

impl Town {
    /// Nodes 1 to `count`, none of which knows anybody.
    pub(crate) fn new(count: u8, config: Config) -> Self {
        Self::with(count, config, |_| {})
    }

    pub(crate) fn with(count: u8, config: Config, change: impl FnOnce(&mut Self)) -> Self {
        let mut net = Net::new(11, simnet::Setup::default());
        net.drive();
        let mut town = Self {
            net,
            config,
            numbers: (1..=SEED).map(|n| (peer(n), n)).collect(),
            trusted: BTreeMap::new(),
            configs: BTreeMap::new(),
            deaf: BTreeSet::new(),
            full: BTreeMap::new(),
            offline: BTreeSet::new(),
            seeds: Vec::new(),
            seeking: BTreeSet::new(),
            dials: Vec::new(),
            events: Vec::new(),
            kept: BTreeMap::new(),
        };
        change(&mut town);
        for n in 1..=count {
            town.start(n);
        }
        town
    }

    /// Node `n` always wants links to `others`.
    pub(crate) fn trust(&mut self, n: u8, others: impl IntoIterator<Item = u8>) {
        self.trusted.entry(n).or_default().extend(others);
    }

    /// Node `n` runs with a configuration of its own.
    pub(crate) fn configure(&mut self, n: u8, config: Config) {
        self.configs.insert(n, config);
    }

    /// Starts node `n`, with what it kept.
    pub(crate) fn start(&mut self, n: u8) {
        let kept = self.kept.get(&n).cloned().unwrap_or_default();
        let named = self.trusted.get(&n).into_iter().flatten();
        let config = self.configs.get(&n).unwrap_or(&self.config).clone();
        let setup = Setup {
            local: peer(n),
            transports: vec!["tcp".to_owned()],
            trusted: named.map(|n| (peer(*n), vec![address(*n)])).collect(),
            banned: Vec::new(),
            kept: Snapshot {
                key: Some([n; 32]),
                entries: kept.entries.into_iter().collect(),
                anchors: kept.anchors,
                unreadable: 0,
            },
            started: UnixTime::from_millis(1_000_000_000),
        };
        self.net.insert(peer(n), Core::new(config.check().unwrap(), setup, [n; 32]));
        self.settle();
    }

    /// Node `n` is gone without a word.
    pub(crate) fn crash(&mut self, n: u8) {
        self.net.crash(peer(n));
        self.settle();
    }

    pub(crate) fn core(&self, n: u8) -> &Core {
        self.net.core(peer(n)).unwrap()
    }

    pub(crate) fn command(&mut self, n: u8, command: Command) {
        self.net.command(peer(n), command);
        self.settle();
    }

    /// Node `n` is told of others by a seed.
    pub(crate) fn tell(&mut self, n: u8, others: impl IntoIterator<Item = u8>) {
        let records = others.into_iter().map(record).collect();
        self.command(n, Command::Learned { source: peer(SEED), address: None, records });
    }

    /// `a` dials `b`, which opens.
    pub(crate) fn link(&mut self, a: u8, b: u8) {
        self.connect(peer(a), peer(b));
        self.settle();
    }

    /// Breaks a link.
    pub(crate) fn cut(&mut self, a: u8, b: u8) {
        self.net.cut(peer(a), peer(b));
        self.settle();
    }

    /// The line of node `n` is dead for a while; then what was said arrives.
    pub(crate) fn stall(&mut self, n: u8, span: Duration) {
        self.offline.insert(n);
        self.net.partition([peer(n)], simnet::Split::Stall);
        self.run(span);
        self.net.heal();
        self.offline.remove(&n);
    }

    pub(crate) fn linked(&self, a: u8, b: u8) -> bool {
        self.net.linked(peer(a), peer(b))
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.net.now().after(span);
        while self.net.run_until(end.since(self.net.now()), Net::has_news) {
            self.settle();
        }
    }

    /// Runs until `done`; panics when it takes longer than `limit`.
    pub(crate) fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.net.now().after(limit);
        while !done(self) {
            assert!(self.net.now() < end, "not within {limit:?}");
            self.run(Duration::from_millis(100));
        }
    }

    fn settle(&mut self) {
        while let Some(news) = self.net.take_news() {
            match news {
                News::Asked { me, job, ticket } => self.work(me, job, ticket),
                News::Event { me, event } => self.hear(me, event),
                News::Left { me, peer } => self.net.command(me, Command::Closed { peer }),
                News::Alarm { .. } | News::Reported { .. } => {}
            }
        }
    }

    fn work(&mut self, me: PeerId, job: Job, ticket: Ticket) {
        let done = match job {
            Job::Dial { peer, addresses, purpose } => {
                Done::Dialled(self.dial(me, peer, &addresses, purpose))
            }
            Job::Verify { records } => Done::Verified(records.iter().map(open).collect()),
            Job::Save { changes } => {
                let kept = self.kept.entry(self.numbers[&me]).or_default();
                for change in changes {
                    match change {
                        Change::Put { peer, entry } => drop(kept.entries.insert(peer, entry)),
                        Change::Remove { peer } => drop(kept.entries.remove(&peer)),
                        Change::Anchors { peers } => kept.anchors = peers,
                    }
                }
                Done::Saved(Ok(()))
            }
        };
        self.net.answer(ticket, Ok(done), Duration::from_millis(20));
    }

    fn dial(
        &mut self,
        me: PeerId,
        to: PeerId,
        addresses: &[Multiaddr],
        purpose: Purpose,
    ) -> Result<(), DialError> {
        let n = self.numbers[&to];
        self.dials.push((self.numbers[&me], n, purpose));
        let home = addresses.contains(&address(n)) && self.net.core(to).is_some();
        let offline = self.offline.contains(&n) || self.offline.contains(&self.numbers[&me]);
        if !home || offline || self.deaf.contains(&n) {
            return Err(DialError::Unreachable { reason: "nobody opens".to_owned() });
        }
        if let Some(others) = self.full.get(&n) {
            return Err(self.refuse(me, to, &others.clone()));
        }
        if self.net.linked(me, to) && purpose != Purpose::Feeler {
            return Err(DialError::AlreadyConnected);
        }
        if purpose != Purpose::Feeler {
            self.connect(me, to);
        }
        Ok(())
    }

    /// `to` has no room; whom it names is learned as the node does it.
    fn refuse(&mut self, me: PeerId, to: PeerId, others: &[u8]) -> DialError {
        let records = others.iter().map(|n| record(*n)).collect();
        self.net.command(me, Command::Learned { source: to, address: None, records });
        let (code, detail, retry_after) = (RejectCode::Full, String::new(), Duration::ZERO);
        let reject = Reject { code, detail, retry_after, alternatives: Vec::new() };
        DialError::Refused(Refusal::Theirs { reject, alternatives: Vec::new() })
    }

    fn connect(&mut self, from: PeerId, to: PeerId) {
        for (me, other, direction) in
            [(from, to, Direction::Outbound), (to, from, Direction::Inbound)]
        {
            let n = self.numbers[&other];
            let record: Option<Arc<SignedRecord>> = Some(record(n));
            let opened = Opened { peer: other, direction, address: address(n), record };
            self.net.command(me, Command::Opened(Box::new(opened)));
        }
        self.net.join(from, to);
    }

    fn hear(&mut self, me: PeerId, event: Event) {
        match &event {
            Event::HangUp { peer } => self.net.cut(me, *peer),
            Event::SeedsWanted { .. } if self.seeds.is_empty() => {
                let outcome = Err(Duration::from_secs(1));
                self.net.command(me, Command::Sought { outcome });
            }
            Event::SeedsWanted { .. } => {
                let records = self.seeds.iter().map(|n| record(*n)).collect();
                self.seeking.insert(me);
                self.net
                    .command(me, Command::Learned { source: peer(SEED), address: None, records });
            }
            Event::Learned { source, kept }
                if *source == peer(SEED) && self.seeking.remove(&me) =>
            {
                self.net.command(me, Command::Sought { outcome: Ok(*kept) });
            }
            _ => {}
        }
        self.events.push((self.numbers[&me], event));
    }

    /// What node `n` told.
    pub(crate) fn told(&self, n: u8) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |(who, _)| *who == n).map(|(_, event)| event)
    }

    /// How many links node `n` counts.
    pub(crate) fn degree(&self, n: u8) -> usize {
        self.core(n).counted()
    }
}
