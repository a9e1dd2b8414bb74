//! The question.

use std::time::Duration;

use futures::AsyncWriteExt;
use libp2p_swarm::StreamProtocol;
use machine::Undelivered;
use transport::question::{Config, Role};
use wire::{Defect, Frame, Malformed};

use super::clerk::{Answers, Clerk, News, Told};
use super::herald::Note;
use crate::net::Net;
use crate::outsider::{Outsider, put, rest};

over_every_net!(
    each_answer_finds_its_question,
    more_questions_than_fit_come_back_at_once,
    a_question_too_many_is_refused_by_whoever_is_asked,
    a_question_that_nobody_answers_comes_back,
    bytes_that_are_no_message_are_reported,
    what_is_too_long_does_not_leave,
    an_answer_arrives_although_the_link_is_closed_behind_it,
    a_question_comes_back_when_the_link_breaks,
);

const NAME: StreamProtocol = StreamProtocol::new("/clerk/1");

async fn pair(net: Net, answers: Answers, config: Config) -> (Clerk, Clerk) {
    let asks = Clerk::new(net, Answers::AtOnce, config).await;
    let answers = Clerk::new(net, answers, config).await;
    asks.dial_at(answers.peer, answers.address.clone()).await;
    for clerk in [&asks, &answers] {
        clerk.until("the other", |told| told.has(&News::Joined("/clerk/1"))).await;
    }
    (asks, answers)
}

fn both() -> Config {
    Config::new(Role::Both)
}

async fn each_answer_finds_its_question(net: Net) {
    let (a, b) = pair(net, Answers::AtOnce, both()).await;
    for round in 0..20 {
        let numbers = round * 8..(round + 1) * 8;
        a.ask(b.peer, numbers.clone(), 1_000).await;
        b.ask(a.peer, numbers.clone(), 1_000).await;
        for clerk in [&a, &b] {
            let count = numbers.end as usize;
            clerk.until("answers", |told| told.answered().len() == count).await;
        }
    }
    for clerk in [&a, &b] {
        assert_eq!(clerk.now().answered(), (0..160).collect::<Vec<_>>());
    }
}

async fn more_questions_than_fit_come_back_at_once(net: Net) {
    let config = Config { streams_max: 4, ..both() };
    let (a, b) = pair(net, Answers::Later, config).await;
    a.ask(b.peer, 0..10, 100).await;
    let told = a.until("six to come back", |told| told.back(Undelivered::OutboxFull) == 6).await;
    assert_eq!(told.answered(), [0; 0]);
    let asked = |told: &Told| (0..4).all(|number| told.has(&News::Asked(number)));
    b.until("the first four", asked).await;
    b.answer_all().await;
    a.until("four answers", |told| told.answered() == [0, 1, 2, 3]).await;
    // There is room again.
    a.ask(b.peer, 10..11, 100).await;
    b.until("one more", |told| told.has(&News::Asked(10))).await;
}

async fn a_question_too_many_is_refused_by_whoever_is_asked(net: Net) {
    let config = Config { waiting_max: 3, ..both() };
    let (a, b) = pair(net, Answers::Later, config).await;
    a.ask(b.peer, 0..5, 100).await;
    a.until("two to come back", |told| told.back(Undelivered::Unanswered) == 2).await;
    b.answer_all().await;
    let told = a.until("three answers", |told| told.answered().len() == 3).await;
    assert_eq!((told.malformed.len(), told.disconnected), (0, 0));
}

async fn a_question_that_nobody_answers_comes_back(net: Net) {
    let config = Config { timeout: Duration::from_millis(200), ..both() };
    let (a, b) = pair(net, Answers::Later, config).await;
    a.ask(b.peer, 0..1, 100).await;
    a.until("the end of time", |told| told.has(&News::Back(0, Undelivered::Unanswered))).await;
    // An answer that is too late is not one.
    b.answer_all().await;
    assert_eq!(a.settle().await.answered(), [0; 0]);
    // Nobody there, or nobody who speaks it.
    let stranger = Outsider::start(net).await;
    a.ask(stranger.peer, 1..2, 100).await;
    a.until("a refusal", |told| told.has(&News::Back(1, Undelivered::NotConnected))).await;
    stranger.connect(a.peer, &a.address).await;
    a.until("the stranger", |told| told.connected == 2).await;
    a.ask(stranger.peer, 2..3, 100).await;
    a.until("a refusal", |told| told.has(&News::Back(2, Undelivered::Unsupported))).await;
}

async fn bytes_that_are_no_message_are_reported(net: Net) {
    let a = Clerk::new(net, Answers::AtOnce, both()).await;
    let mut attacker = Outsider::accepting(net, &[NAME]).await;
    attacker.connect(a.peer, &a.address).await;
    a.until("the attacker", |told| told.has(&News::Joined("/clerk/1"))).await;
    let overlong = Malformed::new("frame", Defect::Invalid);
    let truncated = Malformed::new("note.number", Defect::Truncated);
    // As a question.
    let mut stream = attacker.open(a.peer, NAME).await;
    put(&mut stream, &[0xff; 20]).await;
    a.until("a report", |told| told.malformed == [overlong]).await;
    attacker.shut_out().await;
    // As an answer.
    attacker.connect(a.peer, &a.address).await;
    a.until("the attacker", |told| told.connected == 2).await;
    a.ask(attacker.peer, 0..1, 100).await;
    let mut stream = attacker.accept().await;
    put(&mut stream, &[3, 0, 0, 0]).await;
    stream.close().await.unwrap();
    let reported = |told: &Told| {
        told.malformed == [overlong, truncated] && told.has(&News::Back(0, Undelivered::Unanswered))
    };
    a.until("a report", reported).await;
    attacker.shut_out().await;
    // Others are answered still.
    let honest = Outsider::start(net).await;
    honest.connect(a.peer, &a.address).await;
    let mut stream = honest.open(a.peer, NAME).await;
    put(&mut stream, &[4, 0, 0, 0, 9]).await;
    stream.close().await.unwrap();
    assert_eq!(rest(&mut stream).await.len(), 15);
}

async fn what_is_too_long_does_not_leave(net: Net) {
    let (a, b) = pair(net, Answers::TooMuch, both()).await;
    a.ask(b.peer, 0..1, Note::MAX + 1).await;
    a.until("it to come back", |told| told.has(&News::Back(0, Undelivered::TooLarge))).await;
    a.ask(b.peer, 1..2, Note::MAX).await;
    b.until("the longest question", |told| told.has(&News::Asked(1))).await;
    b.until("the answer to come back", |told| {
        told.has(&News::AnswerBack(1, Undelivered::TooLarge))
    })
    .await;
    a.until("no answer", |told| told.has(&News::Back(1, Undelivered::Unanswered))).await;
    assert_eq!(a.now().disconnected, 0);
}

async fn an_answer_arrives_although_the_link_is_closed_behind_it(net: Net) {
    for round in 0..25 {
        let (a, b) = pair(net, Answers::ThenLeaves, both()).await;
        a.ask(b.peer, 0..1, 100).await;
        let over = |told: &Told| told.has(&News::Left) || told.has(&News::Answered(0));
        let told = a.until("an answer", over).await;
        assert_eq!(told.answered(), [0], "round {round}");
        // Who has what it wanted is expected to go first.
        a.hang_up(b.peer).await;
        b.until("the end", |told| told.has(&News::Left)).await;
    }
    // And is not waited for if it does not.
    let (a, b) = pair(net, Answers::ThenLeaves, both()).await;
    a.ask(b.peer, 0..1, 100).await;
    a.until("the end", |told| told.has(&News::Left)).await;
    // Nobody waits where nothing was answered.
    let (a, b) = pair(net, Answers::AtOnce, both()).await;
    a.hang_up(b.peer).await;
    let at_once = tokio::time::timeout(Duration::from_secs(1), async {
        b.until("the end", |told| told.has(&News::Left)).await
    });
    assert!(at_once.await.is_ok());
}

async fn a_question_comes_back_when_the_link_breaks(net: Net) {
    let (a, b) = pair(net, Answers::Later, both()).await;
    a.ask(b.peer, 0..5, 100).await;
    b.until("the last", |told| told.has(&News::Asked(4))).await;
    b.stop().await;
    // They left, so whether they were heard is not known.
    let back =
        |told: &Told| told.back(Undelivered::NotConnected) + told.back(Undelivered::Unanswered);
    let told = a.until("all five", |told| back(told) == 5).await;
    assert_eq!(told.answered(), [0; 0]);
    a.until("the end", |told| told.has(&News::Left)).await;
}
