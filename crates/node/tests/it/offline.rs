//! Commands without a node, arguments without sense, and where things are printed.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use super::{ended, meshwork, place, run};

#[test]
fn without_a_node_there_is_nobody_to_ask() {
    let (temporary, dir) = place();
    for arguments in [&["peers", "list"][..], &["status"]] {
        let refused = run(&dir, arguments).expect(3);
        let socket = dir.join("control.sock");
        assert!(refused.stderr.contains(socket.to_str().unwrap()), "{refused:?}");
        assert!(refused.stderr.contains("meshwork run"), "says what to do: {refused:?}");
    }
    let elsewhere = format!("unix:{}", temporary.path().join("c.sock").display());
    let refused = run(&dir, &["peers", "list", "--control", &elsewhere, "--json"]).expect(3);
    let refused = refused.failure();
    assert!(refused["error"].as_str().unwrap().contains("c.sock"), "{refused}");

    let refused = run(&dir, &["status", "--control", "off"]).expect(3);
    assert!(refused.stderr.contains("is off"), "{refused:?}");
    let long = format!("unix:{}", "s".repeat(200));
    assert!(run(&dir, &["status", "--control", &long]).expect(78).stderr.contains("at most"));
}

#[test]
fn a_dead_socket_is_no_node_and_neither_is_one_that_hangs_up() {
    let (temporary, dir) = place();
    let socket = temporary.path().join("c.sock");
    let control = format!("unix:{}", socket.display());
    let listener = UnixListener::bind(&socket).unwrap();
    let stranger = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut preface = [0; 16];
        client.read_exact(&mut preface).unwrap();
        // Says nothing and hangs up; the listener goes too, and leaves its socket.
    });
    let refused = run(&dir, &["status", "--control", &control]).expect(3);
    stranger.join().unwrap();
    assert!(refused.stderr.contains("lost the connection"), "{refused:?}");
    run(&dir, &["status", "--control", &control]).expect(3);
}

#[test]
fn arguments_without_sense_are_a_usage_error() {
    for arguments in [
        &[][..],
        &["fly"],
        &["status", "--control", "tcp:1"],
        &["init", "--network", "two words"],
        &["config", "check", "a", "b"],
    ] {
        let refused = ended(meshwork().args(arguments)).expect(2);
        assert_eq!(refused.stdout, "", "{refused:?}");
        assert!(
            refused.stderr.contains("Usage") || refused.stderr.contains("--help"),
            "{refused:?}"
        );
        assert!(!refused.stderr.contains('\u{1b}'), "no colours for a pipe: {refused:?}");
    }
}

#[test]
fn help_and_version_are_results() {
    let help = ended(meshwork().arg("--help")).expect(0);
    for word in ["init", "completions", "--data-dir", "78 configuration"] {
        assert!(help.stdout.contains(word), "{word} not in {}", help.stdout);
    }
    let version = ended(meshwork().arg("--version")).expect(0);
    assert_eq!(version.stdout, concat!("meshwork ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn every_shell_gets_its_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ended(meshwork().args(["completions", shell])).expect(0);
        assert!(script.stdout.contains("meshwork") && script.stdout.contains("peers"), "{shell}");
        assert_eq!(script.stderr, "");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshwork"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}
