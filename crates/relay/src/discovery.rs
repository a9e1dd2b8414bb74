//! What the ledger says about whom to talk to.

use std::collections::{BTreeMap, VecDeque};

use futures::stream::{self, Stream, StreamExt};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use tickets::Address;
use tickets::ledger::{Account, Change, Changed, Replica, Row, State};

/// A peer as the ledger has it, for whoever keeps connections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerDiscovery {
    /// It has an account: connections with it are welcome.
    Allow(PeerId),
    /// It has one no longer: connections with it end.
    Ban(PeerId),
    /// Where it says that it can be reached. Comes after [`PeerDiscovery::Allow`].
    Announce(PeerId, Vec<Multiaddr>),
}

/// Turns the changes of a ledger into events about peers.
///
/// It keeps what it said of each, so that nothing is said twice. Nothing is ever said of the peer
/// `me`.
#[derive(Debug)]
pub struct Discovery {
    me: PeerId,
    /// What was announced by each account.
    known: BTreeMap<Address, (PeerId, Vec<Multiaddr>)>,
    events: VecDeque<PeerDiscovery>,
}

impl Discovery {
    /// Knows nobody.
    pub fn new(me: PeerId) -> Self {
        Self { me, known: BTreeMap::new(), events: VecDeque::new() }
    }

    /// The events of a ledger from now on, those about who is there already first.
    pub fn follow(me: PeerId, replica: Replica) -> impl Stream<Item = PeerDiscovery> + Send {
        let changes = Box::pin(replica.changes());
        stream::unfold((Self::new(me), replica, changes), |(mut own, replica, mut changes)| async {
            loop {
                if let Some(event) = own.next_event() {
                    return Some((event, (own, replica, changes)));
                }
                let Change { what, .. } = changes.next().await?;
                match what {
                    Changed::All => replica.read(|state| own.see_all(state)),
                    Changed::Rows(rows) => own.see_rows(&rows),
                }
            }
        })
    }

    /// What there is to say.
    pub fn next_event(&mut self) -> Option<PeerDiscovery> {
        self.events.pop_front()
    }

    /// Compares everything with what is known.
    pub fn see_all(&mut self, state: &State) {
        let mut gone = self.known.clone();
        for (address, account) in state.accounts() {
            gone.remove(address);
            self.see(*address, account);
        }
        for (address, _) in gone {
            self.forget(&address);
        }
    }

    /// Takes in what changed.
    pub fn see_rows(&mut self, rows: &[Row]) {
        for row in rows {
            if let Row::Account { address, account } = row {
                self.see(*address, account);
            }
        }
    }

    /// Takes in one account.
    pub fn see(&mut self, address: Address, account: &Account) {
        let Some(announcement) = &account.announcement else { return self.forget(&address) };
        let (peer, addresses) = (announcement.peer, &announcement.addresses);
        if peer == self.me {
            return self.forget(&address);
        }
        match self.known.get(&address) {
            Some((known, at)) if *known == peer && at == addresses => return,
            Some((known, _)) if *known == peer => {}
            Some(_) => {
                self.forget(&address);
                self.events.push_back(PeerDiscovery::Allow(peer));
            }
            None => self.events.push_back(PeerDiscovery::Allow(peer)),
        }
        self.known.insert(address, (peer, addresses.clone()));
        self.events.push_back(PeerDiscovery::Announce(peer, addresses.clone()));
    }

    fn forget(&mut self, address: &Address) {
        let Some((peer, _)) = self.known.remove(address) else { return };
        // Another account may have announced it meanwhile.
        if !self.known.values().any(|(known, _)| *known == peer) {
            self.events.push_back(PeerDiscovery::Ban(peer));
        }
    }
}
