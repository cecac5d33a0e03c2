use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// The longest string id in bytes.
const LONGEST: usize = 1024;

/// A JSON-RPC id: a string of at most 1024 bytes, or an integer of 64 bits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum RpcId {
    /// An integer.
    Integer(i64),
    /// A string.
    String(Box<str>),
}

impl RpcId {
    /// The id of an answer to something that had no usable id. (JSON-RPC says null; reference clients cannot parse it.)
    pub const NONE: Self = Self::Integer(-1);
}

impl fmt::Debug for RpcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(id) => write!(f, "{id}"),
            Self::String(id) => write!(f, "{id:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for RpcId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = RpcId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an integer of 64 bits")
            }

            fn visit_i64<E>(self, id: i64) -> Result<RpcId, E> {
                Ok(RpcId::Integer(id))
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<RpcId, E> {
                i64::try_from(id).map(RpcId::Integer).map_err(|_| E::custom("id is too large"))
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<RpcId, E> {
                if id.len() > LONGEST {
                    return Err(E::custom("id is too long"));
                }
                Ok(RpcId::String(id.into()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
