/// What a login is told, where a server publishes it wrongly or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beforehand {
    /// What tokens are asked for.
    pub resource: Resource,
    /// The authorization server's issuer, whatever the server says that it is.
    pub issuer: Option<String>,
}

/// What tokens are asked for (RFC 8707).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resource {
    /// What the server's metadata says it is, else its URL.
    #[default]
    Discovered,
    /// This.
    Named(String),
    /// Nothing: for authorization servers that refuse to be told.
    Omitted,
}

impl Resource {
    /// What is asked for of a server that says it is `discovered`.
    pub(crate) fn of(&self, discovered: &str) -> Option<String> {
        match self {
            Self::Discovered => Some(discovered.to_owned()),
            Self::Named(named) => Some(named.clone()),
            Self::Omitted => None,
        }
    }
}
