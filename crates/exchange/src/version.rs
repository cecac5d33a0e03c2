/// The version of HTTP in which a request is to go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VersionPreference {
    /// Takes what the origin prefers: over TLS HTTP/2 where it agrees to that (ALPN), else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 over TLS where the origin agrees to that, else HTTP/1.1. In the clear HTTP/1.1.
    Http2,
    /// HTTP/2 without having asked: in the clear too, and nothing else over TLS.
    Http2PriorKnowledge,
}

impl VersionPreference {
    /// Every preference, with its name on the wire; [`Auto`](Self::Auto) has none, since it is what is not said.
    const NAMES: [(Self, &'static str); 3] =
        [(Self::Http1, "1.1"), (Self::Http2, "2"), (Self::Http2PriorKnowledge, "2-prior-knowledge")];

    /// Returns its name on the wire; `None` for [`Auto`](Self::Auto).
    pub fn name(self) -> Option<&'static str> {
        Self::NAMES.iter().find(|(version, _)| *version == self).map(|(_, name)| *name)
    }

    /// Returns the preference of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(version, _)| *version)
    }
}
