//! The shortest way that a message could take.

use std::collections::BTreeSet;

use dht::{Core, Distance, Key};
use libp2p_identity::PeerId;

use super::Post;

/// Links on the shortest way from one node to another on which each carrier knows the next one, all
/// of them run and carry, and each is closer to the end than the one before. Only the first may be
/// farther, where the sender knows nobody closer. Where the recipient is known to nobody on the
/// way, one more than to the last.
pub(super) fn greedy(post: &Post, from: usize, to: usize) -> u32 {
    let (goal, key) = (post.people.get(to).peer, post.lives[to].key);
    let (mut level, mut met) = (vec![from], BTreeSet::from([from]));
    let mut steps = 1;
    loop {
        if level.iter().any(|who| core(post, *who).is_some_and(|it| knows(it, &goal))) {
            return steps;
        }
        let mut next = Vec::new();
        for who in &level {
            let own = post.lives[*who].key.distance(&key);
            let closer = neighbours(post, *who, |distance| distance < own, &key);
            let first = closer.is_empty() && steps == 1;
            let chosen = if first { neighbours(post, *who, |_| true, &key) } else { closer };
            next.extend(chosen.into_iter().filter(|it| met.insert(*it)));
        }
        if next.is_empty() {
            return steps;
        }
        level = next;
        steps += 1;
    }
}

fn core(post: &Post, who: usize) -> Option<&Core> {
    post.net.core(post.people.get(who).peer).map(super::Node::core)
}

fn knows(core: &Core, peer: &PeerId) -> bool {
    core.links().contains(peer) || core.table().get(peer).is_some()
}

/// Those who run and carry among whom a node knows or is linked with, at such a distance.
fn neighbours(
    post: &Post,
    who: usize,
    at: impl Fn(Distance) -> bool,
    key: &Key,
) -> BTreeSet<usize> {
    let Some(core) = core(post, who) else { return BTreeSet::new() };
    let contacts = core.table().contacts().map(|contact| (contact.peer(), *contact.key()));
    let linked = core.links().iter().map(|(peer, key)| (*peer, *key));
    let close = contacts.chain(linked).filter(|(_, it)| at(it.distance(key)));
    let known = close.filter_map(|(peer, _)| post.people.find(&peer));
    known.filter(|it| post.lives[*it].runs && !post.lives[*it].drops).collect()
}
