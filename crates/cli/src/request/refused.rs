use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Flags of curl that `afield request` does not take, with the reason.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["--max-redirs"],
        "The number of redirects is not settable: at most 10 are followed with -L, none without.",
    ),
    (
        &["--retry", "--retry-all-errors", "--retry-delay", "--retry-max-time", "--retry-connrefused"],
        "afield never sends a request twice by itself. Each error says whether a retry is safe; the exit code tells scripts.",
    ),
    (&["-k", "--insecure"], "Certificate checks cannot be turned off. --ca FILE trusts another authority."),
    (
        &["-x", "--proxy", "--socks5", "--socks5-hostname", "--preproxy", "--noproxy"],
        "A proxy is the operator's to choose, not the caller's.",
    ),
    (
        &["-F", "--form", "--form-string"],
        "Forms with parts are not built here. Send a prepared one with --data-binary @FILE and its Content-Type.",
    ),
    (&["-e", "--referer"], "Write -H 'Referer: …'."),
    (
        &["-c", "--cookie-jar", "--junk-session-cookies"],
        "There is no cookie store: one request, no memory. -b sends cookies.",
    ),
    (
        &["--resolve", "--connect-to", "--interface", "--unix-socket", "--dns-servers"],
        "Where a name leads is decided where the request leaves from, under the operator's policy.",
    ),
    (&["-C", "--continue-at"], "Write -H 'Range: bytes=N-'."),
    (&["-r", "--range"], "Write -H 'Range: bytes=FIRST-LAST'."),
    (
        &["--http0.9", "--http1.0", "--http1.1", "--http2", "--http2-prior-knowledge", "--http3"],
        "The HTTP version is agreed between the executor and the origin.",
    ),
    (&["-E", "--cert", "--key", "--pass"], "Client certificates are not supported."),
    (&["-K", "--config"], "There is no configuration file; use the environment variables that --help names."),
    (
        &["--digest", "--ntlm", "--negotiate", "--anyauth"],
        "Only Basic (-u) and Bearer (--oauth2-bearer) authorization.",
    ),
    (&["-Z", "--parallel", "--next", "-:"], "One command sends one request."),
];

/// Why the flag that `error` complains about is not taken, where it is one of curl's.
pub(crate) fn why_refused(error: &clap::Error) -> Option<&'static str> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let name = argument.split('=').next().unwrap_or(argument);
    REFUSED.iter().find(|(names, _)| names.contains(&name)).map(|(_, why)| *why)
}
