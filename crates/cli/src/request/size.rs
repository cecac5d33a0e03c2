use std::str::FromStr;

/// A number of bytes, written with or without one of the suffixes K, M, G (powers of 1,024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        afield_config::parse_size(text).map(Self).map_err(|why| format!("{text:?}: {why}"))
    }
}
