use super::*;
use crate::access::{Arrival, CredentialEnd, Peer};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({ "iss": "https://issuer.test", "aud": "afield", "sub": "ci", "exp": now() + 300 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn compact(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign(signed.as_bytes())))
}

fn hs256(secret: &[u8], claims: &Value) -> String {
    compact(&json!({ "alg": "HS256" }), claims, mac(secret))
}

fn mac(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    move |signed| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed).as_ref().to_vec()
}

fn ask(jwt: &Jwt, token: &str) -> Result<Grant, Unauthorized> {
    let arrival = Arrival::from(Peer::Unix { uid: 7, pid: None });
    jwt.authenticate(&Credentials { bearer: Some(token), arrival: &arrival })
}

fn name(jwt: &Jwt, token: &str) -> Result<String, Unauthorized> {
    ask(jwt, token).map(|grant| grant.principal.name().to_owned())
}

fn rules() -> JwtRules {
    JwtRules::new("https://issuer.test", "afield")
}

fn write(directory: &Path, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, contents).unwrap();
    path
}

fn by_secret(directory: &Path) -> Jwt {
    let secrets = vec![write(directory, "secret", [SECRET, b"\n"].concat())];
    Jwt::new(rules(), JwtKeys { secrets, ..JwtKeys::default() }).unwrap()
}

fn ed25519() -> Ed25519KeyPair {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()
}

fn spki_pem(public: &[u8]) -> String {
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend(public);
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

/// Proves which claims are accepted, and by which word each other is rejected.
#[test]
fn case_081_every_claim_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let jwt = by_secret(directory.path());
    let rejected = |why| Err(Unauthorized::Rejected(why));
    for (claims, expected) in [
        (claims(), Ok("ci".to_owned())),
        (with("aud", json!(["other", "afield"])), Ok("ci".to_owned())),
        (with("exp", json!(now() as f64 + 0.5)), Ok("ci".to_owned())),
        (with("exp", json!(now() - 50)), Ok("ci".to_owned())),
        (with("exp", json!(now() - 61)), Err(Unauthorized::Expired)),
        (with("exp", json!(-1)), rejected("jwt_expiry")),
        (with("exp", json!(1e300)), rejected("jwt_expiry")),
        (with("exp", json!("2100")), rejected("jwt_claims")),
        (with("exp", Value::Null), rejected("jwt_claims")),
        (with("nbf", json!(now() + 50)), Ok("ci".to_owned())),
        (with("nbf", json!(now() + 70)), rejected("jwt_not_yet_valid")),
        (with("iss", json!("https://issuer.test/")), rejected("jwt_issuer")),
        (with("aud", json!("afield2")), rejected("jwt_audience")),
        (with("aud", json!([])), rejected("jwt_audience")),
        (with("sub", json!("")), rejected("jwt_subject")),
        (with("sub", json!("a b")), rejected("jwt_subject")),
        (with("sub", json!(7)), rejected("jwt_claims")),
        (json!({ "sub": "ci" }), rejected("jwt_claims")),
    ] {
        assert_eq!(name(&jwt, &hs256(SECRET, &claims)), expected, "{claims}");
    }
    let minted = mint_jwt(SECRET, "https://issuer.test", "afield", "ops", Duration::from_secs(60)).unwrap();
    assert_eq!(name(&jwt, &minted), Ok("ops".to_owned()));
    assert!(mint_jwt(&SECRET[1..], "i", "a", "s", Duration::from_secs(1)).is_err());
}

/// Proves that no token without a signature of ours is accepted, whatever algorithm it names and however it is written.
#[test]
fn case_081_none_and_forged_signatures_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let jwt = by_secret(directory.path());
    let good = hs256(SECRET, &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for alg in ["none", "None", "", "HS384", "hs256", "RS256", "EdDSA", "ES256"] {
        for signature in ["", signature] {
            let token = compact(&json!({ "alg": alg }), &claims(), |_| decode(signature).unwrap());
            assert_eq!(name(&jwt, &token), Err(Unauthorized::Rejected("jwt_no_key_for_it")), "{alg}");
        }
    }
    let critical = compact(&json!({ "alg": "HS256", "crit": ["x"] }), &claims(), mac(SECRET));
    assert_eq!(name(&jwt, &critical), Err(Unauthorized::Rejected("jwt_critical_extension")));
    let other = hs256(b"another secret of more than 32 bytes", &claims());
    assert_eq!(name(&jwt, &other), Err(Unauthorized::Rejected("jwt_signature")));
    let twice = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","alg":"none"}"#),
        good.split_once('.').unwrap().1
    );
    for malformed in [
        "",
        ".",
        "..",
        "a.b",
        &good[1..],
        &format!("{good}="),
        &format!("{good}."),
        &format!(".{good}"),
        &twice,
    ] {
        let refused = name(&jwt, malformed).unwrap_err();
        assert!(matches!(refused, Unauthorized::Wrong | Unauthorized::Rejected(_)), "{malformed}");
    }
    for cut in [signed.to_owned(), format!("{signed}."), format!("{signed}.{}", &signature[..40])] {
        assert!(name(&jwt, &cut).is_err(), "{cut}");
    }
}

/// Proves that EdDSA tokens are accepted by PEM and by JWK set, and that an HMAC made with the public key is not: the key
/// decides the algorithm.
#[test]
fn case_081_a_public_key_is_no_hmac_secret() {
    let directory = tempfile::tempdir().unwrap();
    let pair = ed25519();
    let public = pair.public_key().as_ref();
    let pem = spki_pem(public);
    let set = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" },
        { "kty": "oct", "k": "AA" },
        { "kty": "OKP", "crv": "Ed25519", "use": "enc", "x": "AA" },
        { "kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "x": URL_SAFE_NO_PAD.encode(public) },
    ] });
    let by_pem =
        JwtKeys { public_keys: vec![write(directory.path(), "key.pem", &pem)], ..JwtKeys::default() };
    let by_set =
        JwtKeys { sets: vec![write(directory.path(), "keys.json", set.to_string())], ..JwtKeys::default() };
    let sign = |signed: &[u8]| pair.sign(signed).as_ref().to_vec();
    for keys in [by_pem, by_set] {
        let has_ids = !keys.sets.is_empty();
        let jwt = Jwt::new(rules(), keys).unwrap();
        assert_eq!(name(&jwt, &compact(&json!({ "alg": "EdDSA" }), &claims(), sign)), Ok("ci".to_owned()));
        let named = |kid: &str| compact(&json!({ "alg": "EdDSA", "kid": kid }), &claims(), sign);
        assert_eq!(name(&jwt, &named("k1")), Ok("ci".to_owned()));
        assert_eq!(name(&jwt, &named("k2")).is_ok(), !has_ids, "a key of another name is another key");
        for secret in [public, pem.as_bytes(), pem.trim().as_bytes()] {
            let confused = hs256(secret, &claims());
            assert_eq!(name(&jwt, &confused), Err(Unauthorized::Rejected("jwt_no_key_for_it")));
        }
        let foreign = ed25519();
        let foreign =
            compact(&json!({ "alg": "EdDSA" }), &claims(), |signed| foreign.sign(signed).as_ref().to_vec());
        assert_eq!(name(&jwt, &foreign), Err(Unauthorized::Rejected("jwt_signature")));
    }
}

/// Proves that RS256 tokens made by OpenSSL are accepted by PEM and by JWK set, and those of a weak key never.
#[test]
fn rs256_tokens_of_openssl_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let openssl = |arguments: &[&str]| {
        let run = Command::new("openssl").args(arguments).current_dir(directory.path()).output();
        run.ok().map(|output| (output.status.success(), output.stdout))
    };
    let Some((true, _)) = openssl(&["genrsa", "-out", "private.pem", "2048"]) else {
        assert!(std::env::var_os("AFIELD_REQUIRE_TOOLS").is_none(), "openssl is required and is not there");
        eprintln!("skipped: there is no openssl");
        return;
    };
    openssl(&["rsa", "-in", "private.pem", "-pubout", "-out", "public.pem"]).unwrap();
    let modulus = openssl(&["rsa", "-in", "private.pem", "-noout", "-modulus"]).unwrap().1;
    let modulus = String::from_utf8(modulus).unwrap();
    let hex = modulus.trim().strip_prefix("Modulus=").unwrap();
    let n: Vec<u8> =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let sign = |signed: &[u8]| {
        write(directory.path(), "signed", signed);
        openssl(&["dgst", "-sha256", "-sign", "private.pem", "signed"]).unwrap().1
    };
    let set = json!({ "keys": [
        { "kty": "RSA", "alg": "RS256", "n": URL_SAFE_NO_PAD.encode(n), "e": "AQAB" },
    ] });
    let sets = vec![write(directory.path(), "keys.json", set.to_string())];
    for keys in [
        JwtKeys { public_keys: vec![directory.path().join("public.pem")], ..JwtKeys::default() },
        JwtKeys { sets, ..JwtKeys::default() },
    ] {
        let jwt = Jwt::new(rules(), keys).unwrap();
        assert_eq!(name(&jwt, &compact(&json!({ "alg": "RS256" }), &claims(), sign)), Ok("ci".to_owned()));
        let as_another = compact(&json!({ "alg": "EdDSA" }), &claims(), sign);
        assert_eq!(name(&jwt, &as_another), Err(Unauthorized::Rejected("jwt_no_key_for_it")));
    }
    openssl(&["genrsa", "-out", "weak.pem", "1024"]).unwrap();
    openssl(&["rsa", "-in", "weak.pem", "-pubout", "-out", "weak-public.pem"]).unwrap();
    let weak = JwtKeys { public_keys: vec![directory.path().join("weak-public.pem")], ..JwtKeys::default() };
    assert!(Jwt::new(rules(), weak).unwrap_err().to_string().contains("1024 bits"));
}

/// Proves that a file that cannot be used is named with what is wrong, without what is in it.
#[test]
fn an_unusable_key_file_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, contents: &str| vec![write(directory.path(), name, contents)];
    let secret = |secrets| JwtKeys { secrets, ..JwtKeys::default() };
    let pem = |public_keys| JwtKeys { public_keys, ..JwtKeys::default() };
    let set = |sets| JwtKeys { sets, ..JwtKeys::default() };
    for (keys, why) in [
        (secret(file("1", "canary")), "32 or more"),
        (secret(vec![directory.path().join("nothing")]), "No such file"),
        (pem(file("2", "canary")), "BEGIN PUBLIC KEY"),
        (set(file("3", "canary")), "not JSON"),
        (set(file("4", r#"{"keys":[]}"#)), "no key in it"),
        (set(file("5", r#"{"keys":[{"kid":"canary"}]}"#)), "missing"),
        (set(file("6", r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#)), "2048"),
        (set(file("7", r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}"#)), "32 bytes"),
    ] {
        let error = Jwt::new(rules(), keys).unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains("canary"), "{why}: {error}");
    }
}

/// Proves that a key file which is emptied or deleted while it is used, or a set that loses its last key, ends the sessions of
/// its keys and lets nobody in (case 181).
#[test]
fn jwt_keys_withdrawn_let_nobody_in() {
    let directory = tempfile::tempdir().unwrap();
    for withdrawn in [Some(""), Some("\n"), None] {
        let jwt = by_secret(directory.path());
        let grant = ask(&jwt, &hs256(SECRET, &claims())).unwrap();
        match withdrawn {
            Some(text) => drop(write(directory.path(), "secret", text)),
            None => std::fs::remove_file(directory.path().join("secret")).unwrap(),
        }
        jwt.reload().unwrap();
        assert_eq!(grant.authorization.check(), Err(CredentialEnd::Revoked));
        assert!(ask(&jwt, &hs256(SECRET, &claims())).is_err());
    }
    let files =
        JwtKeys { sets: vec![write(directory.path(), "set", r#"{"keys":[]}"#)], ..JwtKeys::default() };
    assert!(keys::load(&files, true).unwrap().is_empty());
    assert!(keys::load(&files, false).is_err());
}

/// Proves that a session ends when its token's time is over, and when its key is taken out.
#[tokio::test]
async fn expiry_and_a_key_that_is_gone_end_a_session() {
    let directory = tempfile::tempdir().unwrap();
    let mut jwt = by_secret(directory.path());
    let grant = ask(&jwt, &hs256(SECRET, &claims())).unwrap();
    let waiting = tokio::spawn(async move { grant.authorization.ended().await });
    tokio::task::yield_now().await;
    jwt.reload().unwrap();
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "the same key read again is the same key");
    write(directory.path(), "secret", "another secret of more than 32 bytes");
    jwt.reload().unwrap();
    assert_eq!(waiting.await.unwrap(), CredentialEnd::Revoked);

    jwt = by_secret(directory.path());
    jwt.rules.skew = Duration::ZERO;
    let short = with("exp", json!(now() as f64 + 1.2));
    let grant = ask(&jwt, &hs256(SECRET, &short)).unwrap();
    assert_eq!(grant.authorization.ended().await, CredentialEnd::Expired);
    assert_eq!(name(&jwt, &hs256(SECRET, &short)), Err(Unauthorized::Expired));
}
