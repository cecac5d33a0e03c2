//! Reads texts as files.

use afield_config::{Config, Problems, Variables};
use std::path::Path;

/// A user with a home folder and nothing else.
pub fn variables() -> Variables {
    Variables::of([("HOME", "/h/me")])
}

/// What `text` means as the file `/c/config.toml`.
pub fn read(text: &str) -> Result<Config, Problems> {
    Config::of_text(Path::new("/c/config.toml"), text, &variables())
}

/// Everything that is wrong with `text`, a line for each.
pub fn wrong(text: &str) -> String {
    read(text).expect_err("something is wrong with it").to_string()
}
