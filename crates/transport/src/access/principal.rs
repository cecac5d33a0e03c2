use std::{fmt, sync::Arc};

/// What says who a peer is. The same name said by two of these is two principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrincipalKind {
    /// The name that the operator gave to a token.
    Token,
    /// The subject of a JSON Web Token.
    Jwt,
    /// A name in a client certificate.
    Certificate,
    /// The number of a user of this machine, by the kernel's word.
    User,
    /// Nothing: nobody is asked.
    Anonymous,
    /// Whoever started this process and holds its standard input.
    Stdio,
}

impl PrincipalKind {
    /// Those whose principals have names of somebody's choice.
    pub const NAMED: [Self; 3] = [Self::Token, Self::Jwt, Self::Certificate];

    /// The word for it: in the audit, and before the colon where a configuration names a principal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Jwt => "jwt",
            Self::Certificate => "cert",
            Self::User => "uid",
            Self::Anonymous => "anonymous",
            Self::Stdio => "stdio",
        }
    }
}

/// Who a peer is, and by what. A session belongs to one, and nobody else can resume it. Principals of different kinds are
/// different, whatever their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    kind: PrincipalKind,
    name: Arc<str>,
}

impl Principal {
    /// The principal of this kind and name. The name may be logged.
    pub fn new(kind: PrincipalKind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, name: name.into() }
    }

    /// Whose a token of this name is.
    pub fn token(name: impl Into<Arc<str>>) -> Self {
        Self::new(PrincipalKind::Token, name)
    }

    /// A user of this machine.
    pub fn user(uid: u32) -> Self {
        Self::new(PrincipalKind::User, format!("uid:{uid}"))
    }

    /// Whoever comes where nobody is asked.
    pub fn anonymous() -> Self {
        Self::new(PrincipalKind::Anonymous, "anonymous")
    }

    /// Whoever started this process.
    pub fn stdio() -> Self {
        Self::new(PrincipalKind::Stdio, "stdio")
    }

    /// The principal of this kind and name, if the name is fit to be one: 1 to 256 characters, neither white space nor
    /// controls.
    pub fn parse(kind: PrincipalKind, name: &str) -> Option<Self> {
        let fit = |c: char| !c.is_whitespace() && !c.is_control();
        let is_fit = !name.is_empty() && name.chars().count() <= 256 && name.chars().all(fit);
        is_fit.then(|| Self::new(kind, name))
    }

    /// What says who it is.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The name, which principals of other kinds may have too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that no other principal has: `token:ci`, `jwt:ci`, `cert:ci`, `uid:1000`, `anonymous`, `stdio`. By it rules and
    /// secrets know it.
    pub fn full_name(&self) -> String {
        self.to_string()
    }

    /// Whether this text in a configuration says by itself of which kind the principal is, as [`full_name`](Self::full_name)
    /// does.
    pub fn is_full_name(text: &str) -> bool {
        let named = |kind: PrincipalKind| {
            text.strip_prefix(kind.as_str())
                .and_then(|rest| rest.strip_prefix(':'))
                .is_some_and(|rest| !rest.is_empty())
        };
        let user = text.strip_prefix("uid:").is_some_and(|uid| uid.parse::<u32>().is_ok());
        user || ["anonymous", "stdio"].contains(&text) || PrincipalKind::NAMED.into_iter().any(named)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PrincipalKind::User | PrincipalKind::Anonymous | PrincipalKind::Stdio => f.write_str(&self.name),
            named => write!(f, "{}:{}", named.as_str(), self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Proves that one name said by a token, a JWT, a certificate and the kernel is four principals, of four full names, and
    /// that a name cannot be chosen that makes one of them another (case 145).
    #[test]
    fn case_145_equal_names_of_different_kinds_are_different_principals() {
        let names = ["ci", "uid:7", "anonymous", "stdio", "jwt:ci", "token:ci", "cert:uid:7"];
        let mut all: Vec<Principal> = [7, 8].map(Principal::user).to_vec();
        all.extend([Principal::anonymous(), Principal::stdio()]);
        for kind in PrincipalKind::NAMED {
            all.extend(names.map(|name| Principal::parse(kind, name).unwrap()));
        }
        let full: HashSet<String> = all.iter().map(Principal::full_name).collect();
        assert_eq!((full.len(), all.iter().collect::<HashSet<_>>().len()), (all.len(), all.len()));
        assert!(full.iter().all(|name| Principal::is_full_name(name)), "{full:?}");
        for short in ["ci", "uid:", "uid:x", "cert:", "spiffe://test/ci", "anonymous:x", "Token:ci", ""] {
            assert!(!Principal::is_full_name(short), "{short}");
        }
    }
}
