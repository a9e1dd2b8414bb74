//! The README's first command.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::{ended, meshwork, place};

const PHASES: [&str; 11] =
    ["start", "fill", "hold", "swap", "heal", "agree", "band", "orders", "pay", "mail", "end"];

#[test]
fn five_nodes_make_a_network_and_say_who_is_connected_to_whom() {
    let (_temporary, dir) = place();
    let mut command = meshwork();
    command.args(["testnet", "--nodes", "5", "--duration", "1", "--rng-seed", "7", "--json"]);
    let done = ended(command.arg("--data-dir").arg(&dir)).expect(0);
    let summary = done.json();
    assert_eq!((&summary["ok"], &summary["rng_seed"]), (&true.into(), &7.into()));
    let nodes = summary["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 5);
    for node in nodes {
        let peers = node["peers"].as_array().unwrap();
        assert!(peers.len() >= 3, "{node}");
        let ends = node["inbound"].as_u64().unwrap() + node["outbound"].as_u64().unwrap();
        assert_eq!(ends, u64::try_from(peers.len()).unwrap(), "{node}");
        for transport in ["/tcp/", "/quic-v1"] {
            let listens = node["listen"].as_array().unwrap();
            assert!(listens.iter().any(|l| l.as_str().unwrap().contains(transport)), "{node}");
        }
        let listed = |name: &serde_json::Value| nodes.iter().find(|other| other["name"] == *name);
        for peer in peers {
            let back = listed(peer).unwrap_or_else(|| panic!("{peer} is no node"));
            assert!(back["peers"].as_array().unwrap().contains(&node["name"]), "{node} {back}");
        }
    }
    let phases: Vec<_> =
        summary["phases"].as_array().unwrap().iter().map(|phase| &phase["name"]).collect();
    assert_eq!(phases, PHASES);
    let mail = summary["phases"][9]["detail"].as_str().unwrap();
    assert!(mail.contains(": 4 messages for it") && mail.contains("once"), "{mail}");
    assert!(dir.join("node-5/identity.key").exists(), "--data-dir keeps the nodes");
}

#[test]
fn the_table_names_every_node_and_the_progress_goes_elsewhere() {
    let done = ended(meshwork().args(["testnet", "--nodes", "7"])).expect(0);
    for word in ["NODE", "CONNECTED TO", "node-1", "node-7", "ok: 7 nodes, rng seed"] {
        assert!(done.stdout.contains(word), "no {word:?} in {}", done.stdout);
    }
    for phase in PHASES {
        assert!(done.stderr.lines().any(|line| line.starts_with(phase)), "{}", done.stderr);
    }
    for told in ["profile: swap 8s", "2 of 7 killed and back", "the ban was remembered"] {
        assert!(done.stderr.contains(told), "no {told:?} in {}", done.stderr);
    }
}

#[test]
fn a_network_that_cannot_start_fails() {
    let (_temporary, dir) = place();
    // Somebody else's directory stands where the second node should be.
    std::fs::create_dir_all(dir.join("node-2")).unwrap();
    std::fs::write(dir.join("node-2/config.toml"), "").unwrap();
    let mut command = meshwork();
    command.args(["testnet", "--nodes", "3", "--data-dir"]).arg(&dir);
    let failed = ended(&mut command).expect(1);
    assert!(failed.stderr.contains("node-2 did not start"), "{failed:?}");
    assert!(failed.stdout.contains("failed: 1 nodes"), "{failed:?}");
    for nodes in ["0", "201", "many"] {
        ended(meshwork().args(["testnet", "--nodes", nodes])).expect(2);
    }
}

#[test]
fn a_signal_ends_the_watching_in_good_order() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshwork"))
        .args(["testnet", "--nodes", "2", "--duration", "3600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    progress.find(|line| line.starts_with("hold   ...")).expect("the network stands");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let rest: Vec<_> = progress.collect();
    assert!(rest.iter().any(|line| line.starts_with("hold   ok")), "{rest:?}");
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{rest:?}");
    assert!(String::from_utf8(done.stdout).unwrap().contains("ok: 2 nodes"));
}
