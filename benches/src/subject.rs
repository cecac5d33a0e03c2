//! What is measured.

use serde::Serialize;

/// One way from the load to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// An HTTP client straight to the origin: what no executor can beat.
    Direct,
    /// An afield executor driven in the base dialect, by the same driver as the reference.
    Afield,
    /// An afield executor driven by afield's own client, in afield/1.
    Client,
    /// The reference executor, base dialect.
    Reference,
}

impl Subject {
    /// All, in the order in which they take turns.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Afield, Self::Client, Self::Reference];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Afield => "afield",
            Self::Client => "client",
            Self::Reference => "reference",
        }
    }

    /// Whether it is an executor of its own, with memory and a binary, and not another way to drive one.
    pub fn is_executor(self) -> bool {
        matches!(self, Self::Afield | Self::Reference)
    }

    /// By name.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|subject| subject.name() == name)
            .ok_or_else(|| format!("one of {} is wanted", Self::ALL.map(Self::name).join(", ")))
    }
}
