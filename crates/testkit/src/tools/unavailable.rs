use std::fmt;

/// Why a tool is not there.
#[derive(Clone, Debug)]
pub struct Unavailable(String);

impl Unavailable {
    /// With this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// Says that the calling test is skipped.
    ///
    /// # Panics
    ///
    /// When `AFIELD_REQUIRE_TOOLS` is set to anything but nothing or `0`.
    #[track_caller]
    pub fn skip(&self) {
        let required =
            std::env::var("AFIELD_REQUIRE_TOOLS").is_ok_and(|value| !matches!(&value[..], "" | "0"));
        assert!(!required, "a required tool is missing: {self}");
        println!("skipped: {self}");
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Unwraps the tool, or returns from the calling test after [`Unavailable::skip`].
#[macro_export]
macro_rules! require_or_skip {
    ($tool:expr) => {
        match $tool {
            Ok(tool) => tool,
            Err(unavailable) => {
                $crate::tools::Unavailable::skip(&unavailable);
                return;
            }
        }
    };
}
