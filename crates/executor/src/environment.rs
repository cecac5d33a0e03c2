use afield_protocol::wire::{Capabilities, EnvironmentInfo, Shell, platform_os};
use std::path::Path;

/// What there is over here, as `initialize` and `environment/info` tell it.
pub(crate) fn environment() -> EnvironmentInfo {
    let path =
        std::env::var("SHELL").ok().filter(|path| path.starts_with('/')).unwrap_or_else(|| "/bin/sh".into());
    let name =
        Path::new(&path).file_name().map_or_else(|| "sh".into(), |name| name.to_string_lossy().into_owned());
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    EnvironmentInfo {
        shell: Shell { name, path },
        cwd: file_uri(&cwd),
        executor_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        platform_os: Some(platform_os().to_owned()),
        capabilities: Capabilities {
            http_header_env_vars: true,
            http_header_secrets: true,
            http_request_cancel: true,
            environment_config_read: true,
        },
    }
}

/// A `file:` URI (RFC 8089): whatever is not unreserved is percent-encoded, byte by byte.
fn file_uri(path: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a path with spaces and letters beyond ASCII is a valid URI.
    #[test]
    fn a_path_becomes_a_file_uri() {
        assert_eq!(file_uri(Path::new("/a b/\u{e9}~")), "file:///a%20b/%C3%A9~");
    }
}
