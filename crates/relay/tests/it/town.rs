//! A ledger with accounts that are peers, and channels between them.

use std::sync::Arc;

use futures::executor::block_on;
use libp2p_identity::{Keypair, PeerId};
use tickets::ledger::{
    Call, Genesis, LocalLedger, MemoryStore, Replica, SignedAnnouncement, Signer,
};
use tickets::{Address, Amount, ChainKey, ChannelId, DomainSeparator, UnixTime};

pub(crate) const PRICE: u128 = 10_000_000_000_000_000;

/// Accounts by number, each of which has announced itself.
pub(crate) struct Town {
    pub(crate) replica: Replica,
    pub(crate) signers: Vec<Signer>,
    pub(crate) keys: Vec<Keypair>,
}

impl Town {
    /// So many accounts, rich and without channels.
    pub(crate) fn new(count: u8) -> Self {
        let params = Genesis::default().check().unwrap();
        let clock = Box::new(|| UnixTime(1_700_000_000));
        let ledger = LocalLedger::open(params, Arc::new(MemoryStore::default()), clock);
        let ledger = block_on(ledger).unwrap();
        let mut town =
            Self { replica: ledger.replica().clone(), signers: Vec::new(), keys: Vec::new() };
        for number in 1..=count {
            let chain = ChainKey::from_bytes(&[number; 32]).unwrap();
            let signer = Signer::new(chain, Arc::new(ledger.clone()), town.replica.clone());
            block_on(signer.submit(&Call::Claim)).unwrap();
            let mut seed = [number; 32];
            town.keys.push(Keypair::ed25519_from_bytes(&mut seed).unwrap());
            town.signers.push(signer);
            town.announce(usize::from(number) - 1, usize::from(number) - 1);
        }
        town
    }

    /// Account `who` says that it is the peer with this number, and relays.
    pub(crate) fn announce(&self, who: usize, peer: usize) {
        self.say(who, peer, true);
    }

    /// Account `who`, known to be its own peer, says that it relays no longer.
    pub(crate) fn retire(&self, who: usize) {
        self.say(who, who, false);
    }

    fn say(&self, who: usize, peer: usize, relays: bool) {
        let (key, separator, account) = (&self.keys[peer], self.separator(), self.address(who));
        let addresses = vec!["/ip4/10.0.0.1/tcp/1".parse().unwrap()];
        let said = SignedAnnouncement::new(key, &separator, &account, addresses, relays).unwrap();
        self.submit(who, &Call::Announce(Box::new(said)));
    }

    /// Opens a channel with enough for so many packets of one relay.
    pub(crate) fn open(&self, from: usize, to: usize, packets: u128) -> ChannelId {
        let (source, destination) = (self.address(from), self.address(to));
        let amount = Amount::new(packets * PRICE).unwrap();
        block_on(self.signers[from].submit(&Call::Open { destination, amount })).unwrap();
        ChannelId::between(&source, &destination)
    }

    pub(crate) fn submit(&self, who: usize, call: &Call) {
        block_on(self.signers[who].submit(call)).unwrap();
    }

    pub(crate) fn separator(&self) -> DomainSeparator {
        self.replica.read(|state| *state.params().separator())
    }

    pub(crate) fn address(&self, who: usize) -> Address {
        self.signers[who].address()
    }

    pub(crate) fn peer(&self, who: usize) -> PeerId {
        self.keys[who].public().to_peer_id()
    }
}
