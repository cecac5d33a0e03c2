use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// The bytes of a secret. Neither `Debug` nor `Display`; overwritten when dropped.
pub(crate) struct SecretBytes {
    bytes: Zeroizing<Vec<u8>>,
    forms: OnceLock<Vec<Form>>,
}

/// One way to write a secret, in lower case; overwritten when dropped.
pub(super) type Form = Zeroizing<Vec<u8>>;

/// The shortest text that is looked for: a shorter one stands in every other value by chance.
pub(super) const SHORTEST: usize = 4;

impl SecretBytes {
    pub(super) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes, forms: OnceLock::new() }
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// As it is sent: no header field's value has spaces or tabs at its ends.
    pub(crate) fn as_sent(&self) -> &[u8] {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let start = self.bytes.iter().position(|byte| !blank(byte)).unwrap_or(self.bytes.len());
        let end = self.bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
        &self.bytes[start..end]
    }

    /// How it may come back: as it is; what stands behind a scheme; and as a part of something in Base64. Percent-encoding is
    /// the searcher's.
    pub(super) fn forms(&self) -> &[Form] {
        self.forms.get_or_init(|| {
            let sent = self.as_sent();
            let mut forms = vec![lower(sent)];
            if let Some(rest) = behind_scheme(sent) {
                forms.push(lower(rest));
            }
            forms.extend(within_base64(sent));
            forms.retain(|form| form.len() >= SHORTEST);
            forms
        })
    }
}

/// What a whole field value stands for, if it is Basic credentials: user and password, and the password alone.
pub(super) fn basic(whole: &[u8]) -> Vec<Form> {
    let Some(encoded) = whole.get(6..).filter(|_| whole[..6].eq_ignore_ascii_case(b"basic ")) else {
        return Vec::new();
    };
    let encoded = encoded.trim_ascii();
    let decoded = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded));
    let Ok(decoded) = decoded.map(Zeroizing::new) else { return Vec::new() };
    let password = decoded.iter().position(|byte| *byte == b':').map(|colon| &decoded[colon + 1..]);
    let unpadded = encoded.iter().rposition(|byte| *byte != b'=').map_or(encoded, |last| &encoded[..=last]);
    let mut forms = vec![lower(unpadded), lower(&decoded)];
    forms.extend(password.map(lower));
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// What follows a first word that can be the name of an authentication scheme.
fn behind_scheme(value: &[u8]) -> Option<&[u8]> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at(space);
    let is_scheme = scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    is_scheme.then(|| rest.trim_ascii_start())
}

/// The characters of Base64 that stand for this value alone, wherever in the encoded bytes it begins.
fn within_base64(value: &[u8]) -> Vec<Form> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let bytes = Zeroizing::new([&[0; 3][..before], value].concat());
        // The first characters are made of what stands before, too, and the last one of what follows.
        let (first, end) = ([0, 2, 3][before], bytes.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            let encoded = Zeroizing::new(encoded.into_bytes());
            let form = encoded.get(first..end).map(lower).unwrap_or_default();
            if form.len() >= 2 * SHORTEST && !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

fn lower(bytes: &[u8]) -> Form {
    Zeroizing::new(bytes.to_ascii_lowercase())
}
