use super::{
    Authenticate, Authorization, Credentials, FileError, Grant, Principal, PrincipalKind, Unauthorized,
    read_again, read_text,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use std::{
    collections::HashSet,
    fmt,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;

/// One token, of which only the SHA-256 digest is kept, and whose it is. Digests are compared in constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenDigest {
    digest: [u8; 32],
    principal: Principal,
}

impl TokenDigest {
    /// Accepts `token`.
    pub fn of(token: &str) -> Self {
        Self::from_digest(sha256(token))
    }

    /// Accepts the token with this SHA-256 digest.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self { digest, principal: Principal::token("token") }
    }

    /// Names who presents the token; otherwise `token`.
    #[must_use]
    pub fn with_principal(mut self, principal: Principal) -> Self {
        self.principal = principal;
        self
    }

    /// The digest in hexadecimal.
    pub fn hex(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn accepts(&self, presented: &[u8; 32]) -> Choice {
        presented.ct_eq(&self.digest)
    }
}

/// `HEX` or `NAME=HEX`, the SHA-256 digest of a token.
impl FromStr for TokenDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, hex) = text.split_once('=').unwrap_or(("token", text));
        let principal = Principal::parse(PrincipalKind::Token, name)
            .ok_or("the name before = is one word of at most 256 characters, for example ci=HEX")?;
        let digest = parse_hex(hex)
            .ok_or("a SHA-256 digest is 64 hexadecimal digits; `afield token new` prints one")?;
        Ok(Self::from_digest(digest).with_principal(principal))
    }
}

impl Authenticate for TokenDigest {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        let presented = sha256(credentials.bearer.ok_or(Unauthorized::Missing)?);
        match bool::from(self.accepts(&presented)) {
            true => Ok(self.principal.clone().into()),
            false => Err(Unauthorized::Wrong),
        }
    }

    fn mode(&self) -> String {
        "token".to_owned()
    }

    fn kinds(&self) -> Vec<PrincipalKind> {
        vec![PrincipalKind::Token]
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenDigest").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// A new token: `afield_` and 256 random bits in base64url.
///
/// # Errors
///
/// If the system gives no random numbers.
pub fn new_token() -> Result<String, std::io::Error> {
    let mut bits = [0; 32];
    SystemRandom::new()
        .fill(&mut bits)
        .map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    Ok(format!("afield_{}", URL_SAFE_NO_PAD.encode(bits)))
}

/// Lets in who presents one of several tokens: those it was made with, and those of a file, which can be read again.
/// A session whose token the file does not hold any more ends: also when the file is emptied or deleted, in which case it
/// lets nobody in.
///
/// The file holds a token as it is, or a line for each token: a name, white space, and the token's SHA-256 digest in
/// hexadecimal. Empty lines and lines that begin with `#` are skipped.
pub struct Tokens {
    fixed: RwLock<Vec<TokenDigest>>,
    file: Option<PathBuf>,
    accepted: Arc<RwLock<Vec<TokenDigest>>>,
    changed: watch::Sender<()>,
}

impl Tokens {
    /// Accepts these tokens, and those in the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or holds something else.
    pub fn new(fixed: Vec<TokenDigest>, file: Option<PathBuf>) -> Result<Self, FileError> {
        let fixed = RwLock::new(fixed);
        let tokens = Self { fixed, file, accepted: Arc::default(), changed: watch::Sender::new(()) };
        let of_file = match &tokens.file {
            Some(file) => parse(&read_text(file)?).map_err(|why| FileError::new(file, why))?,
            None => Vec::new(),
        };
        if let (Some(file), true) = (&tokens.file, of_file.is_empty()) {
            let why = "there is no token in it; `afield token new` prints one";
            return Err(FileError::new(file, why));
        }
        tokens.accept(of_file);
        Ok(tokens)
    }

    /// The file, for whoever watches it.
    pub fn files(&self) -> Vec<PathBuf> {
        self.file.iter().cloned().collect()
    }

    /// Accepts these tokens in the place of those it was made with, and reads the file again. On an error
    /// everything stays as it was.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or holds something else.
    pub fn replace(&self, fixed: Vec<TokenDigest>) -> Result<(), FileError> {
        let before =
            std::mem::replace(&mut *self.fixed.write().unwrap_or_else(PoisonError::into_inner), fixed);
        self.reload().inspect_err(|_| {
            *self.fixed.write().unwrap_or_else(PoisonError::into_inner) = before;
        })
    }

    /// Reads the file again. One that is gone or empty holds no token any more. On an error everything stays as it was.
    /// Blocks, for 100 ms longer where the file is gone or empty.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or holds something else.
    pub fn reload(&self) -> Result<(), FileError> {
        let mut of_file = Vec::new();
        if let Some(file) = &self.file {
            match read_again(file)? {
                Some(bytes) => {
                    let text =
                        String::from_utf8(bytes).map_err(|_| FileError::new(file, "it is not UTF-8 text"))?;
                    of_file = parse(&text).map_err(|why| FileError::new(file, why))?;
                }
                None => {
                    tracing::warn!(file = %file.display(), "no token is in the file any more: it lets nobody in")
                }
            }
        }
        self.accept(of_file);
        Ok(())
    }

    fn accept(&self, of_file: Vec<TokenDigest>) {
        let mut accepted = self.fixed.read().unwrap_or_else(PoisonError::into_inner).clone();
        accepted.extend(of_file);
        *self.accepted.write().unwrap_or_else(PoisonError::into_inner) = accepted;
        self.changed.send_replace(());
    }
}

impl Authenticate for Tokens {
    fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Grant, Unauthorized> {
        let presented = sha256(credentials.bearer.ok_or(Unauthorized::Missing)?);
        let changed = self.changed.subscribe();
        // All are compared, whichever it is.
        let mut found = None;
        for token in self.accepted.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if bool::from(token.accepts(&presented)) && found.is_none() {
                found = Some(token.clone());
            }
        }
        let token = found.ok_or(Unauthorized::Wrong)?;
        let principal = token.principal.clone();
        let accepted = self.accepted.clone();
        let holds = move || accepted.read().unwrap_or_else(PoisonError::into_inner).contains(&token);
        Ok(Grant { principal, authorization: Authorization::permanent().as_long_as(changed, holds) })
    }

    fn mode(&self) -> String {
        "token".to_owned()
    }

    fn kinds(&self) -> Vec<PrincipalKind> {
        vec![PrincipalKind::Token]
    }

    fn known_principals(&self) -> usize {
        let accepted = self.accepted.read().unwrap_or_else(PoisonError::into_inner);
        accepted.iter().map(|token| &token.principal).collect::<HashSet<_>>().len()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("file", &self.file).finish_non_exhaustive()
    }
}

fn parse(text: &str) -> Result<Vec<TokenDigest>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    let mut tokens = Vec::new();
    for (at, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        tokens.push(match words[..] {
            [token] if token.bytes().all(|byte| byte.is_ascii_graphic()) => TokenDigest::of(token),
            [name, hex] => match (Principal::parse(PrincipalKind::Token, name), parse_hex(hex)) {
                (Some(principal), Some(digest)) => TokenDigest::from_digest(digest).with_principal(principal),
                _ => {
                    return Err(format!(
                        "line {} is neither a token nor a name and a SHA-256 digest of 64 hexadecimal digits",
                        at + 1
                    ));
                }
            },
            _ => {
                return Err(format!("line {} is neither a token nor a name and a SHA-256 digest", at + 1));
            }
        });
    }
    Ok(tokens)
}

fn parse_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn sha256(token: &str) -> [u8; 32] {
    let digest = digest(&SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn ask(of: &impl Authenticate, bearer: Option<&str>) -> Result<Principal, Unauthorized> {
        grant(of, bearer).map(|grant| grant.principal)
    }

    fn grant(of: &impl Authenticate, bearer: Option<&str>) -> Result<Grant, Unauthorized> {
        let arrival = Arrival::from(Peer::Unix { uid: 7, pid: None });
        of.authenticate(&Credentials { bearer, arrival: &arrival })
    }

    /// Proves that only the exact token is accepted, and that a missing one is told from a wrong one.
    #[test]
    fn only_the_exact_token_is_accepted() {
        let tokens = TokenDigest::of("canary-token").with_principal(Principal::token("ci"));
        assert_eq!(ask(&tokens, Some("canary-token")), Ok(Principal::token("ci")));
        assert_eq!(ask(&tokens, None), Err(Unauthorized::Missing));
        for wrong in ["canary-toke", "canary-token2", "Canary-token", "", " canary-token"] {
            assert_eq!(ask(&tokens, Some(wrong)), Err(Unauthorized::Wrong), "{wrong}");
        }
    }

    /// The digest of FIPS 180-4's example `abc`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// Proves that a digest made elsewhere accepts its token, under the name given, and that nonsense is refused.
    #[test]
    fn a_digest_made_elsewhere_accepts_its_token() {
        let plain: TokenDigest = ABC.parse().unwrap();
        assert_eq!(ask(&plain, Some("abc")), Ok(Principal::token("token")));
        assert_eq!(plain.hex(), ABC);
        let named: TokenDigest = format!("ci={}", ABC.to_uppercase()).parse().unwrap();
        assert_eq!(ask(&named, Some("abc")), Ok(Principal::token("ci")));
        for nonsense in ["", "ci=", &ABC[1..], &format!("={ABC}"), &format!("a b={ABC}"), &"é".repeat(32)] {
            assert!(nonsense.parse::<TokenDigest>().is_err(), "{nonsense}");
        }
    }

    /// Proves that a file of several tokens names who presents each, and that a line that is none is told by its number
    /// and not by its text.
    #[test]
    fn a_file_holds_several_named_tokens() {
        let text = format!("# who\n\nann {ABC}\nbob\t{}\n", TokenDigest::of("second").hex());
        let tokens = parse(&text).unwrap();
        let names: Vec<_> = tokens.iter().map(|token| token.principal.name()).collect();
        assert_eq!(names, ["ann", "bob"]);
        assert_eq!(parse("canary-token\n").unwrap(), [TokenDigest::of("canary-token")]);
        for (wrong, line) in
            [("a b c canary", "line 1"), ("# x\nann canary", "line 2"), ("a\u{1}canary", "line 1")]
        {
            let why = parse(wrong).unwrap_err();
            assert!(why.contains(line) && !why.contains("canary"), "{why}");
        }
        assert!(parse("# nothing\n").unwrap().is_empty());
    }

    /// Proves that a file which is emptied, deleted, or loses its last line while it is used lets nobody in any more and ends
    /// what it had granted, that tokens given otherwise go on, and that it counts again once it is back; and that an
    /// executor does not start with such a file (case 181).
    #[test]
    fn token_file_withdrawn_lets_nobody_in() {
        type Withdraw = fn(&std::path::Path);
        let ways: [Withdraw; 4] = [
            |file| std::fs::write(file, "").unwrap(),
            |file| std::fs::write(file, "# ann was here\n\n  \n").unwrap(),
            |file| std::fs::remove_file(file).unwrap(),
            |file| std::fs::rename(file, file.with_extension("old")).unwrap(),
        ];
        for withdraw in ways {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("tokens");
            let line = format!("ann {}\n", TokenDigest::of("ann").hex());
            std::fs::write(&file, &line).unwrap();
            let tokens = Tokens::new(vec![TokenDigest::of("fixed")], Some(file.clone())).unwrap();
            let [ann, fixed] = ["ann", "fixed"].map(|token| grant(&tokens, Some(token)).unwrap());
            withdraw(&file);
            tokens.reload().unwrap();
            assert!(ann.authorization.check().is_err() && fixed.authorization.check().is_ok());
            assert_eq!(ask(&tokens, Some("ann")), Err(Unauthorized::Wrong));
            assert_eq!(ask(&tokens, None), Err(Unauthorized::Missing), "and not everybody");
            assert!(Tokens::new(Vec::new(), Some(file.clone())).is_err(), "none to start with");
            std::fs::write(&file, &line).unwrap();
            tokens.reload().unwrap();
            assert_eq!(ask(&tokens, Some("ann")), Ok(Principal::token("ann")));
        }
    }

    /// Proves that a token taken out of the file is not accepted any more and ends what it had granted, that one that
    /// stays does not, and that a file which cannot be read changes nothing.
    #[tokio::test]
    async fn a_token_taken_out_of_the_file_is_revoked() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tokens");
        let line = |name: &str| format!("{name} {}\n", TokenDigest::of(name).hex());
        std::fs::write(&file, line("ann") + &line("bob")).unwrap();
        let tokens = Tokens::new(vec![TokenDigest::of("fixed")], Some(file.clone())).unwrap();
        let [ann, bob, fixed] = ["ann", "bob", "fixed"].map(|token| grant(&tokens, Some(token)).unwrap());

        std::fs::write(&file, "a b c").unwrap();
        assert!(tokens.reload().is_err());
        assert!(ann.authorization.check().is_ok() && bob.authorization.check().is_ok());

        let waiting = tokio::spawn(async move { ann.authorization.ended().await });
        tokio::task::yield_now().await;
        std::fs::write(&file, line("bob")).unwrap();
        tokens.reload().unwrap();
        assert_eq!(waiting.await.unwrap(), CredentialEnd::Revoked);
        assert!(bob.authorization.check().is_ok() && fixed.authorization.check().is_ok());
        assert_eq!(ask(&tokens, Some("ann")), Err(Unauthorized::Wrong));
        assert_eq!(ask(&tokens, Some("bob")), Ok(Principal::token("bob")));
    }

    /// Proves that neither the token nor its digest can reach a log through `Debug`.
    #[test]
    fn debug_shows_neither_token_nor_digest() {
        assert_eq!(
            format!("{:?}", TokenDigest::of("abc")),
            "TokenDigest { principal: Principal { kind: Token, name: \"token\" }, .. }"
        );
        let tokens = Tokens::new(vec![TokenDigest::of("abc")], None).unwrap();
        assert_eq!(format!("{tokens:?}"), "Tokens { file: None, .. }");
    }
}
