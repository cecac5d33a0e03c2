/// A URL as it may appear in logs and errors: without userinfo, query and fragment. Works on any text, valid URL or
/// not; what cannot be recognised is cut rather than shown.
pub fn redacted_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let shown = &url[..end];
    let Some((scheme, rest)) = shown.split_once("://") else {
        return if shown.contains('@') { "<url>".to_owned() } else { shown.escape_debug().collect() };
    };
    // Everything up to the last `@` before the path is userinfo; a backslash may end the authority too (WHATWG URL).
    let authority_end = rest.find(['/', '\\']).unwrap_or(rest.len());
    let host_start = rest[..authority_end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host_start..]).escape_debug().collect()
}

#[cfg(test)]
mod tests {
    use super::redacted_url;

    /// Proves that what may hold a secret in a URL is cut, and the rest kept.
    #[test]
    fn userinfo_query_and_fragment_are_cut() {
        for (url, shown) in [
            ("https://host/path", "https://host/path"),
            ("https://u:p@host:8/path?q=1", "https://host:8/path"),
            ("https://a@b@host#f", "https://host"),
            ("https://host/a@b", "https://host/a@b"),
            ("https://u:p@host\\@other/", "https://host\\\\@other/"),
            ("mailto:me@host", "<url>"),
            ("not a url", "not a url"),
            ("", ""),
        ] {
            assert_eq!(redacted_url(url), shown, "{url}");
        }
    }
}
