//! Texts of a peer, as fields of a log may show them: bounded, and in one line.

/// Returns the host of a URL for a log: without scheme, userinfo, port, path and query. Works on any text, valid URL or
/// not; a text without a host yields an empty string.
pub fn logged_host(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => host,
    };
    bounded(host, 255)
}

/// Returns a method for a log.
pub fn logged_method(method: &str) -> String {
    bounded(method, 32)
}

fn bounded(text: &str, most: usize) -> String {
    text.chars().take(most).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a log shows the host of a URL, and nothing of it that may be secret or break the line (case 118).
    #[test]
    fn logged_host_shows_host_alone() {
        for (url, shown) in [
            ("https://host/path", "host"),
            ("http://u:canary@host:8/canary?canary#canary", "host"),
            ("http://host?canary@x", "host"),
            ("http://u@canary@host", "host"),
            ("http://[::1]:80/", "[::1]"),
            ("http://[::1]", "[::1]"),
            ("http://a\nb/", "a\\nb"),
            ("canary", ""),
            ("", ""),
        ] {
            assert_eq!(logged_host(url), shown, "{url}");
        }
        assert_eq!(logged_host(&format!("http://{}/", "a".repeat(1000))).len(), 255);
        assert_eq!(logged_method("GET\r\nx"), "GET\\r\\nx");
    }
}
