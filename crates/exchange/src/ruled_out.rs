/// Kinds of destination that a request rules out for itself, whatever the operator's policy says of them: for requests to
/// places that somebody else named. Default: none.
///
/// Judged by whoever performs the request, at every hop, by the addresses that a name leads to as by those in URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuledOut {
    /// The machine of whoever performs the request: loopback addresses, and the unspecified ones that reach it.
    pub loopback: bool,
    /// Link-local addresses, cloud metadata services among them.
    pub link_local: bool,
}

impl RuledOut {
    /// Every kind.
    pub const NEAR: Self = Self { loopback: true, link_local: true };

    /// Whether anything is ruled out.
    pub fn is_any(self) -> bool {
        self.loopback || self.link_local
    }
}
