//! The layers, their errors, and the manual.

use std::path::Path;
use std::time::Duration;

use libp2p::PeerId;
use tempfile::NamedTempFile;

use super::*;

/// Loads a file with this text under these variables and flags.
fn load(
    text: &str,
    variables: &[(&str, &str)],
    flags: Vec<Flag>,
) -> Result<Effective, Vec<String>> {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("it is ours");
    let environment = variables.iter().copied().collect();
    let layers = Layers { file: Some(file.path()), environment: &environment, flags };
    layers.load().map_err(|error| match error {
        ConfigError::Invalid { problems } => {
            let name = file.path().display().to_string();
            problems.iter().map(|problem| problem.to_string().replace(&name, "FILE")).collect()
        }
        other => panic!("{other}"),
    })
}

fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    load(text, variables, Vec::new()).expect_err("something is wrong")
}

fn key(path: &str) -> KeyPath {
    KeyPath::find(path).expect("a key of the manual")
}

fn flag(path: &str, option: &'static str, value: impl Into<toml::Value>) -> Flag {
    Flag { key: key(path), option, value: value.into() }
}

#[test]
fn the_manual_and_the_structs_have_the_same_keys() {
    let table = Config::default().table();
    assert_eq!(table.len(), Config::MANUAL.len());
    for section in Config::MANUAL {
        let keys = table[section.name].as_table().expect("a section is a table");
        assert_eq!(keys.len(), section.keys.len(), "[{}]", section.name);
        assert!(!section.doc.is_empty(), "[{}]", section.name);
        for known in section.keys {
            assert!(keys.contains_key(known.name), "{}.{}", section.name, known.name);
            assert!(known.doc.iter().any(|line| !line.trim().is_empty()), "{}", known.name);
        }
    }
}

#[test]
fn the_written_file_holds_every_key_with_its_manual_and_parses_to_the_same() {
    let mut config = Config::default();
    config.network.name = "elsewhere".parse().expect("a name");
    for config in [Config::default(), config] {
        let file = commented(&config);
        for section in Config::MANUAL {
            assert!(file.contains(&format!("\n[{}]\n", section.name)), "{file}");
            for known in section.keys {
                let explained = format!("#{}\n{} = ", known.doc[known.doc.len() - 1], known.name);
                assert!(file.contains(&explained), "{explained:?} is not in\n{file}");
            }
        }
        let read = load(&file, &[], Vec::new()).expect("our own file");
        assert_eq!(*read.params.config(), config);
        assert!(KeyPath::all().all(|key| matches!(read.source(key), Source::File { .. })));
    }
}

#[test]
fn the_defaults_pass_their_own_check() {
    assert!(Config::default().check().is_ok());
    let nothing = load("", &[], Vec::new()).expect("an empty file");
    assert_eq!(*nothing.params.config(), Config::default());
    assert!(KeyPath::all().all(|key| *nothing.source(key) == Source::Default));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file_and_that_over_the_default() {
    let file = "[network]\nname = \"file\"\nprivate = true\n[gossip]\nexpected = 11\n";
    let variables = [("MESHWORK_NETWORK__NAME", "variable"), ("MESHWORK_GOSSIP__EXPECTED", "12")];
    let flags = vec![flag("network.name", "--network", "flag")];
    let effective = load(file, &variables, flags).expect("all is well");

    let Config { network, gossip, .. } = effective.params.config();
    assert_eq!((network.name.as_str(), network.private, gossip.expected), ("flag", true, 12));
    assert_eq!(effective.source(key("network.name")), &Source::Flag { option: "--network" });
    let variable = "MESHWORK_GOSSIP__EXPECTED".to_owned();
    assert_eq!(effective.source(key("gossip.expected")), &Source::Environment { variable });
    let source = effective.source(key("network.private"));
    assert!(matches!(source, Source::File { line: Some(3), .. }), "{source:?}");
    assert_eq!(effective.source(key("network.role")), &Source::Default);
}

#[test]
fn the_environment_is_read_by_the_type_of_the_key() {
    let seed = format!("/ip4/9.9.9.9/tcp/1/p2p/{}", PeerId::random());
    let seeds = format!("{seed}, {seed},");
    let variables = [
        ("MESHWORK_NETWORK__SEEDS", seeds.as_str()),
        ("MESHWORK_NETWORK__ALLOW_PRIVATE", "true"),
        ("MESHWORK_NETWORK__EXTERNAL", ""),
        ("MESHWORK_HANDSHAKE__DEADLINE", "1500ms"),
        ("MESHWORK_LOG__FORMAT", "json"),
        ("MESHWORK_DATA_DIR", "/no/key"),
    ];
    let config = load("", &variables, Vec::new()).expect("all is well").params.config().clone();
    let seeds: Vec<_> = config.network.seeds.iter().map(ToString::to_string).collect();
    assert_eq!(seeds, [seed.clone(), seed]);
    assert!(config.network.allow_private);
    assert_eq!(config.network.external, []);
    assert_eq!(config.handshake.deadline, Duration::from_millis(1500));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn the_full_name_of_the_filter_wins_over_its_short_ones() {
    let all = [("MESHWORK_LOG__FILTER", "error"), ("MESHWORK_LOG", "warn"), ("RUST_LOG", "debug")];
    for (from, expected) in ["error", "warn", "debug"].into_iter().enumerate() {
        let effective = load("[log]\nfilter = \"trace\"", &all[from..], Vec::new()).expect("good");
        assert_eq!(effective.params.config().log.filter.to_string(), expected);
        let variable = all[from].0.to_owned();
        assert_eq!(effective.source(key("log.filter")), &Source::Environment { variable });
    }
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let file = "\
[network]
nmae = \"x\"
listen = [\"/ip4/127.0.0.1/tcp/0\", \"/ip4/127.0.0.1\"]
expected = 3
seeds = [\"/ip4/127.0.0.1/tcp/1\"]
role = \"relay\"

[netwrok]
name = \"x\"

[gossip]
expected = \"three\"

[handshake]
deadline = \"6 parsecs\"
";
    let variables = [("MESHWORK_NETWORK__NAEM", "x"), ("MESHWORK_GOSSIP__EXPECTED", "three")];
    assert_eq!(
        problems(file, &variables),
        [
            "FILE:2: unknown key network.nmae; did you mean network.name?",
            "FILE:3: network.listen: /ip4/127.0.0.1 is no address to listen on, must be \
             /ip4|ip6/ADDRESS/tcp/PORT or /ip4|ip6/ADDRESS/udp/PORT/quic-v1",
            "FILE:4: unknown key network.expected; did you mean gossip.expected?",
            "FILE:5: network.seeds: /ip4/127.0.0.1/tcp/1 names no peer: append /p2p/ and its \
             peer id",
            "FILE:6: network.role: unknown variant `relay`, expected `node` or `seed`",
            "FILE:8: unknown section [netwrok]; did you mean network?",
            "FILE:12: gossip.expected must be a whole number, not a value of type string",
            "FILE:15: handshake.deadline: invalid value: string \"6 parsecs\", expected a duration",
            "MESHWORK_GOSSIP__EXPECTED: gossip.expected: \"three\" is not a whole number",
            "MESHWORK_NETWORK__NAEM: unknown environment variable; did you mean \
             MESHWORK_NETWORK__NAME?",
        ]
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let problems = problems("[network]\nname = \"a\"\nname = \"b\"\nlisten = [\n", &[]);
    assert!(problems.iter().all(|problem| problem.contains(": not TOML: ")), "{problems:?}");
    assert!(problems[0].starts_with("FILE:3: not TOML: duplicate key"), "{problems:?}");
}

#[test]
fn a_range_is_told_with_where_its_value_came_from() {
    let file = "\
network.seeds = 3
control = 1
limits = { outbound_max = 4, established_max = 0, per_peer_max = 65 }
handshake.deadline = \"1ms\"
seed.fan_out = 17
network.external = [\"/ip4/10.0.0.1/tcp/1\"]
relay.delay_max = \"2001ms\"
";
    let variables = [("MESHWORK_GOSSIP__EXPECTED", "9"), ("MESHWORK_GOSSIP__MAX", "69")];
    let found = problems(file, &variables);
    for expected in [
        "FILE:1: network.seeds must be a list of strings, not a value of type integer",
        "FILE:2: control must be a section with keys, not a value of type integer",
        "FILE:3: limits.established_max is 0, must be 1 to 65536",
        "FILE:4: handshake.deadline: deadline is 1ms, must be 100ms to 60s",
        "FILE:5: seed.fan_out: fan_out is 17, must be 1 to 16",
        "FILE:6: network.external: /ip4/10.0.0.1/tcp/1 is nothing that others could dial: private \
         address, must be global",
        "FILE:7: relay.delay_max is 2.001s, must be 0ns to 2s",
        "MESHWORK_GOSSIP__EXPECTED: gossip.expected is 9, must be at most limits.outbound_max, \
         which is 4",
        "MESHWORK_GOSSIP__MAX: gossip.max is 69, must be at most limits.inbound_max and \
         limits.outbound_max together, which is 68",
    ] {
        assert!(found.iter().any(|problem| problem == expected), "{expected:?} not in {found:#?}");
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    for number in ["-1", "4294967296", "9223372036854775808", "1e3"] {
        let found = problems(&format!("gossip.expected = {number}"), &[]);
        assert!(found[0].starts_with("FILE:1: gossip.expected"), "{found:?}");
    }
}

#[test]
fn a_list_is_bounded() {
    let listen = vec!["/ip4/127.0.0.1/tcp/0"; 17];
    let found = load("", &[], vec![flag("network.listen", "--listen", listen)]);
    let found = found.expect_err("one too many");
    assert_eq!(found, ["--listen: network.listen has 17 entries, must have at most 16"]);
}

#[test]
fn a_file_that_is_no_text_or_no_end_is_refused() {
    let environment = Environment::default();
    let load = |path: &Path| {
        Layers { file: Some(path), environment: &environment, flags: Vec::new() }.load()
    };
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), [0xff, 0xfe]).expect("it is ours");
    assert!(matches!(load(file.path()), Err(ConfigError::Unreadable { .. })));
    std::fs::write(file.path(), vec![b'#'; (1 << 20) + 1]).expect("it is ours");
    assert!(matches!(load(file.path()), Err(ConfigError::TooLong { .. })));
    assert!(matches!(load(Path::new("/no/such/file")), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn what_gossip_refuses_is_told_with_its_key() {
    let file = "\
[gossip]
min = 17
swap_deadline = \"2m\"
";
    assert_eq!(problems(file, &[]), ["FILE:2: gossip.min: min is 17, must be 0 to 16"]);
    let mended = file.replace("17", "16");
    let told = "FILE:3: gossip.swap_deadline: swap_deadline is 120s, must be 100ms to 60s";
    assert_eq!(problems(&mended, &[]), [told]);
}

#[test]
fn more_trusted_peers_than_gossip_keeps_are_refused() {
    let peer = || format!("/ip4/9.9.9.9/tcp/1/p2p/{}", PeerId::random());
    let (one, other) = (peer(), peer());
    let file = |others: &str| format!("gossip.trusted_max = 1\nnetwork.peers = [{others}]\n");
    let same = file(&format!("\"{one}\", \"{one}\""));
    assert!(load(&same, &[], Vec::new()).is_ok(), "one peer at two addresses is one");
    let told = "FILE:2: network.peers is 2, must be at most gossip.trusted_max, which is 1";
    assert_eq!(problems(&file(&format!("\"{one}\", \"{other}\"")), &[]), [told]);
}

#[test]
fn a_key_that_has_moved_is_told_with_its_new_name() {
    let told = "FILE:2: unknown key peers.target; did you mean gossip.expected?";
    assert_eq!(problems("[peers]\ntarget = 8\n", &[]), [told]);
    assert_eq!(
        problems("", &[("MESHWORK_PEERS__TARGET", "8")]),
        ["MESHWORK_PEERS__TARGET: unknown environment variable; did you mean \
             MESHWORK_GOSSIP__EXPECTED?"]
    );
}

#[test]
fn the_section_is_all_of_the_core_s_configuration() {
    for config in [::gossip::Config::default(), ::gossip::Config::fast()] {
        let section = Gossip::from(config.clone());
        let back = section.config(false, config.allow_private);
        assert_eq!(format!("{back:?}"), format!("{config:?}"));
    }
    let mode = |text: &str| {
        let effective = load(text, &[], Vec::new()).expect("all is well");
        effective.params.gossip.config().mode
    };
    assert_eq!(mode(""), ::gossip::Mode::Public);
    assert_eq!(mode("gossip.discovery = false"), ::gossip::Mode::DiscoveryOff);
    assert_eq!(mode("network.private = true"), ::gossip::Mode::Private);
}

#[test]
fn a_seed_keeps_no_links_whatever_the_file_says() {
    let seed = load("network.role = \"seed\"", &[], Vec::new()).expect("all is well").params;
    assert_eq!(seed.gossip.band().max, 0);
    assert_eq!(seed.config().gossip.expected, 16, "and shows what the file says");
}
