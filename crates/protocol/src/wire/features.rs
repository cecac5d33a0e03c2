use crate::json::few_or_null;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What both ends of a session in afield/1 have agreed on beyond the least: a client offers a list in `initialize`, the
/// executor answers with those of them that it knows. Names that are not known are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// A body may end with a TRAILERS message.
    pub trailers: bool,
    /// An upload may be held back until it is asked for.
    pub hold: bool,
}

impl Features {
    /// Everything that this end knows.
    pub const ALL: Self = Self { trailers: true, hold: true };

    /// Returns what both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { trailers: self.trailers && other.trailers, hold: self.hold && other.hold }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn named(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "trailers" => Some(&mut self.trailers),
            "hold" => Some(&mut self.hold),
            _ => None,
        }
    }
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = [(self.trailers, "trailers"), (self.hold, "hold")];
        serializer.collect_seq(all.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name))
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut features = Self::default();
        // Null is absent, as of every parameter that may be.
        for name in few_or_null::<String, _>(deserializer)?.into_iter().flatten() {
            if let Some(feature) = features.named(&name) {
                *feature = true;
            }
        }
        Ok(features)
    }
}
