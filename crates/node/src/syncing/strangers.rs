//! The places of strangers that are served: who has one, who gives way to whom, and who has to wait.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use machine::Instant;
use tokio_util::sync::CancellationToken;
use transport::address::{NetworkGroup, Subnet};
use transport::clock::Clock;

/// Most strangers that are served at a time, and never more than half of the strangers that the node
/// lets in: there has to be room for those who come to introduce themselves.
const PLACES_MAX: usize = 8;

/// One subnet has at most so many parts of the places: two of eight. This machine is a subnet as well:
/// who comes through a proxy of its own shares what there is for one address.
const SUBNET_PART: usize = 4;

/// One network group has at most so many parts of the places: half of them, so that it takes two to
/// shut out all others.
const GROUP_PART: usize = 2;

/// How long nobody has to give way: a full book of 200,000 orders, at 5 MB a second, takes two thirds
/// of it.
const STAY: Duration = Duration::from_mins(1);

/// How long after a fault no stranger of that subnet is served.
const REST: Duration = Duration::from_mins(1);

/// Most subnets that rest; over it, the one that has rested longest may come again.
const RESTING_MAX: usize = 1024;

/// The places. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Strangers {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    max: usize,
    next: u64,
    held: BTreeMap<u64, Held>,
    /// Subnets with the end of their rest, which comes in this order.
    resting: VecDeque<(Subnet, Instant)>,
}

/// The place of one connection, with all sessions on it.
#[derive(Debug)]
struct Held {
    peer: PeerId,
    connection: ConnectionId,
    subnet: Option<Subnet>,
    group: Option<NetworkGroup>,
    sessions: usize,
    since: Instant,
    /// When it last took some of an answer. What it sends says nothing: that is cheap.
    took: Instant,
    out: CancellationToken,
}

/// Why a stranger is not served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoPlace {
    /// All places that it could have are taken by others who came less than a minute ago.
    Full,
    /// Its subnet rests after a fault.
    Resting,
}

/// A place, or a part of one; free again when all parts are dropped.
#[derive(Debug)]
pub(super) struct Place {
    strangers: Strangers,
    key: u64,
    out: CancellationToken,
}

impl Strangers {
    /// Places for a node that lets in so many strangers.
    pub(super) fn of(strangers_max: usize) -> Self {
        let max = PLACES_MAX.min(strangers_max / 2);
        let state = State { max, next: 0, held: BTreeMap::new(), resting: VecDeque::new() };
        Self { clock: Clock::start(), state: Arc::new(Mutex::new(state)) }
    }

    /// A place for a session on this connection: the one that the connection has, a free one, or that
    /// of whoever has been quiet longest.
    pub(super) fn take(
        &self,
        peer: PeerId,
        connection: ConnectionId,
        address: Option<IpAddr>,
    ) -> Result<Place, NoPlace> {
        let now = self.clock.now();
        let (key, out) = self.state().take(peer, connection, address, now)?;
        Ok(Place { strangers: self.clone(), key, out })
    }

    /// Has a stranger that broke a rule lose its places, and its subnet rest; the connections that it
    /// had them with. None if it has none: it was this node that came to it.
    pub(super) fn turn_out(&self, peer: PeerId) -> Vec<ConnectionId> {
        let now = self.clock.now();
        self.state().turn_out(peer, now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(u64, CancellationToken), NoPlace> {
        if let Some((key, held)) = self.held.iter_mut().find(|(_, it)| it.connection == connection)
        {
            held.sessions = held.sessions.saturating_add(1);
            return Ok((*key, held.out.clone()));
        }
        let (subnet, group) = (address.map(Subnet::from), address.map(NetworkGroup::from));
        if subnet.is_some_and(|subnet| self.rests(subnet, now)) {
            return Err(NoPlace::Resting);
        }
        self.make_room(subnet, group, now)?;
        let (key, out) = (self.next, CancellationToken::new());
        self.next = key.wrapping_add(1);
        let held = Held {
            peer,
            connection,
            subnet,
            group,
            sessions: 1,
            since: now,
            took: now,
            out: out.clone(),
        };
        self.held.insert(key, held);
        Ok((key, out))
    }

    /// Sees to it that there is a place for one of `subnet` and `group`. Whoever belongs to the
    /// narrowest crowd that is too large gives way, which makes every other one smaller as well.
    fn make_room(
        &mut self,
        subnet: Option<Subnet>,
        group: Option<NetworkGroup>,
        now: Instant,
    ) -> Result<(), NoPlace> {
        let of_subnet = |held: &Held| subnet.is_some() && held.subnet == subnet;
        let of_group = |held: &Held| group.is_some() && held.group == group;
        if self.count(of_subnet) >= (self.max / SUBNET_PART).max(1) {
            self.let_go(of_subnet, now)
        } else if self.count(of_group) >= (self.max / GROUP_PART).max(1) {
            self.let_go(of_group, now)
        } else if self.held.len() >= self.max {
            self.let_go(|_| true, now)
        } else {
            Ok(())
        }
    }

    fn count(&self, belongs: impl Fn(&Held) -> bool) -> usize {
        self.held.values().filter(|held| belongs(held)).count()
    }

    /// Has the quietest of a crowd give way.
    fn let_go(&mut self, belongs: impl Fn(&Held) -> bool, now: Instant) -> Result<(), NoPlace> {
        let may_go = |held: &Held| belongs(held) && now.since(held.since) >= STAY;
        let may_go = self.held.iter().filter(|(_, held)| may_go(held));
        let quietest = may_go.min_by_key(|(key, held)| (held.took, **key));
        let key = quietest.map(|(key, _)| *key).ok_or(NoPlace::Full)?;
        if let Some(held) = self.held.remove(&key) {
            held.out.cancel();
        }
        Ok(())
    }

    fn rests(&mut self, subnet: Subnet, now: Instant) -> bool {
        while self.resting.front().is_some_and(|(_, end)| *end <= now) {
            self.resting.pop_front();
        }
        self.resting.iter().any(|(resting, _)| *resting == subnet)
    }

    fn turn_out(&mut self, peer: PeerId, now: Instant) -> Vec<ConnectionId> {
        let gone: Vec<_> = self.held.extract_if(.., |_, held| held.peer == peer).collect();
        for (_, held) in &gone {
            held.out.cancel();
            let Some(subnet) = held.subnet else { continue };
            self.resting.retain(|(resting, _)| *resting != subnet);
            if self.resting.len() >= RESTING_MAX {
                self.resting.pop_front();
            }
            self.resting.push_back((subnet, now.after(REST)));
        }
        gone.into_iter().map(|(_, held)| held.connection).collect()
    }

    fn leave(&mut self, key: u64) {
        let Some(held) = self.held.get_mut(&key) else { return };
        held.sessions = held.sessions.saturating_sub(1);
        if held.sessions == 0 {
            self.held.remove(&key);
        }
    }
}

impl Place {
    /// Resolves when the stranger has to give way.
    pub(super) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.out.clone().cancelled_owned()
    }

    /// The stream of a session, which notes when some of an answer is taken.
    pub(super) fn watch<S>(&self, stream: S) -> Watched<S> {
        Watched { stream, strangers: self.strangers.clone(), key: self.key }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.strangers.state().leave(self.key);
    }
}

/// The stream of a stranger.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    strangers: Strangers,
    key: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        let now = self.strangers.clock.now();
        if let Some(held) = self.strangers.state().held.get_mut(&self.key) {
            held.took = now;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strangers that come one after another, each on a connection of its own.
    struct Door {
        state: State,
        connections: usize,
    }

    impl Door {
        fn of(strangers_max: usize) -> Self {
            let strangers = Strangers::of(strangers_max);
            let state = Arc::into_inner(strangers.state).expect("one").into_inner().expect("fine");
            Self { state, connections: 0 }
        }

        fn come(&mut self, address: &str, seconds: u64) -> Result<Guest, NoPlace> {
            let (peer, address) = (PeerId::random(), address.parse().ok());
            let connection = ConnectionId::new_unchecked(self.connections);
            self.connections += 1;
            let (key, out) = self.state.take(peer, connection, address, at(seconds))?;
            Ok(Guest { peer, connection, key, out })
        }

        fn takes(&mut self, guest: &Guest, seconds: u64) {
            self.state.held.get_mut(&guest.key).expect("it has a place").took = at(seconds);
        }
    }

    #[derive(Debug)]
    struct Guest {
        peer: PeerId,
        connection: ConnectionId,
        key: u64,
        out: CancellationToken,
    }

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    #[test]
    fn one_subnet_has_two_places_and_one_group_four() {
        let mut door = Door::of(16);
        for address in ["10.1.0.1", "10.1.0.1", "10.1.0.2", "10.1.0.2"] {
            door.come(address, 0).expect("a place");
        }
        for address in ["10.1.0.1", "10.1.0.3"] {
            assert_eq!(door.come(address, 1).map(drop), Err(NoPlace::Full), "{address}");
        }
        // All of a /56 are one.
        for address in ["2001:db8:0:1::1", "2001:db8:0:2::1"] {
            door.come(address, 1).expect("a place");
        }
        assert_eq!(door.come("2001:db8:0:ff::1", 1).map(drop), Err(NoPlace::Full));
        for address in ["10.3.0.1", "10.4.0.1"] {
            door.come(address, 1).expect("a place");
        }
        assert_eq!(door.come("10.5.0.1", 1).map(drop), Err(NoPlace::Full), "eight are served");
    }

    #[test]
    fn whoever_is_quiet_longest_gives_way_after_a_minute() {
        let mut door = Door::of(16);
        let addresses: Vec<_> = (1..=8).map(|number| format!("10.{number}.0.1")).collect();
        let guests: Vec<_> =
            addresses.iter().map(|it| door.come(it, 0).expect("a place")).collect();
        for guest in &guests {
            door.takes(guest, 50);
        }
        door.takes(&guests[5], 20);
        assert_eq!(door.come("10.20.0.1", 59).map(drop), Err(NoPlace::Full), "a minute is theirs");
        let new = door.come("10.20.0.1", 60).expect("a place");
        let gone: Vec<_> = guests.iter().map(|guest| guest.out.is_cancelled()).collect();
        assert_eq!(gone.iter().filter(|gone| **gone).count(), 1);
        assert!(gone[5], "it has taken nothing for longest");
        // What the old one leaves behind is not the place of the new one.
        door.state.leave(guests[5].key);
        assert_eq!(door.state.held.len(), 8);
        door.come("10.21.0.1", 61).expect("a place");
        assert!(!new.out.is_cancelled(), "it has a minute as well");
    }

    #[test]
    fn a_crowd_gives_way_within_itself() {
        let mut door = Door::of(16);
        let busy = door.come("10.1.0.1", 0).expect("a place");
        let other = door.come("10.2.0.1", 0).expect("a place");
        let quiet = door.come("10.1.0.1", 0).expect("a place");
        door.takes(&busy, 90);
        door.come("10.1.0.1", 100).expect("a place");
        assert!(quiet.out.is_cancelled());
        assert!(!busy.out.is_cancelled() && !other.out.is_cancelled());
    }

    #[test]
    fn the_sessions_of_a_connection_share_a_place() {
        let mut door = Door::of(2);
        let guest = door.come("10.1.0.1", 0).expect("a place");
        let again = door.state.take(guest.peer, guest.connection, None, at(1)).expect("its own");
        assert_eq!(again.0, guest.key);
        door.state.leave(guest.key);
        assert_eq!(door.come("10.2.0.1", 2).map(drop), Err(NoPlace::Full), "one session goes on");
        door.state.leave(guest.key);
        door.come("10.2.0.1", 2).expect("a place");
        assert_eq!(Door::of(0).come("10.1.0.1", 0).map(drop), Err(NoPlace::Full));
    }

    #[test]
    fn after_a_fault_the_subnet_rests_for_a_minute() {
        let mut door = Door::of(16);
        let bad = door.come("10.1.0.1", 0).expect("a place");
        assert_eq!(door.state.turn_out(bad.peer, at(1)), [bad.connection]);
        assert!(bad.out.is_cancelled());
        assert_eq!(door.come("10.1.0.1", 60).map(drop), Err(NoPlace::Resting));
        door.come("10.1.0.2", 60).expect("another subnet");
        door.come("10.1.0.1", 61).expect("rested");
        assert_eq!(door.state.turn_out(PeerId::random(), at(61)), []);
    }

    #[test]
    fn any_number_of_faults_takes_bounded_room() {
        let mut door = Door::of(16);
        for number in 0..2 * RESTING_MAX {
            let address = format!("10.1.{}.{}", number / 256, number % 256);
            let bad = door.come(&address, 0).expect("a place");
            door.state.turn_out(bad.peer, at(0));
        }
        assert_eq!((door.state.resting.len(), door.state.held.len()), (RESTING_MAX, 0));
    }
}
