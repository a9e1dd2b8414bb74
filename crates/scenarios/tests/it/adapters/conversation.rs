//! The conversation.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p_swarm::{StreamProtocol, Swarm};
use machine::{PeerId, Undelivered};
use transport::conversation::{Behaviour, Config};
use wire::{Defect, Malformed};

use super::herald::{Command, Core, Herald, Names, News, Old, Told, say};
use crate::net::{Net, soon};
use crate::outsider::{Outsider, put};

over_every_net!(
    what_is_said_arrives_in_order_or_comes_back,
    who_does_not_read_is_not_said_more_than_fits,
    what_did_not_leave_comes_back_when_the_link_breaks,
    what_was_said_before_hanging_up_arrives,
    a_peer_has_joined_when_both_directions_are_there,
    bytes_that_are_no_message_end_the_link,
    the_best_name_that_both_have_is_chosen,
    a_second_link_takes_over_from_the_first,
);

pub(super) const NAME: StreamProtocol = StreamProtocol::new("/herald/1");

async fn join<M: Names, N: Names>(a: &Herald<M>, b: &Herald<N>) {
    a.dial_at(b.peer, b.address.clone()).await;
    a.until("b to join", |told| told.visits() == (1, 0)).await;
    b.until("a to join", |told| told.visits() == (1, 0)).await;
}

async fn pair(net: Net) -> (Herald, Herald) {
    let (a, b) = (Herald::new(net).await, Herald::new(net).await);
    join(&a, &b).await;
    (a, b)
}

/// More is said at once than an outbox takes, again and again.
async fn what_is_said_arrives_in_order_or_comes_back(net: Net) {
    let (a, b) = pair(net).await;
    let mut said = 0;
    for _ in 0..5 {
        a.say(b.peer, said..said + 400, 1_000).await;
        b.say(a.peer, said..said + 400, 100).await;
        said += 400;
        for (speaker, listener) in [(&a, &b), (&b, &a)] {
            let back = speaker.settle().await.back(Undelivered::OutboxFull).len();
            let all = |told: &Told| told.heard().len() + back == said as usize;
            listener.until("what did not come back", all).await;
        }
    }
    for (speaker, listener) in [(&a, &b), (&b, &a)] {
        let (back, heard) = (speaker.now().back(Undelivered::OutboxFull), listener.now().heard());
        assert!(!back.is_empty(), "more than fits was said");
        assert!(heard.is_sorted(), "in order");
        let mut all = [back, heard].concat();
        all.sort_unstable();
        assert_eq!(all, (0..said).collect::<Vec<_>>(), "each once");
    }
}

/// Opens what it says and accepts what it would hear, and neither speaks nor reads.
pub(super) async fn mute(net: Net, herald: &Herald) -> (Outsider, [libp2p_swarm::Stream; 2]) {
    let mut mute = Outsider::accepting(net, &[NAME]).await;
    mute.connect(herald.peer, &herald.address).await;
    let mut said = mute.open(herald.peer, NAME).await;
    said.flush().await.unwrap();
    let heard = mute.accept().await;
    herald.until("the mute to join", |told| told.visits() == (1, 0)).await;
    (mute, [said, heard])
}

/// Says more and more until nothing more fits for a while; returns how much was said.
async fn fill(herald: &Herald, mute: &Outsider) -> u32 {
    const LEN: usize = 16 * 1024;
    let (mut said, mut full) = (0, 0);
    while full < 20 {
        let before = herald.now().back(Undelivered::OutboxFull).len();
        let told = herald.say(mute.peer, said..said + 16, LEN).await;
        said += 16;
        let back = told.back(Undelivered::OutboxFull).len() - before;
        full = if back == 16 { full + 1 } else { 0 };
        // The links of this machine move megabytes meanwhile, if there is room for them.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    said
}

async fn who_does_not_read_is_not_said_more_than_fits(net: Net) {
    let herald: Herald = Herald::new(net).await;
    let (mute, mut streams) = mute(net, &herald).await;
    let said = fill(&herald, &mute).await;
    let back = herald.now().back(Undelivered::OutboxFull).len();
    // An outbox of 1 MiB and what the transport has in its windows.
    let under_way = said as usize - back;
    assert!((64..=1_024).contains(&under_way), "{under_way} of {said}");
    let peer = mute.peer;
    let waiting = herald.run(move |swarm| swarm.behaviour().outbox_len(peer)).await;
    let fit = Config::default().outbox_bytes_max / (16 * 1024 + 3);
    assert!((fit..=fit + 1).contains(&waiting), "{waiting} wait");
    // Once it is read there is room again.
    let (mut bytes, mut buffer) = (0, vec![0; 64 * 1024]);
    while bytes < 512 * 1024 {
        bytes += soon("what was said", streams[1].read(&mut buffer)).await.unwrap();
    }
    let room = async {
        loop {
            let before = herald.now().back(Undelivered::OutboxFull).len();
            let told = herald.say(mute.peer, said..said + 1, 16 * 1024).await;
            if told.back(Undelivered::OutboxFull).len() == before {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("room in the outbox", room).await;
}

async fn what_did_not_leave_comes_back_when_the_link_breaks(net: Net) {
    let herald: Herald = Herald::new(net).await;
    let (mute, streams) = mute(net, &herald).await;
    let said = fill(&herald, &mute).await;
    let full = herald.now().back(Undelivered::OutboxFull).len();
    drop(streams);
    mute.stop().await;
    let told = herald.until("the end", |told| told.visits() == (1, 1)).await;
    let back = told.back(Undelivered::NotConnected);
    assert!(back.is_sorted(), "in order: {back:?}");
    // As many as fit an outbox, with their prefixes; of the first only the rest counts.
    let fit = Config::default().outbox_bytes_max / (16 * 1024 + 3);
    assert!((fit..=fit + 1).contains(&back.len()), "{} of {}", back.len(), said as usize - full);

    // What is said in the very moment of the end is not lost either.
    for round in 0..10 {
        let (a, b) = pair(net).await;
        let peer = b.peer;
        a.run(move |swarm| {
            say(swarm, peer, 0..40, 1_000);
            swarm.disconnect_peer_id(peer).unwrap();
            say(swarm, peer, 40..50, 1_000);
        })
        .await;
        let told = a.until("the end", |told| told.visits() == (1, 1)).await;
        let heard = b.until("the end", |told| told.visits() == (1, 1)).await.heard();
        let back = told.back(Undelivered::NotConnected);
        // What left may be lost on the way; what did not is the end of what was said.
        let first = back.first().copied().unwrap_or(50);
        assert_eq!(back, (first..50).collect::<Vec<_>>(), "round {round}");
        let count = u32::try_from(heard.len()).unwrap();
        assert_eq!(heard, (0..count).collect::<Vec<_>>(), "round {round}");
        assert!(count <= first, "round {round}: {heard:?} came back as well");
    }
}

/// Says a lot and hangs up.
fn leave(swarm: &mut Swarm<Behaviour<Core<Old>>>, peer: PeerId) {
    say(swarm, peer, 0..60, 16 * 1024);
    swarm.behaviour_mut().command(Command::HangUp(peer));
}

async fn what_was_said_before_hanging_up_arrives(net: Net) {
    for round in 0..10 {
        let (a, b) = pair(net).await;
        let peer = b.peer;
        a.run(move |swarm| {
            leave(swarm, peer);
            // Too late.
            say(swarm, peer, 60..61, 10);
        })
        .await;
        let heard = b.until("the end", |told| told.visits() == (1, 1)).await;
        assert_eq!(heard.heard(), (0..60).collect::<Vec<_>>(), "round {round}");
        let told = a.until("the end", |told| told.visits() == (1, 1)).await;
        assert_eq!(told.back(Undelivered::NotConnected), [60], "round {round}");
        a.until("the connection to go", |told| told.disconnected == 1).await;
        b.until("the connection to go", |told| told.disconnected == 1).await;
    }
    // Both may hang up at once.
    let (a, b) = pair(net).await;
    let (to_a, to_b) = (a.peer, b.peer);
    tokio::join!(a.run(move |swarm| leave(swarm, to_b)), b.run(move |swarm| leave(swarm, to_a)));
    for (speaker, listener) in [(&a, &b), (&b, &a)] {
        let gone = |told: &Told| told.disconnected == 1 && told.visits() == (1, 1);
        let heard = listener.until("the end", gone).await.heard();
        let back = speaker.until("the end", gone).await.back(Undelivered::NotConnected);
        // One may have left before the other was told to speak.
        assert_eq!([heard, back].concat(), (0..60).collect::<Vec<_>>());
    }
}

async fn a_peer_has_joined_when_both_directions_are_there(net: Net) {
    let herald: Herald = Herald::new(net).await;
    let mut slow = Outsider::accepting(net, &[NAME]).await;
    slow.connect(herald.peer, &herald.address).await;
    // It listens, and has not spoken.
    let mut heard = slow.accept().await;
    let told = herald.say(slow.peer, 0..1, 10).await;
    assert_eq!(told.news, [News::Back(0, Undelivered::NotConnected)]);
    let mut said = slow.open(herald.peer, NAME).await;
    put(&mut said, &[4, 0, 0, 0, 9]).await;
    let told = herald.until("a word", |told| told.heard() == [9]).await;
    assert_eq!(told.news[1], News::Joined("/herald/1"));
    herald.say(slow.peer, 1..2, 4).await;
    let mut frame = [0; 5];
    soon("a word", heard.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame, [4, 0, 0, 0, 1]);
    // Half of a conversation is none.
    said.close().await.unwrap();
    herald.until("the end", |told| told.visits() == (1, 1)).await;
    // With two names to choose from its own direction takes a round trip: who speaks earlier is
    // heard when it is there.
    for round in 0..10 {
        let herald = Herald::<Both>::new(net).await;
        let quick = Outsider::accepting(net, &[NAME]).await;
        quick.connect(herald.peer, &herald.address).await;
        let mut said = quick.open(herald.peer, NAME).await;
        put(&mut said, &[4, 0, 0, 0, 9]).await;
        let told = herald.until("a word", |told| told.heard() == [9]).await;
        assert_eq!(told.news[0], News::Joined("/herald/1"), "round {round}");
    }
}

/// Two versions.
#[derive(Debug)]
struct Both;

impl Names for Both {
    const NAMES: &'static [&'static str] = &["/herald/2", "/herald/1"];
}

/// Of which others know only the second.
#[derive(Debug)]
struct Odd;

impl Names for Odd {
    const NAMES: &'static [&'static str] = &["/herald/9", "/herald/2", "/herald/0"];
}

async fn bytes_that_are_no_message_end_the_link(net: Net) {
    let words: [(&[u8], Malformed); 3] = [
        (&[0xff; 20], Malformed::new("frame", Defect::Invalid)),
        (&[0x81, 0x80, 0x02], Malformed::new("frame", Defect::TooLong)),
        (&[3, 0, 0, 0], Malformed::new("note.number", Defect::Truncated)),
    ];
    let herald: Herald = Herald::new(net).await;
    let friend = Herald::<Old>::new(net).await;
    friend.dial_at(herald.peer, herald.address.clone()).await;
    friend.until("the herald to join", |told| told.visits() == (1, 0)).await;
    for (count, (bytes, malformed)) in words.into_iter().enumerate() {
        let mut attacker = Outsider::accepting(net, &[NAME]).await;
        attacker.connect(herald.peer, &herald.address).await;
        let mut said = attacker.open(herald.peer, NAME).await;
        let _heard = attacker.accept().await;
        put(&mut said, &[4, 0, 0, 0, 9]).await;
        herald.until("a word", |told| told.heard().len() == count + 1).await;
        put(&mut said, bytes).await;
        attacker.shut_out().await;
        let gone = |told: &Told| told.visits() == (count + 2, count + 1);
        let told = herald.until("the end", gone).await;
        assert_eq!(told.malformed.last(), Some(&malformed));
        assert_eq!(told.disconnected, count + 1);
    }
    herald.say(friend.peer, 0..3, 10).await;
    friend.until("words", |told| told.heard() == [0, 1, 2]).await;
}

async fn the_best_name_that_both_have_is_chosen(net: Net) {
    async fn agree<M: Names, N: Names>(net: Net, name: &'static str) {
        let (a, b) = (Herald::<M>::new(net).await, Herald::<N>::new(net).await);
        join(&a, &b).await;
        assert_eq!(a.now().news, [News::Joined(name)]);
        assert_eq!(b.now().news, [News::Joined(name)]);
        a.say(b.peer, 0..3, 10).await;
        b.until("words", |told| told.heard() == [0, 1, 2]).await;
    }
    agree::<Both, Both>(net, "/herald/2").await;
    agree::<Both, Old>(net, "/herald/1").await;
    agree::<Old, Both>(net, "/herald/1").await;
    agree::<Odd, Both>(net, "/herald/2").await;
    agree::<Both, Odd>(net, "/herald/2").await;
    // With none in common nobody joins, and what is said comes back.
    let (a, b) = (Herald::<Old>::new(net).await, Herald::<Odd>::new(net).await);
    a.dial_at(b.peer, b.address.clone()).await;
    a.until("a connection", |told| told.links.len() == 1).await;
    a.say(b.peer, 0..1, 10).await;
    let told = a.until("an answer", |told| !told.news.is_empty()).await;
    assert_eq!(told.news, [News::Back(0, Undelivered::NotConnected)]);
}

async fn a_second_link_takes_over_from_the_first(net: Net) {
    let (a, b) = pair(net).await;
    a.dial_at(b.peer, b.address.clone()).await;
    for herald in [&a, &b] {
        herald.until("a second link", |told| told.links.len() == 2).await;
    }
    for (speaker, listener) in [(&a, &b), (&b, &a)] {
        speaker.say(listener.peer, 0..20, 10).await;
        listener.until("words", |told| told.heard().len() == 20).await;
    }
    let first = a.now().links[0];
    assert!(a.run(move |swarm| swarm.close_connection(first)).await);
    a.until("the first link to go", |told| told.disconnected == 1).await;
    for number in 20..40 {
        a.say(b.peer, number..number + 1, 10).await;
    }
    let back = a.settle().await.back(Undelivered::NotConnected).len();
    let told = b.until("the others", |told| told.heard().len() + back == 40).await;
    assert!(told.heard().is_sorted(), "{told:?}");
    let again = |told: &Told| told.visits().0 == told.visits().1 + 1;
    let told = a.until("the second link", again).await;
    assert!(told.visits().0 <= 2, "{told:?}");
}
