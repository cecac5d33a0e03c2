use afield_config as file;
use afield_config::{Located, Problem};
use afield_egress::{Attachment, Place, Secret, SecretError, SecretSource, Secrets};

/// The secrets that a file declares, and what it attaches.
pub(super) fn secrets(said: &file::Serving, problems: &mut Vec<Problem>) -> Secrets {
    let before = problems.len();
    let mut secrets = Vec::new();
    for held in &said.secrets {
        match secret(held) {
            Ok(secret) => secrets.push(secret),
            Err(error) => {
                problems.push(place(held, &error).problem(error.to_string(), "see docs/secrets.md"))
            }
        }
    }
    let mut attachments = Vec::new();
    for attach in &said.attach {
        match attachment(attach) {
            Ok(attachment) => attachments.push(attachment),
            Err(error) => {
                let at = match error {
                    SecretError::Place { .. } => attach.hosts.first().unwrap_or(&attach.header),
                    _ => &attach.header,
                };
                problems.push(at.problem(error.to_string(), "see docs/secrets.md"));
            }
        }
    }
    if problems.len() > before {
        return Secrets::default();
    }
    Secrets::new(secrets, attachments).unwrap_or_else(|errors| {
        problems.extend(errors.into_iter().map(|error| {
            let name = match &error {
                SecretError::Unknown(name)
                | SecretError::Elsewhere { secret: name, .. }
                | SecretError::Method { secret: name, .. }
                | SecretError::Nowhere { secret: name, .. }
                | SecretError::Nobody { secret: name, .. } => name,
                _ => "",
            };
            let attach = said.attach.iter().filter(|attach| *attach.secret == name);
            let at = attach.clone().find_map(|attach| part(attach, &error));
            let at = at.or_else(|| attach.clone().next().map(|attach| &attach.secret));
            let at = at.or_else(|| said.secrets.first().map(|held| &held.name));
            let fix = match &error {
                SecretError::Unknown(_) => "declare it as [secrets.NAME]",
                SecretError::Elsewhere { .. } => {
                    "add the field to the secret's headers, or attach it elsewhere"
                }
                SecretError::Nowhere { .. } => "add the place to the secret's hosts, or take it out here",
                SecretError::Nobody { .. } => "add them to the secret's principals, or take them out here",
                _ => "see docs/secrets.md",
            };
            let text = error.to_string();
            match at {
                Some(at) => at.problem(text, fix),
                None => unreachable!("what is wrong is an attachment's or a secret's"),
            }
        }));
        Secrets::default()
    })
}

/// What of an attachment an error is about.
fn part<'a>(attach: &'a file::Attach, error: &SecretError) -> Option<&'a Located<String>> {
    match error {
        SecretError::Method { method, .. } => attach.methods.iter().find(|said| said.as_str() == method),
        SecretError::Nowhere { place, .. } => {
            let is =
                |said: &&Located<String>| said.parse::<Place>().is_ok_and(|said| said.to_string() == *place);
            attach.hosts.iter().find(is)
        }
        SecretError::Nobody { principal, .. } => {
            attach.principals.iter().find(|said| said.as_str() == principal)
        }
        SecretError::Elsewhere { header, .. } => {
            Some(&attach.header).filter(|said| said.eq_ignore_ascii_case(header))
        }
        _ => None,
    }
}

fn secret(held: &file::HeldSecret) -> Result<Secret, SecretError> {
    let hosts = held.hosts.iter().map(|host| host.as_str());
    let mut secret = Secret::new(held.name.as_str(), source(&held.source), hosts)?;
    if !held.headers.is_empty() {
        secret = secret.headers(held.headers.iter().map(|header| header.as_str()))?;
    }
    if let Some(prefix) = &held.prefix {
        secret = secret.prefix(prefix.as_str())?;
    }
    if !held.principals.is_empty() {
        secret = secret.principals(held.principals.iter().map(|name| name.as_str()));
    }
    if held.allow_plain_http {
        secret = secret.allow_plain_http();
    }
    Ok(secret.redact_echo(held.redact_echo))
}

/// What of a declaration an error is about.
fn place<'a>(held: &'a file::HeldSecret, error: &SecretError) -> &'a Located<String> {
    let first = match error {
        SecretError::Place { .. } | SecretError::Places(_) => held.hosts.first(),
        SecretError::Header { .. } => held.headers.first(),
        SecretError::Prefix(_) => held.prefix.as_ref(),
        _ => None,
    };
    first.unwrap_or(&held.name)
}

fn attachment(attach: &file::Attach) -> Result<Attachment, SecretError> {
    let mut attachment = Attachment::new(attach.secret.as_str(), &attach.header)?;
    if !attach.hosts.is_empty() {
        attachment = attachment.places(attach.hosts.iter().map(|host| host.as_str()))?;
    }
    Ok(attachment
        .methods(attach.methods.iter().map(|method| method.as_str()))
        .principals(attach.principals.iter().map(|name| name.as_str())))
}

/// Where a value comes from.
pub(super) fn source(said: &file::Credential) -> SecretSource {
    match said {
        file::Credential::File(path) => SecretSource::File(path.clone()),
        file::Credential::Variable(name) => SecretSource::Environment(name.clone()),
    }
}
