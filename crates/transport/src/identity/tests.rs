//! What is refused, and who wins.

use super::*;
use std::sync::Barrier;

use tempfile::TempDir;

fn empty() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("identity.key");
    (directory, path)
}

fn private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    #[cfg(unix)]
    chmod(path, 0o600);
}

#[cfg(unix)]
fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn created_once_and_loaded_ever_after() {
    let (directory, path) = empty();
    assert!(matches!(load(&path), Err(IdentityError::Missing { .. })));
    let key = load_or_create(&path).unwrap();
    assert_eq!(load(&path).unwrap().public(), key.public());
    assert_eq!(load_or_create(&path).unwrap().public(), key.public());
    assert!(matches!(create(&path), Err(IdentityError::Exists { .. })));
    assert_eq!(load(&path).unwrap().public(), key.public());
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "no temporary file stays behind: {names:?}");
}

#[test]
#[cfg(unix)]
fn created_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = empty();
    create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(&path).unwrap().len(), 68);
}

#[test]
#[cfg(unix)]
fn refused_when_open_to_others() {
    let (_directory, path) = empty();
    create(&path).unwrap();
    for mode in [0o640, 0o620, 0o604, 0o602, 0o644, 0o666, 0o610] {
        chmod(&path, mode);
        let error = load(&path).unwrap_err();
        assert!(matches!(error, IdentityError::Exposed { mode: m, .. } if m == mode));
        let text = error.to_string();
        assert!(text.contains(&format!("{mode:04o}")), "{text}");
        assert!(text.contains(&format!("chmod 600 '{}'", path.display())), "{text}");
        assert!(matches!(load_or_create(&path), Err(IdentityError::Exposed { .. })));
    }
    for mode in [0o600, 0o400] {
        chmod(&path, mode);
        load(&path).unwrap();
    }
}

#[test]
fn refused_when_a_directory_or_a_socket_stands_there() {
    let (directory, path) = empty();
    fs::create_dir(&path).unwrap();
    assert!(matches!(load(&path), Err(IdentityError::Directory { .. })));
    assert!(matches!(load_or_create(&path), Err(IdentityError::Directory { .. })));
    assert!(matches!(create(&path), Err(IdentityError::Exists { .. })));
    #[cfg(unix)]
    {
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(matches!(load(&socket), Err(IdentityError::Special { .. })));
    }
    drop(directory);
}

#[test]
fn refused_when_too_long() {
    let (_directory, path) = empty();
    private(&path, &[0x08; FILE_BYTES_MAX + 1]);
    assert!(matches!(load(&path), Err(IdentityError::TooLong { .. })));
    private(&path, &[0x08; FILE_BYTES_MAX]);
    assert!(matches!(load(&path), Err(IdentityError::Corrupt { .. })));
}

#[test]
fn refused_when_damaged_in_any_byte_or_cut_anywhere() {
    let (_directory, path) = empty();
    let key = create(&path).unwrap();
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        private(&path, &good[..length]);
        assert!(matches!(load(&path), Err(IdentityError::Corrupt { .. })), "{length}");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        private(&path, &bad);
        assert!(load(&path).is_err(), "byte {at}");
    }
    private(&path, &good);
    assert_eq!(load(&path).unwrap().public(), key.public());
}

#[test]
fn refused_when_of_another_type() {
    let (_directory, path) = empty();
    for (code, expected) in [(0, KeyType::RSA), (2, KeyType::Secp256k1), (3, KeyType::Ecdsa)] {
        let mut bytes = vec![0x08, code, 0x12, 0x20];
        bytes.extend([7; 32]);
        private(&path, &bytes);
        let error = load(&path).unwrap_err();
        assert!(matches!(error, IdentityError::OtherKeyType { found, .. } if found == expected));
    }
}

#[test]
fn an_error_names_the_file() {
    let (_directory, path) = empty();
    private(&path, b"");
    for error in [load(&path).unwrap_err(), create(&path).unwrap_err()] {
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    let nowhere = path.with_file_name("no").join("such").join("identity.key");
    assert!(matches!(create(&nowhere), Err(IdentityError::Write { .. })));
}

#[test]
fn of_concurrent_creators_one_wins_and_all_agree() {
    const CREATORS: usize = 8;
    for _ in 0..20 {
        let (directory, path) = empty();
        let start = Barrier::new(CREATORS);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let one = |n: usize| {
                let (path, start) = (&path, &start);
                scope.spawn(move || {
                    start.wait();
                    // Half of them insist on a new key.
                    if n.is_multiple_of(2) { create(path) } else { load_or_create(path) }
                })
            };
            let creators: Vec<_> = (0..CREATORS).map(one).collect();
            creators.into_iter().map(|creator| creator.join().unwrap()).collect()
        });
        let kept = load(&path).unwrap().public();
        let mut insisted = 0;
        for (n, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(key) => {
                    assert_eq!(key.public(), kept);
                    insisted += usize::from(n % 2 == 0);
                }
                Err(IdentityError::Exists { .. }) => assert_eq!(n % 2, 0),
                Err(error) => panic!("{error}"),
            }
        }
        assert!(insisted <= 1, "two creators both made the key");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
