//! Tables: an address and what is said of it.

use super::*;

const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

fn address(text: &str) -> Multiaddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// IP addresses, most of them at the edges of their range.
const SCOPES: &[(&str, Scope)] = &[
    ("0.0.0.0", Scope::Unspecified),
    ("0.0.0.1", Scope::Reserved),
    ("1.1.1.1", Scope::Global),
    ("9.255.255.255", Scope::Global),
    ("10.0.0.0", Scope::Private),
    ("10.255.255.255", Scope::Private),
    ("11.0.0.0", Scope::Global),
    ("100.63.255.255", Scope::Global),
    ("100.64.0.0", Scope::Shared),
    ("100.127.255.255", Scope::Shared),
    ("100.128.0.0", Scope::Global),
    ("127.0.0.1", Scope::Loopback),
    ("127.200.0.1", Scope::Loopback),
    ("169.253.255.255", Scope::Global),
    ("169.254.169.254", Scope::LinkLocal),
    ("172.15.255.255", Scope::Global),
    ("172.16.0.0", Scope::Private),
    ("172.31.255.255", Scope::Private),
    ("172.32.0.0", Scope::Global),
    ("192.0.0.1", Scope::Reserved),
    ("192.0.1.1", Scope::Global),
    ("192.0.2.1", Scope::Reserved),
    ("192.88.99.1", Scope::Reserved),
    ("192.168.0.1", Scope::Private),
    ("192.169.0.1", Scope::Global),
    ("198.17.255.255", Scope::Global),
    ("198.18.0.0", Scope::Reserved),
    ("198.19.255.255", Scope::Reserved),
    ("198.51.100.7", Scope::Reserved),
    ("203.0.113.7", Scope::Reserved),
    ("223.255.255.255", Scope::Global),
    ("224.0.0.1", Scope::Reserved),
    ("240.0.0.1", Scope::Reserved),
    ("255.255.255.255", Scope::Reserved),
    ("::", Scope::Unspecified),
    ("::1", Scope::Loopback),
    ("::2", Scope::Reserved),
    ("::ffff:10.1.2.3", Scope::Private),
    ("::ffff:127.0.0.1", Scope::Loopback),
    ("::ffff:8.8.8.8", Scope::Global),
    ("::127.0.0.1", Scope::Reserved),
    ("64:ff9b::7f00:1", Scope::Loopback),
    ("64:ff9b::808:808", Scope::Global),
    ("64:ff9b:1::808:808", Scope::Private),
    ("100::1", Scope::Reserved),
    ("2001::1", Scope::Reserved),
    ("2001:2::1", Scope::Reserved),
    ("2001:1ff:ffff::1", Scope::Reserved),
    ("2001:200::1", Scope::Global),
    ("2001:db8::1", Scope::Reserved),
    ("2001:4860:4860::8888", Scope::Global),
    ("2002:7f00:1::1", Scope::Loopback),
    ("2002:c0a8:1::1", Scope::Private),
    ("2002:808:808::1", Scope::Global),
    ("3fff:fff::1", Scope::Reserved),
    ("3fff:1000::1", Scope::Global),
    ("4000::1", Scope::Reserved),
    ("fbff::1", Scope::Reserved),
    ("fc00::1", Scope::Private),
    ("fdff::1", Scope::Private),
    ("fe80::1", Scope::LinkLocal),
    ("febf::1", Scope::LinkLocal),
    ("fec0::1", Scope::Reserved),
    ("ff02::1", Scope::Reserved),
];

#[test]
fn where_an_ip_address_points() {
    for (ip, expected) in SCOPES {
        assert_eq!(ip_scope(ip.parse().unwrap()), *expected, "{ip}");
    }
}

#[test]
fn where_an_address_points_and_how_it_is_dialled() {
    let table = [
        ("/ip4/8.8.8.8/tcp/1".to_owned(), Scope::Global, "tcp"),
        (format!("/ip4/8.8.8.8/tcp/1/p2p/{PEER}"), Scope::Global, "tcp"),
        ("/ip4/127.0.0.1/udp/1/quic-v1".to_owned(), Scope::Loopback, "quic"),
        ("/ip6/::ffff:10.0.0.1/tcp/1".to_owned(), Scope::Private, "tcp"),
        ("/ip4/8.8.8.8/tcp/1/ws".to_owned(), Scope::Global, "other"),
        ("/ip4/8.8.8.8/udp/1".to_owned(), Scope::Global, "other"),
        ("/dns4/example.org/tcp/1".to_owned(), Scope::Dns, "tcp"),
        ("/dnsaddr/example.org".to_owned(), Scope::Dns, "other"),
        ("/memory/7".to_owned(), Scope::Memory, "memory"),
        (format!("/ip4/8.8.8.8/tcp/1/p2p/{PEER}/p2p-circuit"), Scope::Other, "tcp"),
        (format!("/p2p/{PEER}"), Scope::Other, "other"),
        (String::new(), Scope::Other, "other"),
    ];
    for (text, expected, transport) in table {
        assert_eq!(scope(&address(&text)), expected, "{text}");
        assert_eq!(transport_name(&address(&text)), transport, "{text}");
    }
}

/// Checks what is said of `text` without and with private addresses allowed.
#[track_caller]
fn check(text: &str, strict: &Result<(), AddressFault>, lenient: &Result<(), AddressFault>) {
    assert_eq!(&admissible(&address(text), false), strict, "{text}");
    assert_eq!(&admissible(&address(text), true), lenient, "{text}, private allowed");
}

#[test]
fn a_remote_may_name_global_addresses() {
    for text in [
        "/ip4/8.8.8.8/tcp/9",
        "/ip4/8.8.8.8/udp/9/quic-v1",
        &format!("/ip6/2001:4860::1/udp/9/quic-v1/p2p/{PEER}"),
        "/dns/example.org/tcp/9",
        "/dns4/example.org./tcp/9",
        "/dns6/a-1.example.org/udp/9/quic-v1",
        "/dns4/localhost.example.org/tcp/9",
        "/dns4/mylocal.example/tcp/9",
        &format!("/dns4/{}org/tcp/9", "a.".repeat(125)),
    ] {
        check(text, &Ok(()), &Ok(()));
    }
}

#[test]
fn a_remote_may_name_the_neighbourhood_only_where_that_is_allowed() {
    use AddressFault::Name;
    let outside = |scope| AddressFault::Scope { scope };
    for (text, fault) in [
        ("/ip4/127.0.0.1/tcp/9", outside(Scope::Loopback)),
        ("/ip4/10.0.0.1/udp/9/quic-v1", outside(Scope::Private)),
        ("/ip4/100.64.0.1/tcp/9", outside(Scope::Shared)),
        ("/ip4/169.254.169.254/tcp/80", outside(Scope::LinkLocal)),
        ("/ip6/::ffff:127.0.0.1/tcp/9", outside(Scope::Loopback)),
        ("/ip6/64:ff9b::a00:1/tcp/9", outside(Scope::Private)),
        ("/ip6/fd00::1/tcp/9", outside(Scope::Private)),
        ("/memory/9", outside(Scope::Memory)),
        ("/dns4/localhost/tcp/9", Name),
        ("/dns4/a.LocalHost/tcp/9", Name),
        ("/dns4/printer.local/tcp/9", Name),
        ("/dns4/db.internal./tcp/9", Name),
        ("/dns4/nas.home.arpa/tcp/9", Name),
        ("/dns4/home.arpa/tcp/9", Name),
        ("/dns4/nodots/tcp/9", Name),
    ] {
        check(text, &Err(fault), &Ok(()));
    }
    check("/memory/0", &Err(outside(Scope::Memory)), &Err(AddressFault::PortZero));
}

#[test]
fn a_remote_may_never_name_what_nobody_can_dial() {
    use AddressFault::{Name, PortZero, Shape, TooLong};
    let outside = |scope| AddressFault::Scope { scope };
    for (text, fault) in [
        ("/ip4/0.0.0.0/tcp/9", outside(Scope::Unspecified)),
        ("/ip4/224.0.0.1/udp/9/quic-v1", outside(Scope::Reserved)),
        ("/ip4/192.0.2.1/tcp/9", outside(Scope::Reserved)),
        ("/ip6/2001:db8::1/tcp/9", outside(Scope::Reserved)),
        ("/ip4/8.8.8.8/tcp/0", PortZero),
        ("/ip4/8.8.8.8/udp/0/quic-v1", PortZero),
        ("/dns4/127.0.0.1/tcp/9", Name),
        ("/dns4/127.1/tcp/9", Name),
        ("/dns4/0x7f000001/tcp/9", Name),
        ("/dns4/a.0x7f/tcp/9", Name),
        ("/dns4/a..org/tcp/9", Name),
        ("/dns4/-a.org/tcp/9", Name),
        ("/dns4/a_b.org/tcp/9", Name),
        ("/dns4/b\u{fc}cher.org/tcp/9", Name),
        (&format!("/dns4/{}org/tcp/9", "a.".repeat(126)), Name),
        (&format!("/dns4/{}.org/tcp/9", "a".repeat(64)), Name),
        ("", Shape),
        ("/ip4/8.8.8.8", Shape),
        ("/ip4/8.8.8.8/udp/9", Shape),
        ("/ip4/8.8.8.8/udp/9/quic", Shape),
        ("/ip4/8.8.8.8/tcp/9/ws", Shape),
        ("/dnsaddr/example.org", Shape),
        ("/tcp/9", Shape),
        ("/unix/tmp", Shape),
        (&format!("/ip4/8.8.8.8/tcp/9/p2p/{PEER}/p2p-circuit"), Shape),
        (&format!("/ip4/8.8.8.8/tcp/9/p2p/{PEER}/p2p/{PEER}"), Shape),
        (&"/tcp/1".repeat(8), Shape),
        (&format!("/ip4/8.8.8.8{}", "/tcp/1".repeat(8)), TooLong),
        (&"/tcp/1".repeat(5_000), TooLong),
    ] {
        let refused = Err(fault);
        check(text, &refused, &refused);
    }
}

#[test]
fn the_peer_at_the_end() {
    let peer: PeerId = PEER.parse().unwrap();
    let bare = address("/ip4/8.8.8.8/tcp/9");
    let full = bare.clone().with_p2p(peer).unwrap();
    assert_eq!(peer_of(&full), Some(peer));
    assert_eq!(peer_of(&bare), None);
    assert_eq!(split_peer(full), Ok((peer, bare.clone())));
    assert_eq!(
        split_peer(bare).unwrap_err().to_string(),
        "/ip4/8.8.8.8/tcp/9 names no peer: append /p2p/ and its peer id"
    );
    assert_eq!(
        split_peer(address(&format!("/p2p/{PEER}"))),
        Err(PeerAddressError::MissingAddress { peer })
    );
    assert_eq!(
        split_peer(Multiaddr::empty()),
        Err(PeerAddressError::MissingPeer { address: Multiaddr::empty() })
    );
}

#[test]
fn groups_and_subnets() {
    let table = [
        ("/ip4/127.7.0.1/tcp/1", Some("127.7.0.0/16"), Some("127.7.0.1/32")),
        ("/ip4/127.8.0.1/tcp/1", Some("127.8.0.0/16"), Some("127.8.0.1/32")),
        ("/ip6/::ffff:127.8.0.1/tcp/1", Some("127.8.0.0/16"), Some("127.8.0.1/32")),
        ("/ip6/2002:102:304::1/tcp/1", Some("1.2.0.0/16"), Some("1.2.3.4/32")),
        ("/ip6/2001:4860:1:12ff::1/tcp/1", Some("2001:4860::/32"), Some("2001:4860:1:1200::/56")),
        ("/ip6/2001:4860:1:1301::1/tcp/1", Some("2001:4860::/32"), Some("2001:4860:1:1300::/56")),
        ("/dns4/example.org/tcp/1", None, None),
        ("/memory/1", None, None),
    ];
    for (text, group, subnet) in table {
        let address = address(text);
        let shown = NetworkGroup::of(&address).map(|group| group.to_string());
        assert_eq!(shown.as_deref(), group, "{text}");
        let shown = Subnet::of(&address).map(|subnet| subnet.to_string());
        assert_eq!(shown.as_deref(), subnet, "{text}");
    }
}

proptest::proptest! {
    /// Whatever bytes a remote sends as an address: an answer, and the same one for the same
    /// address however often it is asked.
    #[test]
    fn any_bytes_get_an_answer(bytes: Vec<u8>) {
        if let Ok(address) = Multiaddr::try_from(bytes) {
            let strict = admissible(&address, false);
            if strict.is_ok() {
                proptest::prop_assert!(admissible(&address, true).is_ok());
                proptest::prop_assert!(matches!(scope(&address), Scope::Global | Scope::Dns));
            }
            let _peer = peer_of(&address);
            let _split = split_peer(address);
        }
    }
}
