use super::{World, token_file};
use afield_mcp::login::{KeyKeeper, KeyUnavailable, Protection, StoreError, TokenStore};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Proves that tokens lie in a file that only its owner can read, in such a folder, and that nothing else is left there.
#[tokio::test]
async fn tokens_lie_where_only_their_owner_reads() {
    let world = World::start().await;
    world.logged_in().await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&world.tokens()), 0o700);
    for entry in fs::read_dir(world.tokens()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
        assert!(path.extension().is_some_and(|end| end == "json" || end == "lock"), "{path:?}");
    }
}

/// Proves that a file or folder which others can read, a link, and what is not afield's are refused, with what to do.
#[tokio::test]
async fn what_others_could_have_written_is_refused() {
    let world = World::start().await;
    world.logged_in().await;
    let file = token_file(&world.tokens());
    let told = async || world.store().state(&world.server()).await.unwrap_err().to_string();
    let set =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    for mode in [0o640, 0o604, 0o660] {
        set(&file, mode);
        assert!(told().await.contains("chmod 600"));
    }
    set(&file, 0o600);
    set(&world.tokens(), 0o755);
    assert!(told().await.contains("chmod 700"));
    set(&world.tokens(), 0o700);

    let aside = world.folder.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    symlink(&aside, &file).unwrap();
    assert!(told().await.contains("symbolic link"));
    fs::remove_file(&file).unwrap();

    fs::create_dir(&file).unwrap();
    assert!(told().await.contains("plain file"));
    fs::remove_dir(&file).unwrap();

    for text in ["", "{}", "canary", r#"{"afield_tokens":99,"server":"","placement":"","plain":{}}"#] {
        fs::write(&file, text).unwrap();
        set(&file, 0o600);
        let told = told().await;
        assert!(told.contains("log in again") && !told.contains("canary"), "{told}");
    }
    // A login replaces it.
    world.logged_in().await;
    assert!(world.site.is_good(&world.bearer().await));
}

/// A keyring for tests.
#[derive(Default)]
struct Keyring {
    locked: AtomicBool,
    absent: AtomicBool,
    asked: AtomicUsize,
    key: std::sync::Mutex<Option<[u8; 32]>>,
}

impl KeyKeeper for Keyring {
    fn key(&self, make: bool) -> Result<Option<[u8; 32]>, KeyUnavailable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.absent.load(Ordering::SeqCst) {
            return Err(KeyUnavailable::NoKeyring);
        }
        if self.locked.load(Ordering::SeqCst) {
            return Err(KeyUnavailable::Failed("locked".into()));
        }
        let mut key = self.key.lock().unwrap();
        if make && key.is_none() {
            *key = Some([7; 32]);
        }
        Ok(*key)
    }
}

/// Proves that with a keyring no token can be read from the disk, that the keyring is asked once, and that without its key
/// nothing is opened, and nothing thrown away.
#[tokio::test]
async fn a_keyring_seals_what_is_stored() {
    let world = World::start().await;
    let keyring = Arc::new(Keyring::default());
    let store = |protection: fn(Arc<dyn KeyKeeper>) -> Protection| {
        TokenStore::new(world.tokens(), protection(keyring.clone()))
    };
    let sealed = store(Protection::Keyring);
    let login = afield_mcp::login::Login::new(world.http.clone(), world.server(), sealed.clone());
    super::sign_in(&login).await.unwrap();
    let text = fs::read_to_string(token_file(&world.tokens())).unwrap();
    assert!(text.contains("sealed") && !text.contains("canary"), "{text}");
    sealed.state(&world.server()).await.unwrap();
    assert_eq!(keyring.asked.load(Ordering::SeqCst), 1);

    for (flag, expected) in [(&keyring.locked, "locked"), (&keyring.absent, "no keyring")] {
        flag.store(true, Ordering::SeqCst);
        for protection in [Protection::Keyring as fn(_) -> _, Protection::KeyringOrFile] {
            let error = store(protection).state(&world.server()).await.unwrap_err();
            assert!(matches!(&error, StoreError::Keyring(why) if why.contains(expected)), "{error}");
        }
        flag.store(false, Ordering::SeqCst);
    }
    *keyring.key.lock().unwrap() = Some([8; 32]);
    let error = store(Protection::Keyring).state(&world.server()).await.unwrap_err();
    assert!(error.to_string().contains("does not have"), "{error}");
    *keyring.key.lock().unwrap() = Some([7; 32]);
    store(Protection::Keyring).state(&world.server()).await.unwrap();
}

/// Proves that without a keyring tokens go into plain files where that is allowed, and nowhere where it is not.
#[tokio::test]
async fn without_a_keyring_only_those_who_may_use_files_do() {
    let world = World::start().await;
    let keyring = Arc::new(Keyring::default());
    keyring.absent.store(true, Ordering::SeqCst);
    let login = |protection| {
        let store = TokenStore::new(world.tokens(), protection);
        afield_mcp::login::Login::new(world.http.clone(), world.server(), store)
    };
    let error = super::sign_in(&login(Protection::Keyring(keyring.clone()))).await.unwrap_err();
    assert!(error.to_string().contains("keyring"), "{error}");
    assert_eq!(world.site.count("/authorize", None), 0, "nobody was asked to sign in for nothing");
    super::sign_in(&login(Protection::KeyringOrFile(keyring))).await.unwrap();
    assert!(world.site.is_good(&world.bearer().await));
}
