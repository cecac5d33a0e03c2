//! What is measured.

use serde::Serialize;

/// One way from the load to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// An HTTP client straight to the origin: what no executor can beat.
    Direct,
    /// The executor of the revision to compare with, in the base dialect.
    Baseline,
    /// An afield executor driven in the base dialect, by the same driver as the reference.
    Afield,
    /// The executor of the revision to compare with, driven by this revision's client, in afield/1.
    BaselineClient,
    /// An afield executor driven by afield's own client, in afield/1.
    Client,
    /// The reference executor, base dialect.
    Reference,
}

impl Subject {
    /// All, in the order in which they take turns.
    pub const ALL: [Self; 6] =
        [Self::Direct, Self::Baseline, Self::Afield, Self::BaselineClient, Self::Client, Self::Reference];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Baseline => "baseline",
            Self::Afield => "afield",
            Self::BaselineClient => "baseline-client",
            Self::Client => "client",
            Self::Reference => "reference",
        }
    }

    /// Whether it is an executor of its own, with memory and a binary, and not another way to drive one.
    pub fn is_executor(self) -> bool {
        matches!(self, Self::Baseline | Self::Afield | Self::Reference)
    }

    /// Whether it is driven by afield's own client, in afield/1.
    pub fn is_own_dialect(self) -> bool {
        matches!(self, Self::BaselineClient | Self::Client)
    }

    /// Whether its executor is of the revision to compare with.
    pub fn is_baseline(self) -> bool {
        matches!(self, Self::Baseline | Self::BaselineClient)
    }

    /// By name.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|subject| subject.name() == name)
            .ok_or_else(|| format!("one of {} is wanted", Self::ALL.map(Self::name).join(", ")))
    }
}
