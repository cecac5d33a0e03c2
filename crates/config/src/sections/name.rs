/// The environment that is this process, and so no name for an executor.
pub const LOCAL: &str = "local";

const LONGEST: usize = 64;

/// Checks the name of an executor or a server: up to 64 letters, digits, `-`, `_` and `.`, the first a letter or a digit.
/// A server's name is a part of its URL at the gateway.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name.len() > LONGEST {
        return Err("the name is longer than 64 characters");
    }
    if !name.bytes().all(allowed) {
        return Err("a name is made of the letters a to z, digits, `-`, `_` and `.`");
    }
    if !name.as_bytes()[0].is_ascii_alphanumeric() {
        return Err("a name starts with a letter or a digit");
    }
    Ok(())
}

fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Whether this can be the name of somebody who connects: one word of at most 256 characters.
pub(super) fn principal(name: &str) -> bool {
    !name.is_empty() && name.len() <= 256 && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The name nearest to `name` that is allowed.
pub(crate) fn sanitised(name: &str) -> String {
    let replaced: String =
        name.chars().map(|c| if c.is_ascii() && allowed(c as u8) { c } else { '-' }).collect();
    let trimmed = replaced.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let cut = trimmed[..trimmed.len().min(LONGEST)].trim_end_matches('-');
    if cut.is_empty() { "server".to_owned() } else { cut.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that any text at all yields an allowed name, and that an allowed name stays as it is.
    #[test]
    fn a_sanitised_name_is_allowed() {
        for name in ["docs", "My Server!", "com.example/mcp", "../..", "", "ü", "-", &"x".repeat(100)] {
            assert_eq!(check_name(&sanitised(name)), Ok(()), "{name}");
        }
        assert_eq!(sanitised("a.b-c_1"), "a.b-c_1");
        assert_eq!(sanitised("My Server!"), "My-Server");
    }
}
