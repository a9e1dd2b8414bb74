//! `init`, `id`, and what may be wrong with a data directory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use meshwork::DataDir;

use super::{ended, meshwork, place, run};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_node_has_a_lasting_identity_and_is_never_overwritten() {
    let (_temporary, dir) = place();
    let made = run(&dir, &["init", "--network", "elsewhere", "--json"]).expect(0).json();
    assert_eq!(made["network"], "elsewhere");
    assert_eq!(made["data_dir"], dir.to_str().unwrap());
    let id = made["peer_id"].as_str().unwrap();
    assert!(id.starts_with("12D3KooW"), "{id}");

    assert_eq!(run(&dir, &["id"]).expect(0).stdout, format!("{id}\n"));
    assert_eq!(run(&dir, &["id", "--json"]).expect(0).json()["peer_id"], id);

    let refused = run(&dir, &["init"]).expect(1);
    assert!(refused.stderr.contains("exists already and is not overwritten"), "{refused:?}");
    assert!(refused.stderr.contains("meshwork run"), "says what to do: {refused:?}");
    assert_eq!(run(&dir, &["id"]).expect(0).stdout, format!("{id}\n"));

    let shown = run(&dir, &["config", "show", "--json"]).expect(0).json();
    assert_eq!(shown["network"]["name"]["value"], "elsewhere");
}

#[test]
fn the_data_directory_may_come_from_the_environment() {
    let (_temporary, dir) = place();
    let made = ended(meshwork().arg("init").env("MESHWORK_DATA_DIR", &dir)).expect(0);
    assert!(made.stdout.contains(dir.to_str().unwrap()), "{made:?}");
    let home = ended(meshwork().arg("id").env("XDG_DATA_HOME", "").env("HOME", &dir)).expect(5);
    assert!(home.stderr.contains("/.local/share/meshwork"), "{home:?}");
    let nowhere = meshwork().arg("id").env_remove("XDG_DATA_HOME").env_remove("HOME").output();
    assert_eq!(nowhere.unwrap().status.code(), Some(78));
}

#[test]
fn an_identity_that_cannot_be_used_is_told_and_kept() {
    let (_temporary, dir) = place();
    let missing = run(&dir, &["id"]).expect(5);
    assert!(missing.stderr.contains("meshwork init"), "says what to do: {missing:?}");

    run(&dir, &["init"]).expect(0);
    let file = dir.join("identity.key");
    let told = |arguments: &[&str], words: &str| {
        let ended = run(&dir, arguments).expect(78);
        assert!(ended.stderr.contains(words) && ended.stderr.contains("identity.key"), "{ended:?}");
    };
    set_mode(&file, 0o644);
    told(&["id"], "open to others (mode 0644, must be 0600)");
    set_mode(&file, 0o600);
    let key = fs::read(&file).unwrap();
    fs::write(&file, &key[..40]).unwrap();
    told(&["id"], "holds no usable key");
    fs::write(&file, vec![0; 5000]).unwrap();
    told(&["id"], "longer than 1024 bytes");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    told(&["id"], "is a directory");
    assert!(file.is_dir(), "nothing was replaced");
}

#[test]
fn a_directory_that_others_can_open_is_refused_unless_empty() {
    let (_temporary, dir) = place();
    fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o755);
    run(&dir, &["init"]).expect(0);
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);

    let (_temporary, dir) = place();
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("thesis.tex"), "").unwrap();
    set_mode(&dir, 0o755);
    let refused = run(&dir, &["init"]).expect(78);
    assert!(refused.stderr.contains("mode 0755, must be 0700"), "{refused:?}");
    assert!(refused.stderr.contains("chmod 700"), "says what to do: {refused:?}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "nothing was written");
}

#[test]
fn something_else_in_its_place_is_told() {
    let (temporary, dir) = place();
    fs::write(&dir, "").unwrap();
    assert!(run(&dir, &["init"]).expect(78).stderr.contains("is not a directory"));
    let link = temporary.path().join("link");
    symlink("nowhere", &link).unwrap();
    assert!(run(&link, &["init"]).expect(78).stderr.contains("is not a directory"));
}

#[test]
fn one_directory_serves_one_process() {
    let (_temporary, dir) = place();
    let claim = DataDir::at(&dir).unwrap().claim().unwrap();
    let refused = run(&dir, &["init", "--json"]).expect(1).failure();
    let told = format!("is in use by process {}", std::process::id());
    assert!(refused["error"].as_str().unwrap().ends_with(&told), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("--data-dir"), "{refused}");
    drop(claim);
    run(&dir, &["init"]).expect(0);
}
