//! Who is refused learns why, whichever side refuses, and the inner behaviour learns nothing.

use handshake::{Config, RejectCode, Semver};

use crate::net::Net;
use crate::node::{Node, Plan, probe, told};

over_every_net!(
    both_learn_why_every_time,
    each_side_may_be_the_one_that_refuses,
    an_inner_denial_closes,
    versions_are_compared_as_the_rule_says,
    features_are_those_of_both,
);

async fn both_learn_why_every_time(net: Net) {
    let a = Node::start(net).await;
    let b = Node::of_network(net, "other").await;
    for round in 1..=50 {
        a.dial(&b).await;
        let what = format!("the refusal of round {round}");
        let x = a.until(&what, |seen| seen.refused.len() == round).await;
        let y = b.until(&what, |seen| seen.refused.len() == round).await;
        assert_eq!(told(x.refusal()), r#"theirs network (this is "other")"#, "round {round}");
        assert_eq!(told(y.refusal()), r#"ours network (this is "other")"#, "round {round}");
        a.alone().await;
        b.alone().await;
    }
    let (x, y) = (a.now(), b.now());
    for seen in [&x, &y] {
        seen.shown.assert_untouched();
        assert_eq!((seen.pending, seen.strangers), (0, 0));
    }
    assert_eq!(x.shown.dial_failures, vec!["denied"; 50]);
    assert_eq!(y.shown.listen_failures, vec![Some(a.peer); 50]);
    assert!(a.sessions.is_empty() && b.sessions.is_empty());
}

type Change = fn(&mut Config);

/// One of the two wants the other.
async fn each_side_may_be_the_one_that_refuses(net: Net) {
    let old = |config: &mut Config| config.version = Semver { major: 1, minor: 3, patch: 0 };
    let strict = |config: &mut Config| {
        config.version = Semver { major: 1, minor: 5, patch: 0 };
        config.minor_min = 4;
    };
    let closed = |config: &mut Config| config.outbound_max = 0;
    let private = |config: &mut Config| config.private = true;
    let version = "version (this is 1.5.0, down to 1.4)";

    let cases: [(&str, Change, Change, bool, &str); 4] = [
        ("the listener, of the version", old, strict, false, version),
        ("the dialer, of the version", strict, old, true, version),
        ("the dialer, which is full", closed, |_| {}, true, "full"),
        ("the listener, which is private", |_| {}, private, false, "private"),
    ];
    for (who, dialer, listener, dialer_refuses, why) in cases {
        let a = Node::with(net, dialer).await;
        let b = Node::with(net, listener).await;
        for round in 1..=10 {
            a.dial(&b).await;
            let what = format!("{who}, round {round}");
            let x = a.until(&what, |seen| seen.refused.len() == round).await;
            let y = b.until(&what, |seen| seen.refused.len() == round).await;
            let (here, there) = if dialer_refuses { (x, y) } else { (y, x) };
            assert_eq!(told(here.refusal()), format!("ours {why}"), "{what}");
            assert_eq!(told(there.refusal()), format!("theirs {why}"), "{what}");
            let (x, y) = (a.alone().await, b.alone().await);
            assert_eq!((x.opened.len(), y.opened.len()), (0, 0), "{what}");
            x.shown.assert_untouched();
            y.shown.assert_untouched();
        }
    }
}

async fn an_inner_denial_closes(net: Net) {
    let (a, b) = Node::pair(net).await;
    // The dialer finds out before it accepts, and tells.
    a.run(|swarm| probe(swarm).denies = true).await;
    a.dial(&b).await;
    let x = a.until("a denial", |seen| seen.refused.len() == 1).await;
    let y = b.until("a denial", |seen| seen.refused.len() == 1).await;
    assert_eq!(x.refusal().code(), Some(RejectCode::Denied));
    assert_eq!(told(y.refusal()), "theirs denied (the probe wants nobody)");
    let (x, y) = (a.alone().await, b.alone().await);
    x.shown.assert_untouched();
    y.shown.assert_untouched();
    // The listener finds out when both have accepted.
    a.run(|swarm| probe(swarm).denies = false).await;
    b.run(|swarm| probe(swarm).denies = true).await;
    a.dial(&b).await;
    let y = b.until("a denial", |seen| seen.refused.len() == 2).await;
    assert_eq!(told(y.refusal()), "ours denied (the probe wants nobody)");
    let (x, y) = (a.alone().await, b.alone().await);
    x.shown.assert_balanced();
    y.shown.assert_untouched();
    assert!(a.sessions.is_empty() && b.sessions.is_empty());
}

async fn versions_are_compared_as_the_rule_says(net: Net) {
    // Major, minor, oldest minor, patch of the dialer and of the listener; whether they agree.
    let cases = [
        ((1, 0, 0, 0), (1, 0, 0, 9), true),
        ((1, 7, 0, 0), (1, 2, 0, 0), true),
        ((1, 7, 2, 0), (1, 2, 0, 0), true),
        ((1, 7, 3, 0), (1, 2, 0, 0), false),
        ((1, 2, 0, 0), (1, 7, 3, 0), false),
        ((2, 0, 0, 0), (1, 0, 0, 0), false),
        ((1, 0, 0, 0), (2, 0, 0, 0), false),
    ];
    for (dialer, listener, agree) in cases {
        let node = |(major, minor, minor_min, patch)| {
            Node::with(net, move |config| {
                config.version = Semver { major, minor, patch };
                config.minor_min = minor_min;
            })
        };
        let (a, b) = (node(dialer).await, node(listener).await);
        a.dial(&b).await;
        let what = format!("{dialer:?} and {listener:?}");
        for node in [&a, &b] {
            let seen = node.until(&what, |seen| seen.opened.len() + seen.refused.len() == 1).await;
            assert_eq!(seen.opened.len() == 1, agree, "{what}");
            let code = seen.refused.first().and_then(|refused| refused.refusal.code());
            assert_eq!(code, (!agree).then_some(RejectCode::Version), "{what}");
        }
        if agree {
            let theirs = a.now().opened[0].version;
            let (major, minor, _, patch) = listener;
            assert_eq!(theirs, Semver { major, minor, patch });
        }
    }
    let a = Node::start(net).await;
    let b = Node::with(net, |config| "another".clone_into(&mut config.application)).await;
    a.dial(&b).await;
    let x = a.until("a refusal", |seen| seen.refused.len() == 1).await;
    assert_eq!(told(x.refusal()), r#"theirs application (this is "another")"#);
}

async fn features_are_those_of_both(net: Net) {
    let list = |pairs: &[(&str, u32)]| -> Vec<_> {
        let feature = |(name, version): &(&str, u32)| handshake::Feature {
            name: (*name).to_owned(),
            version: *version,
        };
        pairs.iter().map(feature).collect()
    };
    let with = |pairs: &[(&str, u32)]| {
        let mut plan = Plan::new(net);
        plan.config.features = list(pairs);
        plan.start()
    };
    let a = with(&[("sync", 3), ("mail", 1), ("only a", 1)]).await;
    let b = with(&[("mail", 4), ("only b", 1), ("sync", 2)]).await;
    a.dial(&b).await;
    for node in [&a, &b] {
        let seen = node.until("the gate to open", |seen| seen.opened.len() == 1).await;
        assert_eq!(seen.opened[0].features, list(&[("mail", 1), ("sync", 2)]));
        let session = node.sessions.get(seen.opened[0].connection).unwrap();
        assert_eq!(session.features, seen.opened[0].features, "everybody can look it up");
    }
}
