//! Secrets that stay on this side: declared by the operator, named by callers or attached unasked, never seen by them.
//!
//! Only to the places a secret is declared for, only over TLS unless it is declared otherwise, and only to the origin
//! the request was made for: a redirect within that origin carries it on, one to another origin never does, nor does
//! any hop after that.

mod declared;
mod redact;
mod source;
mod value;

pub use declared::{Attachment, Secret, SecretError};
pub(crate) use redact::{MARK, carries, redacted, redacted_name};
pub(crate) use source::Held;
pub use source::SecretSource;

use crate::policy::canonical::{self, is_method};
use crate::policy::{Place, Scheme};
use crate::request::target::Target;
use crate::watched::CHECK_EVERY;
use afield_exchange::{Blame, Error, Kind, Retry, detail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use source::Unavailable;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use value::SecretBytes;

/// The secrets an operator has declared, and where they are attached. Cheap to clone. The default: none.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Table>>);

struct Table {
    secrets: Vec<Secret>,
    attachments: Vec<Attachment>,
    check_every: Duration,
}

/// The longest URL that is looked at, in bytes.
const LONGEST_URL: usize = 64 * 1024;

/// A secret that a request was sent with.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) redact: bool,
    value: Arc<SecretBytes>,
    /// What the whole field value stands for, if that is something else.
    means: Arc<[value::Form]>,
}

impl Sent {
    /// `whole`: the field's value that the secret is in.
    fn new(name: String, redact: bool, value: Arc<SecretBytes>, whole: &[u8]) -> Self {
        Self { name, redact, value, means: value::basic(whole).into() }
    }

    /// Every way to write it that is looked for, in lower case.
    fn forms(&self) -> impl Iterator<Item = &[u8]> {
        self.value.forms().iter().chain(&*self.means).map(|form| &form[..])
    }
}

/// The hop that a secret would go with.
#[derive(Clone, Copy)]
pub(crate) struct Going<'a> {
    pub(crate) target: &'a Target,
    pub(crate) method: &'a str,
    pub(crate) principal: Option<&'a str>,
}

/// Why a variable that is named by its environment name does not complete a value.
pub(crate) enum NoVariable {
    /// No secret of that variable may be used so.
    Refused,
    /// One may, but has no value.
    Unavailable(String),
}

impl Secrets {
    /// These secrets, some of them attached. An attachment takes the first that applies, for each header field.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once. The values are not looked at; see [`Secrets::problems`].
    pub fn new(
        secrets: impl IntoIterator<Item = Secret>,
        attachments: impl IntoIterator<Item = Attachment>,
    ) -> Result<Self, Vec<SecretError>> {
        let secrets: Vec<Secret> = secrets.into_iter().collect();
        let attachments: Vec<Attachment> = attachments.into_iter().collect();
        let mut errors = Vec::new();
        for (at, secret) in secrets.iter().enumerate() {
            if secrets[..at].iter().any(|other| other.name == secret.name) {
                errors.push(SecretError::Twice(secret.name.clone()));
            }
        }
        for attachment in &attachments {
            let known = secrets.iter().find(|declared| declared.name == attachment.secret);
            errors.extend(attachment.problem(known));
        }
        match errors.is_empty() {
            true => Ok(Self(Some(Arc::new(Table { secrets, attachments, check_every: CHECK_EVERY })))),
            false => Err(errors),
        }
    }

    /// How often at most the files are looked at for changes; 1 s unless set. Zero: at each use.
    #[must_use]
    pub fn check_every(self, interval: Duration) -> Self {
        Self(self.0.map(|table| {
            let Table { secrets, attachments, .. } = &*table;
            let (secrets, attachments) = (secrets.clone(), attachments.clone());
            Arc::new(Table { secrets, attachments, check_every: interval })
        }))
    }

    /// Reads every value and says what is wrong with those that cannot be used, without showing any.
    pub fn problems(&self) -> Vec<String> {
        self.declared().iter().filter_map(Secret::problem).collect()
    }

    /// What is declared.
    pub fn declared(&self) -> &[Secret] {
        self.0.as_ref().map_or(&[], |table| &table.secrets)
    }

    /// Why no request to this URL could have this header field completed with the secret of this name, whoever asks.
    pub fn why_not(&self, name: &str, header: &str, url: &str) -> Option<String> {
        let mut named = self.declared().iter().filter(|secret| secret.name == name).peekable();
        match named.peek() {
            Some(_) => why_not_any(named, header, url),
            None => Some(format!("there is no secret `{}`", name.escape_debug())),
        }
    }

    /// Why none could have it completed with a secret that comes from this environment variable.
    pub fn why_not_of_variable(&self, variable: &str, header: &str, url: &str) -> Option<String> {
        let mut from = self.secrets_of_variable(variable).peekable();
        match from.peek() {
            Some(_) => why_not_any(from, header, url),
            None => Some(format!("no secret comes from the variable {variable}")),
        }
    }

    fn secrets_of_variable<'a>(&'a self, variable: &'a str) -> impl Iterator<Item = &'a Secret> {
        let comes_from = move |secret: &&Secret| matches!(secret.held.source(), SecretSource::Environment(name) if name == variable);
        self.declared().iter().filter(comes_from)
    }

    /// A value completed with the secret that a caller names.
    pub(crate) fn complete(
        &self,
        name: &str,
        header: &HeaderName,
        given: &[u8],
        going: Going<'_>,
        sent: &mut Vec<Sent>,
    ) -> Result<Bytes, Error> {
        let known = self.declared().iter().find(|secret| secret.name == name);
        let Some(secret) = known.filter(|secret| secret.is_for(going.principal)) else {
            let shown: String = name.chars().take(64).collect();
            let why = if known.is_some() { "not for this principal" } else { "not declared" };
            let message = format!("there is no secret `{}`", shown.escape_debug());
            return Err(Error::invalid(detail::SECRET, message.clone()).with_log(format!("{message}: {why}")));
        };
        self.value(secret, header, given, going, sent)
    }

    /// A value completed with the secret that comes from this environment variable.
    pub(crate) fn complete_variable(
        &self,
        variable: &str,
        header: &HeaderName,
        given: &[u8],
        going: Going<'_>,
        sent: &mut Vec<Sent>,
    ) -> Result<Bytes, NoVariable> {
        let Some(secret) = self.of_variable(variable, header, going) else {
            return Err(NoVariable::Refused);
        };
        self.value(secret, header, given, going, sent)
            .map_err(|error| NoVariable::Unavailable(error.log().unwrap_or_default().to_owned()))
    }

    /// The secret that comes from this environment variable and may go so.
    pub(crate) fn of_variable<'a>(
        &'a self,
        variable: &'a str,
        header: &HeaderName,
        going: Going<'_>,
    ) -> Option<&'a Secret> {
        let mut secrets = self.secrets_of_variable(variable);
        secrets.find(|secret| secret.is_for(going.principal) && secret.refusal(header, going).is_none())
    }

    /// Puts in what is attached to this hop, in the place of whatever stands there. Says whether anything is.
    pub(crate) fn attach(
        &self,
        fields: &mut HeaderMap,
        going: Going<'_>,
        sent: &mut Vec<Sent>,
    ) -> Result<bool, Error> {
        let mut done: Vec<&HeaderName> = Vec::new();
        for (secret, attachment) in self.attached(going) {
            if done.contains(&&attachment.header) {
                continue;
            }
            done.push(&attachment.header);
            let bytes = self.value(secret, &attachment.header, b"", going, sent)?;
            let value = HeaderValue::from_maybe_shared(bytes).map_err(|_| {
                secret.unavailable(&Unavailable { why: "it is not a header value", log: String::new() })
            })?;
            let value = sensitive(value);
            fields.insert(attachment.header.clone(), value);
        }
        Ok(!done.is_empty())
    }

    /// What is attached to this hop, with the header fields.
    pub(crate) fn attached(&self, going: Going<'_>) -> impl Iterator<Item = (&Secret, &Attachment)> {
        let attachments = self.0.as_ref().map_or(&[][..], |table| &table.attachments);
        attachments.iter().filter_map(move |attachment| {
            let secret = self.declared().iter().find(|secret| secret.name == attachment.secret)?;
            (attachment.applies(going) && secret.is_for(going.principal) && secret.goes_to(going.target))
                .then_some((secret, attachment))
        })
    }

    fn value(
        &self,
        secret: &Secret,
        header: &HeaderName,
        given: &[u8],
        going: Going<'_>,
        sent: &mut Vec<Sent>,
    ) -> Result<Bytes, Error> {
        if let Some(why) = secret.refusal(header, going) {
            let message = format!("the secret `{}` {why}", secret.name);
            return Err(Error::new(Kind::InvalidRequest, Blame::Caller, Retry::No, message)
                .with_detail(detail::SECRET));
        }
        let every = self.0.as_ref().map_or(CHECK_EVERY, |table| table.check_every);
        let value = secret.held.value(every).map_err(|why| secret.unavailable(&why))?;
        let before = if given.is_empty() { secret.prefix.as_bytes() } else { given };
        let whole = [before, value.as_sent()].concat();
        if !sent.iter().any(|known| Arc::ptr_eq(&known.value, &value)) {
            sent.push(Sent::new(secret.name.clone(), secret.redact_echo, value, &whole));
        }
        Ok(whole.into())
    }
}

impl Secret {
    fn is_for(&self, principal: Option<&str>) -> bool {
        names(&self.principals, principal)
    }

    fn goes_to(&self, target: &Target) -> bool {
        includes(&self.places, target)
    }

    fn may_be_in(&self, header: &HeaderName) -> bool {
        self.headers.contains(header)
    }

    /// Why it may not go so, if it may not.
    fn refusal(&self, header: &HeaderName, going: Going<'_>) -> Option<&'static str> {
        if !self.goes_to(going.target) {
            Some("may not go to this host and port")
        } else if !self.may_be_in(header) || crate::request::headers::is_ours(header) {
            Some("may not be in this header")
        } else if going.target.scheme == Scheme::Http && !self.plain_http {
            Some("goes over https only")
        } else {
            None
        }
    }

    fn unavailable(&self, why: &Unavailable) -> Error {
        let message = format!("the secret `{}` cannot be used: {}", self.name, why.why);
        Error::new(Kind::InvalidRequest, Blame::Operator, Retry::No, message)
            .with_detail(detail::SECRET)
            .with_log(format!("secret `{}`: {}", self.name, why.log))
    }
}

impl Attachment {
    /// Why it can never be sent, or makes no sense, with this secret of its name.
    fn problem(&self, secret: Option<&Secret>) -> Option<SecretError> {
        let name = || self.secret.clone();
        let Some(secret) = secret else { return Some(SecretError::Unknown(name())) };
        if !secret.may_be_in(&self.header) {
            return Some(SecretError::Elsewhere { secret: name(), header: self.header.to_string() });
        }
        for method in &self.methods {
            if let Err(why) = canonical::method(method) {
                return Some(SecretError::Method { secret: name(), method: method.clone(), why });
            }
        }
        let somewhere = |place: &Place| secret.places.iter().any(|own| own.meets(place));
        if let Some(place) = self.places.iter().find(|place| !somewhere(place)) {
            return Some(SecretError::Nowhere { secret: name(), place: place.to_string() });
        }
        let somebody =
            |principal: &String| secret.principals.is_empty() || secret.principals.contains(principal);
        let nobody = self.principals.iter().find(|principal| !somebody(principal));
        nobody.map(|principal| SecretError::Nobody { secret: name(), principal: principal.clone() })
    }

    fn applies(&self, going: Going<'_>) -> bool {
        (self.places.is_empty() || includes(&self.places, going.target))
            && (self.methods.is_empty() || self.methods.iter().any(|method| is_method(method, going.method)))
            && names(&self.principals, going.principal)
    }

    /// The secret and the header field.
    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.secret, self.header.as_str())
    }
}

/// Why none of these secrets may complete this field of a request to this URL.
fn why_not_any<'a>(secrets: impl Iterator<Item = &'a Secret>, header: &str, url: &str) -> Option<String> {
    let Ok((target, _)) = Target::parse(url, LONGEST_URL) else {
        return Some("its URL cannot be used".to_owned());
    };
    let Ok(header) = header.parse::<HeaderName>() else {
        return Some("its header cannot be used".to_owned());
    };
    let going = Going { target: &target, method: "POST", principal: None };
    let mut why = None;
    for secret in secrets {
        let refusal = secret.refusal(&header, going)?;
        why.get_or_insert_with(|| format!("the secret `{}` {refusal}", secret.name));
    }
    why
}

fn includes(places: &[Place], target: &Target) -> bool {
    places.iter().any(|place| place.matches(target.host(), target.literal, target.port))
}

/// Whether a list of principals, where empty means anyone, has this one.
fn names(principals: &[String], principal: Option<&str>) -> bool {
    principals.is_empty() || principal.is_some_and(|name| principals.iter().any(|other| other == name))
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.declared()).finish()
    }
}
