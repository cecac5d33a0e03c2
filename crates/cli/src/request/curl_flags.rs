//! curl's flags, each with what becomes of it here: the one table that refusals, the help and docs/request.md go by.

use Verdict::{Different, Refused, Same};

/// What becomes of a flag of curl's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does what it does in curl.
    Same,
    /// It is taken; what differs, and why.
    Different(&'static str),
    /// It is not taken; what to use instead, or why not.
    Refused(&'static str),
}

/// A flag, in all of its spellings, or several that share one verdict.
pub(crate) struct CurlFlag {
    pub names: &'static [&'static str],
    pub verdict: Verdict,
}

const fn flag(names: &'static [&'static str], verdict: Verdict) -> CurlFlag {
    CurlFlag { names, verdict }
}

const ENCODED: &str =
    "what a URL cannot have, such as a space, is percent-encoded; curl sends it as it is or ends with 3";
const DIALLED: &str = "where a name leads is decided where the request leaves from, under the operator's policy; for a name of \
    your own write http://ADDRESS/ with -H 'Host: NAME'";
const UPSTREAM: &str = "a proxy is the operator's to choose where the request leaves from: `proxy` in one of [[upstreams]] of an \
    executor's configuration; --executor-proxy is the one on the way to the executor";
const CERTIFICATE: &str = "an executor shows a certificate that its configuration names: `client_certificate` and `client_key` in \
    one of [[upstreams]]; towards the executor itself --executor-certificate and --executor-key";
const TLS: &str = "TLS 1.2 and 1.3 are spoken, with safe ciphers, and nothing else can be chosen";
const SCHEMES: &str = "leave it out: it is for protocols other than HTTP";
const CREDENTIALS: &str =
    "write -u USER:PASSWORD (Basic), --oauth2-bearer TOKEN, or a header file with -H @FILE";
const NO_NEED: &str = "leave it out: it changes nothing that could be seen here";
const TRACE: &str = "-v tells what happens without secrets; -D FILE saves the head";
const STORES: &str = "leave it out: nothing is remembered from one command to the next";

/// All of them. The first name is the one that help and messages begin with.
pub(crate) const CURL: &[CurlFlag] = &[
    flag(&["-A", "--user-agent"], Same),
    flag(&["-b", "--cookie"], Different("takes `name=value` only; a file of cookies is refused")),
    flag(&["--basic"], Same),
    flag(
        &["--cacert"],
        Different(
            "also --ca; with an executor it is for the executor's certificate, origins are its operator's",
        ),
    ),
    flag(&["--compressed"], Different("at most two encodings, and bounded: --max-decoded")),
    flag(
        &["--connect-timeout"],
        Different("with an executor also for reaching that, each connection by itself"),
    ),
    flag(&["-C", "--continue-at"], Different("downloads only")),
    flag(&["--create-dirs"], Same),
    flag(&["-d", "--data", "--data-ascii"], Same),
    flag(&["--data-binary"], Different("a large file or pipe is streamed, not read into memory")),
    flag(&["--data-raw"], Same),
    flag(&["--data-urlencode"], Same),
    flag(&["-q", "--disable"], Different("changes nothing: no .curlrc is ever read")),
    flag(&["-D", "--dump-header"], Different("names of fields in lower case")),
    flag(&["--etag-compare"], Same),
    flag(&["--etag-save"], Same),
    flag(&["-f", "--fail"], Same),
    flag(&["--fail-early"], Same),
    flag(&["--fail-with-body"], Same),
    flag(
        &["-F", "--form"],
        Different("no parts within parts, no `headers=`, no `encoder=`, no other `Content-Type`"),
    ),
    flag(&["--form-string"], Same),
    flag(&["-G", "--get"], Different(ENCODED)),
    flag(&["-g", "--globoff"], Same),
    flag(&["-I", "--head"], Different("names of fields in lower case")),
    flag(
        &["-H", "--header"],
        Different(
            "framing (`Content-Length`, `Transfer-Encoding`, `Connection`) is not the caller's; in a file, a line that begins with `#` \
             is a comment, also one with a colon, and one that is no field is refused",
        ),
    ),
    flag(&["-h", "--help"], Different("lists afield's flags")),
    flag(&["--http1.1"], Same),
    flag(&["--http2"], Different("without TLS it asks for nothing: no upgrade from HTTP/1.1")),
    flag(&["--http2-prior-knowledge"], Same),
    flag(
        &["-i", "--include", "--show-headers"],
        Different("names of fields in lower case; with -L the last head only"),
    ),
    flag(&["--json"], Same),
    flag(&["-K", "--config"], Same),
    flag(
        &["-L", "--location"],
        Different(
            "at most 10, credentials and `Referer` stay with their origin, nothing goes from https to http",
        ),
    ),
    flag(&["--location-trusted"], Same),
    flag(&["--max-filesize"], Same),
    flag(&["--max-redirs"], Same),
    flag(&["-m", "--max-time"], Same),
    flag(&["--next", "-:"], Different("--executor, and how it is reached, hold for the whole command")),
    flag(&["--no-buffer", "-N"], Different("changes nothing: output is never held back")),
    flag(&["--no-clobber"], Same),
    flag(&["--no-progress-meter"], Same),
    flag(&["--oauth2-bearer"], Same),
    flag(&["-o", "--output"], Same),
    flag(&["--output-dir"], Same),
    flag(&["--post301"], Same),
    flag(&["--post302"], Same),
    flag(&["--post303"], Same),
    flag(&["-#", "--progress-bar"], Different("changes nothing: progress is always a bar")),
    flag(&["--proto"], Different("http and https are all there is")),
    flag(&["--proto-redir"], Different("http and https are all there is")),
    flag(&["--proto-default"], Same),
    flag(&["-r", "--range"], Different("downloads only; stays with its origin")),
    flag(&["-e", "--referer"], Different("stays with its origin")),
    flag(&["-J", "--remote-header-name"], Same),
    flag(&["-O", "--remote-name"], Same),
    flag(&["--remote-name-all"], Same),
    flag(&["-R", "--remote-time"], Same),
    flag(&["--remove-on-error"], Same),
    flag(
        &["-X", "--request"],
        Different("a 303, and a 301 or 302 after POST, is followed with GET all the same"),
    ),
    flag(&["--retry"], Same),
    flag(&["--retry-all-errors"], Same),
    flag(&["--retry-connrefused"], Same),
    flag(&["--retry-delay"], Same),
    flag(&["--retry-max-time"], Same),
    flag(&["-S", "--show-error"], Same),
    flag(&["-s", "--silent"], Same),
    flag(&["-1", "--tlsv1", "--tlsv1.0", "--tlsv1.1"], Different("TLS 1.2 at least, always")),
    flag(&["--tlsv1.2"], Same),
    flag(&["-T", "--upload-file"], Different("one for each --next")),
    flag(&["--url"], Same),
    flag(&["--url-query"], Different(ENCODED)),
    flag(&["-u", "--user"], Different("a password is never asked for")),
    flag(&["-v", "--verbose"], Different("a story of its own, without secrets")),
    flag(&["-V", "--version"], Different("afield's")),
    flag(
        &["-w", "--write-out"],
        Different("the variables of the table below; `%output{}` and `%{certs}` are none"),
    ),
    // Not taken.
    flag(
        &["-4", "--ipv4", "-6", "--ipv6"],
        Refused(
            "names are resolved where the request leaves from, to whichever address answers first; write the address itself: http://[::1]/ or http://127.0.0.1/ with -H 'Host: NAME'",
        ),
    ),
    flag(
        &["-k", "--insecure", "--doh-insecure", "--proxy-insecure"],
        Refused(
            "certificate checks cannot be turned off: --ca FILE trusts another authority, and `ca` in an executor's configuration",
        ),
    ),
    flag(&["-n", "--netrc", "--netrc-file", "--netrc-optional"], Refused(CREDENTIALS)),
    flag(
        &[
            "--digest",
            "--ntlm",
            "--ntlm-wb",
            "--negotiate",
            "--anyauth",
            "--delegation",
            "--krb",
            "--service-name",
            "--sasl-authzid",
            "--sasl-ir",
            "--login-options",
        ],
        Refused(CREDENTIALS),
    ),
    flag(
        &["--aws-sigv4"],
        Refused(
            "sign beforehand and give the fields with -H @FILE: the executor's operator may also attach them to what goes to one place",
        ),
    ),
    flag(
        &[
            "-x",
            "--proxy",
            "--proxy1.0",
            "--preproxy",
            "--noproxy",
            "--socks4",
            "--socks4a",
            "--socks5",
            "--socks5-hostname",
            "--socks5-basic",
            "--socks5-gssapi",
            "--socks5-gssapi-nec",
            "--socks5-gssapi-service",
            "-p",
            "--proxytunnel",
            "-U",
            "--proxy-user",
            "--proxy-header",
            "--proxy-anyauth",
            "--proxy-basic",
            "--proxy-digest",
            "--proxy-ntlm",
            "--proxy-negotiate",
            "--proxy-cacert",
            "--proxy-capath",
            "--proxy-cert",
            "--proxy-cert-type",
            "--proxy-ciphers",
            "--proxy-crlfile",
            "--proxy-key",
            "--proxy-key-type",
            "--proxy-pass",
            "--proxy-pinnedpubkey",
            "--proxy-service-name",
            "--proxy-ssl-allow-beast",
            "--proxy-ssl-auto-client-cert",
            "--proxy-tls13-ciphers",
            "--proxy-tlsauthtype",
            "--proxy-tlspassword",
            "--proxy-tlsuser",
            "--proxy-tlsv1",
            "--haproxy-protocol",
            "--haproxy-clientip",
            "--suppress-connect-headers",
        ],
        Refused(UPSTREAM),
    ),
    flag(
        &[
            "--resolve",
            "--connect-to",
            "--interface",
            "--local-port",
            "--unix-socket",
            "--abstract-unix-socket",
            "--dns-interface",
            "--dns-ipv4-addr",
            "--dns-ipv6-addr",
            "--dns-servers",
            "--doh-url",
            "--doh-cert-status",
            "--happy-eyeballs-timeout-ms",
        ],
        Refused(DIALLED),
    ),
    flag(&["-E", "--cert", "--cert-type", "--key", "--key-type", "--pass", "--engine"], Refused(CERTIFICATE)),
    flag(
        &["--pinnedpubkey"],
        Refused(
            "--executor-pin pins the executor; an origin's certificate is checked by authorities: --ca FILE",
        ),
    ),
    flag(
        &["--capath", "--crlfile", "--cert-status"],
        Refused("--ca FILE names the authorities, all in one file (PEM)"),
    ),
    flag(
        &[
            "--tls-max",
            "--tlsv1.3",
            "--tls13-ciphers",
            "--ciphers",
            "--curves",
            "-2",
            "--sslv2",
            "-3",
            "--sslv3",
            "--ssl",
            "--ssl-reqd",
            "--ssl-allow-beast",
            "--ssl-auto-client-cert",
            "--ssl-no-revoke",
            "--ssl-revoke-best-effort",
            "--tlsauthtype",
            "--tlspassword",
            "--tlsuser",
            "--no-alpn",
            "--no-npn",
            "--no-sessionid",
            "--false-start",
            "--egd-file",
            "--random-file",
        ],
        Refused(TLS),
    ),
    flag(
        &["-0", "--http1.0", "--http0.9", "--http3", "--http3-only"],
        Refused("--http1.1, --http2 and --http2-prior-knowledge choose among the versions that are spoken"),
    ),
    flag(
        &["-c", "--cookie-jar", "-j", "--junk-session-cookies"],
        Refused("there is no store of cookies: -D FILE saves `Set-Cookie`, -b 'NAME=VALUE' sends one"),
    ),
    flag(&["--alt-svc", "--hsts"], Refused(STORES)),
    flag(
        &["--limit-rate", "--rate", "-Y", "--speed-limit", "-y", "--speed-time"],
        Refused("--max-time bounds the whole, --idle-timeout a silence; the pace is the network's"),
    ),
    flag(
        &["-z", "--time-cond"],
        Refused(
            "write -H 'If-Modified-Since: DATE' or -H 'If-Unmodified-Since: DATE', with `date -uR` for the date; --etag-compare does it by ETag",
        ),
    ),
    flag(
        &["--path-as-is", "--request-target"],
        Refused(
            "the target is made from the URL where the request leaves from, and judged in its normal form: write `..` and others out",
        ),
    ),
    flag(
        &["--raw", "--tr-encoding", "--ignore-content-length", "--crlf"],
        Refused(
            "framing is undone where the request leaves from; a body's own encoding is kept unless --compressed says otherwise",
        ),
    ),
    flag(
        &["--trace", "--trace-ascii", "--trace-time", "--trace-ids", "--trace-config", "--libcurl"],
        Refused(TRACE),
    ),
    flag(&["--stderr"], Refused("the shell does it: 2>FILE, or 2>&1")),
    flag(
        &["-Z", "--parallel", "--parallel-immediate", "--parallel-max"],
        Refused(
            "requests are sent one after the other; the shell runs several at once: `xargs -P 4 -n 1 afield request`",
        ),
    ),
    flag(&["--expect100-timeout"], Refused("-H 'Expect: 100-continue' holds the body back for 1 s at most")),
    flag(
        &["--disallow-username-in-url"],
        Refused("write the URL without a name; -u USER:PASSWORD says who you are"),
    ),
    flag(&["--create-file-mode"], Refused("`umask` says it, and `chmod` afterwards")),
    flag(&["--form-escape"], Refused("names in a form are percent-encoded, as in browsers")),
    flag(
        &[
            "--styled-output",
            "--xattr",
            "--metalink",
            "-M",
            "--manual",
            "-B",
            "--use-ascii",
            "--tcp-fastopen",
            "--tcp-nodelay",
            "--keepalive-time",
            "--no-keepalive",
            "--compressed-ssh",
        ],
        Refused(NO_NEED),
    ),
    flag(
        &[
            "-a",
            "--append",
            "--disable-eprt",
            "--disable-epsv",
            "--ftp-account",
            "--ftp-alternative-to-user",
            "--ftp-create-dirs",
            "--ftp-method",
            "--ftp-pasv",
            "-P",
            "--ftp-port",
            "--ftp-pret",
            "--ftp-skip-pasv-ip",
            "--ftp-ssl-ccc",
            "--ftp-ssl-ccc-mode",
            "--ftp-ssl-control",
            "--hostpubmd5",
            "--hostpubsha256",
            "-l",
            "--list-only",
            "--mail-auth",
            "--mail-from",
            "--mail-rcpt",
            "--mail-rcpt-allowfails",
            "--pubkey",
            "-Q",
            "--quote",
            "-t",
            "--telnet-option",
            "--tftp-blksize",
            "--tftp-no-options",
        ],
        Refused(SCHEMES),
    ),
];

/// What becomes of the flag of this name, if it is one of curl's.
pub(crate) fn of(name: &str) -> Option<&'static CurlFlag> {
    CURL.iter().find(|flag| flag.names.contains(&name))
}

/// The table of docs/request.md.
#[cfg(test)]
fn table() -> String {
    use std::fmt::Write;
    let mut text =
        String::from("| curl's flag | here | what differs, or what to use instead |\n|---|---|---|\n");
    for flag in CURL {
        let names: Vec<String> = flag.names.iter().map(|name| format!("`{name}`")).collect();
        let (word, why) = match flag.verdict {
            Same => ("the same", ""),
            Different(why) => ("different", why),
            Refused(why) => ("refused", why),
        };
        let why = why.replace('|', "\\|");
        let _ = writeln!(text, "| {} | {word} | {why} |", names.join(", "));
    }
    text
}

/// The last lines of the help.
pub(crate) fn after_help() -> String {
    let count = |is: fn(&Verdict) -> bool| {
        CURL.iter().filter(|flag| is(&flag.verdict)).map(|flag| flag.names.len()).sum::<usize>()
    };
    let refused: Vec<&str> =
        ["--insecure", "--proxy", "--resolve", "--digest", "--cookie-jar", "--netrc", "--parallel"]
            .into_iter()
            .filter(|name| of(name).is_some_and(|flag| matches!(flag.verdict, Refused(_))))
            .collect();
    format!(
        "Exit codes are curl's where curl has one; `afield exit-codes` lists them.\n\
         {} spellings of curl's flags are refused on purpose, such as {}: each says what to use instead.",
        count(|verdict| matches!(verdict, Refused(_))),
        refused.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn own_names() -> Vec<String> {
        let mut command = crate::flags::Flags::command();
        command.build();
        let request = command.find_subcommand("request").expect("there is one");
        let mut names = vec!["-K".to_owned(), "--config".to_owned(), "--next".to_owned(), "-:".to_owned()];
        for argument in request.get_arguments() {
            names.extend(
                argument.get_short_and_visible_aliases().into_iter().flatten().map(|c| format!("-{c}")),
            );
            names.extend(
                argument.get_long_and_visible_aliases().into_iter().flatten().map(|l| format!("--{l}")),
            );
        }
        names
    }

    /// Proves that the table names each flag once, and that what it says is taken is taken, and nothing that is refused.
    #[test]
    fn table_of_curl_flags_is_what_the_command_takes() {
        let own = own_names();
        let mut seen = std::collections::HashSet::new();
        for flag in CURL {
            for name in flag.names {
                assert!(seen.insert(*name), "{name} stands twice");
                let refused = matches!(flag.verdict, Refused(_));
                assert_eq!(own.iter().any(|own| own == name), !refused, "{name}: {:?}", flag.verdict);
            }
        }
    }

    /// Proves that the published table is the one that the command goes by.
    #[test]
    fn table_in_the_documentation_is_this_table() {
        let documented = include_str!("../../../../docs/request.md");
        assert!(documented.contains(&table()), "docs/request.md should hold this table:\n\n{}", table());
    }

    /// Proves that every flag of the machine's curl is in the table.
    #[test]
    fn every_flag_of_the_machines_curl_is_in_the_table() {
        let Ok(output) = std::process::Command::new("curl").args(["--help", "all"]).output() else {
            assert!(std::env::var_os("AFIELD_REQUIRE_TOOLS").is_none(), "curl is required and is not there");
            eprintln!("skipped: there is no curl");
            return;
        };
        let help = String::from_utf8(output.stdout).unwrap();
        let names = help.lines().skip(1).flat_map(|line| line.split_whitespace().take(2));
        let missing: Vec<_> = names
            .map(|word| word.trim_end_matches(','))
            .filter(|word| word.starts_with('-') && word.len() > 1 && of(word).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
