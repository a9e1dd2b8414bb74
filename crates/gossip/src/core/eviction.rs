//! Which links to close when there are too many.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use libp2p_identity::PeerId;
use transport::address::NetworkGroup;

/// One link, as far as the choice goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) peer: PeerId,
    pub(super) inbound: bool,
    pub(super) age: Duration,
    pub(super) round_trip: Option<Duration>,
    pub(super) group: Option<NetworkGroup>,
}

/// Each class protects one in this many of the candidates, and at least one.
const CLASS_SHARE: usize = 8;

/// The peers to hang up on, at most `count`, at most `outbound_spare` of them dialled by us.
///
/// Inbound links go first: an attacker can make as many of those as it likes. Among them the
/// nearest and the oldest are spared, which an attacker cannot be without being useful; of the rest
/// the youngest of the network group with the most links goes, again and again. What was spared
/// goes only if that is not enough, and outbound links last, the youngest first.
pub(super) fn choose(
    mut candidates: Vec<Candidate>,
    count: usize,
    outbound_spare: usize,
) -> Vec<PeerId> {
    candidates.sort_by_key(|it| (it.age, it.peer));
    let (mut inbound, outbound): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|it| it.inbound);
    let spared = spare(&mut inbound);
    let mut victims = Vec::new();
    while victims.len() < count
        && let Some(victim) = youngest_of_the_largest_group(&mut inbound)
    {
        victims.push(victim);
    }
    let rest = spared.into_iter().chain(outbound.into_iter().take(outbound_spare));
    victims.extend(rest.map(|it| it.peer).take(count.saturating_sub(victims.len())));
    victims
}

/// Takes out the nearest and the oldest; the youngest of them comes first.
fn spare(inbound: &mut Vec<Candidate>) -> Vec<Candidate> {
    let class = (inbound.len() / CLASS_SHARE).max(1);
    let oldest = inbound.split_off(inbound.len().saturating_sub(class));
    let mut near: Vec<_> =
        inbound.iter().filter_map(|it| Some((it.round_trip?, it.peer))).collect();
    near.sort_unstable();
    near.truncate(class);
    let is_near = |it: &Candidate| near.iter().any(|(_, peer)| *peer == it.peer);
    let mut spared: Vec<_> = inbound.extract_if(.., |it| is_near(it)).collect();
    spared.extend(oldest);
    spared
}

fn youngest_of_the_largest_group(inbound: &mut Vec<Candidate>) -> Option<PeerId> {
    // The youngest come first, so that the first of a group is its youngest.
    let mut groups: BTreeMap<Option<NetworkGroup>, (usize, usize)> = BTreeMap::new();
    for (at, it) in inbound.iter().enumerate() {
        let (size, _youngest) = groups.entry(it.group).or_insert((0, at));
        *size = size.saturating_add(1);
    }
    let by_size_then_youth = |(size, at): &(usize, usize)| (*size, Reverse(*at));
    let (_, youngest) = groups.into_values().max_by_key(by_size_then_youth)?;
    Some(inbound.remove(youngest).peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::{IpAddr, Ipv4Addr};

    fn candidate(inbound: bool, age: u64, round_trip: u64, net: u8) -> Candidate {
        Candidate {
            peer: PeerId::random(),
            inbound,
            age: Duration::from_secs(age),
            round_trip: Some(Duration::from_millis(round_trip)),
            group: Some(NetworkGroup::from(IpAddr::from(Ipv4Addr::new(9, net, 0, 1)))),
        }
    }

    #[test]
    fn those_of_one_network_go_before_the_near_the_old_and_our_own() {
        let flood: Vec<_> = (0..6).map(|age| candidate(true, age, 90, 1)).collect();
        let near = candidate(true, 1, 5, 2);
        let old = candidate(true, 1000, 80, 3);
        let ours: Vec<_> = (10..14).map(|net| candidate(false, 0, 80, net)).collect();
        let all: Vec<_> = flood.iter().chain([&near, &old]).chain(&ours).copied().collect();
        let victims = choose(all.clone(), 6, 4);
        let expected: Vec<_> = flood.iter().map(|it| it.peer).collect();
        assert_eq!(victims, expected, "the youngest first");
        let more = choose(all, 100, 2);
        assert_eq!(more.len(), 10, "all inbound ones and two that we can spare");
        assert_eq!(more[6..8], [near.peer, old.peer]);
    }

    #[test]
    fn nobody_goes_when_there_is_nobody() {
        assert!(choose(Vec::new(), 3, 3).is_empty());
    }
}
