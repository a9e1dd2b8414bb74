//! `config show` and `config check`.

use std::fs;

use serde_json::json;

use super::{ended, meshwork, place, run};

#[test]
fn show_tells_where_each_value_came_from() {
    let (_temporary, dir) = place();
    run(&dir, &["init"]).expect(0);
    let file = dir.join("config.toml");
    fs::write(&file, "[gossip]\nexpected = 13\n[network]\nname = \"file\"\n").unwrap();
    let shown = ended(
        meshwork()
            .args(["config", "show", "--json", "--data-dir"])
            .arg(&dir)
            .env("MESHWORK_NETWORK__NAME", "variable")
            .env("MESHWORK_LOG", "debug"),
    );
    let shown = shown.expect(0).json();
    let at = |line: u32| json!({ "kind": "file", "path": file.to_str().unwrap(), "line": line });
    assert_eq!(shown["gossip"]["expected"], json!({ "value": 13, "source": at(2) }));
    let source = json!({ "kind": "environment", "variable": "MESHWORK_NETWORK__NAME" });
    assert_eq!(shown["network"]["name"], json!({ "value": "variable", "source": source }));
    assert_eq!(shown["log"]["filter"]["source"]["variable"], "MESHWORK_LOG");
    let role = json!({ "value": "node", "source": { "kind": "default" } });
    assert_eq!(shown["network"]["role"], role);
}

#[test]
fn what_show_prints_is_a_configuration_with_the_same_values() {
    let (_temporary, dir) = place();
    run(&dir, &["init", "--network", "n"]).expect(0);
    let first = run(&dir, &["config", "show"]).expect(0);
    assert!(first.stdout.contains("name = \"n\" # "), "{first:?}");
    fs::write(dir.join("config.toml"), &first.stdout).unwrap();
    let second = run(&dir, &["config", "show"]).expect(0);
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(values(&second.stdout), values(&first.stdout));
}

#[test]
fn check_accepts_what_init_wrote_and_a_directory_without_a_file() {
    let (_temporary, dir) = place();
    let none = run(&dir, &["config", "check"]).expect(0);
    assert_eq!(none.stdout, "ok: no configuration file, the defaults apply\n");
    run(&dir, &["init"]).expect(0);
    let file = dir.join("config.toml");
    let checked = run(&dir, &["config", "check"]).expect(0);
    assert_eq!(checked.stdout, format!("ok: {}\n", file.display()));
    let checked =
        run(&dir, &["config", "check", file.to_str().unwrap(), "--json"]).expect(0).json();
    assert_eq!(checked, json!({ "ok": true, "file": file.to_str().unwrap() }));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_one_that_was_meant() {
    let (_temporary, dir) = place();
    run(&dir, &["init"]).expect(0);
    let file = dir.join("config.toml");
    let text = fs::read_to_string(&file).unwrap().replace("\nallow_private", "\nalow_private");
    fs::write(&file, text).unwrap();
    for command in [&["config", "check"][..], &["config", "show"], &["status"]] {
        let refused = run(&dir, command).expect(78);
        let told = "unknown key network.alow_private; did you mean network.allow_private?";
        assert!(refused.stderr.contains(told), "{refused:?}");
        assert!(refused.stderr.contains(&format!("{}:", file.display())), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn a_value_of_the_wrong_type_says_what_was_expected() {
    let (temporary, dir) = place();
    let file = temporary.path().join("other.toml");
    fs::write(&file, "network.allow_private = \"yes\"\n").unwrap();
    let refused = run(&dir, &["config", "check", file.to_str().unwrap(), "--json"]).expect(78);
    let refused = refused.failure();
    let told = format!(
        "{}:1: network.allow_private must be true or false, not a value of type string",
        file.display()
    );
    assert_eq!(refused["error"], told);
    assert_eq!(refused["exit"], 78);
}

#[test]
fn an_unknown_variable_of_ours_is_an_error() {
    let (_temporary, dir) = place();
    let mut command = meshwork();
    command.args(["config", "check", "--data-dir"]).arg(&dir).env("MESHWORK_NETWORK_NAME", "x");
    let refused = ended(&mut command).expect(78);
    let told = "MESHWORK_NETWORK_NAME: unknown environment variable; did you mean \
                MESHWORK_NETWORK__NAME?";
    assert!(refused.stderr.contains(told), "{refused:?}");
}

#[test]
fn a_seed_without_a_peer_id_is_refused() {
    let (_temporary, dir) = place();
    let mut command = meshwork();
    command.args(["config", "check", "--data-dir"]).arg(&dir);
    let refused =
        ended(command.env("MESHWORK_NETWORK__SEEDS", "/ip4/127.0.0.1/tcp/4001")).expect(78);
    assert!(refused.stderr.contains("append /p2p/ and its peer id"), "{refused:?}");
}

#[test]
fn a_missing_file_to_check_is_an_error() {
    let (temporary, dir) = place();
    let missing = temporary.path().join("missing.toml");
    let refused = run(&dir, &["config", "check", missing.to_str().unwrap()]).expect(78);
    assert!(refused.stderr.contains("No such file"), "{refused:?}");
}
