use std::fmt;

macro_rules! exit_codes {
    ($($(#[doc = $meaning:literal])+ $name:ident = $code:literal,)+) => {
        /// What the `afield` command's exit status means.
        ///
        /// Where curl has a code for the same outcome it is curl's, so that scripts written for curl go on working.
        /// Codes from 100 on are afield's own; 128 and above mean that a signal ended the command, as shells count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum ExitCode {
            $($(#[doc = $meaning])+ $name = $code,)+
        }

        impl ExitCode {
            /// Every code, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_ascii(),)+
                }
            }

            /// Its name in the table of exit codes.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

exit_codes! {
    /// The command did what was asked. An HTTP error status is no failure, unless `--fail` or `--fail-with-body` is given.
    Success = 0,
    /// The URL's scheme is neither http nor https.
    UnsupportedScheme = 1,
    /// The command line is wrong; nothing was sent.
    Usage = 2,
    /// The URL is malformed.
    BadUrl = 3,
    /// The host's name could not be resolved.
    Dns = 6,
    /// No connection to the origin could be made.
    Connect = 7,
    /// The origin's answer is not HTTP.
    WeirdReply = 8,
    /// The response body ended early.
    PartialBody = 18,
    /// The origin answered with a status of 400 or more, and `--fail` or `--fail-with-body` was given.
    HttpError = 22,
    /// The output could not be written: a closed pipe, a full disk, binary data for a terminal.
    Write = 23,
    /// A file or standard input could not be read.
    Read = 26,
    /// A deadline passed.
    Timeout = 28,
    /// The origin does not go on where `--continue-at` asks for.
    Range = 33,
    /// The TLS handshake failed.
    TlsHandshake = 35,
    /// The request is malformed (its method or a header); nothing was sent.
    BadRequest = 43,
    /// More than 10 redirects.
    TooManyRedirects = 47,
    /// The origin closed the connection without an answer.
    EmptyReply = 52,
    /// The request could not be sent whole.
    Send = 55,
    /// The answer could not be received.
    Receive = 56,
    /// The origin's certificate could not be trusted.
    Certificate = 60,
    /// The response's content encoding is unknown or its data is damaged.
    BadEncoding = 61,
    /// Something is over a limit: the request, the response, or what it decodes to.
    TooLarge = 63,
    /// What `afield serve` or `afield gateway` was told makes no sense or is refused, such as an address that others can reach (`EX_USAGE`).
    ServeUsage = 64,
    /// A redirect asks for the request body once more, and it cannot be read again: it came from a pipe.
    Rewind = 65,
    /// `afield serve` or `afield gateway` could not start: its address is taken, or may not be used.
    ServeUnavailable = 69,
    /// `afield serve --listen stdio` or `afield stdio` owed answers when its input ended, and they could not be written whole (`EX_IOERR`).
    ServeCut = 74,
    /// The configuration says something wrong (`EX_CONFIG`).
    Config = 78,
    /// The operator's policy forbids the destination; nothing was sent there.
    PolicyDenied = 101,
    /// Too many requests are active; nothing was sent.
    Overloaded = 102,
    /// The session with the executor was lost, and with it the answer.
    SessionLost = 103,
    /// The executor could not be reached.
    ExecutorUnreachable = 104,
    /// The executor did not accept the token.
    Unauthorized = 105,
    /// The request was cancelled by somebody else.
    Cancelled = 106,
    /// The login at an MCP server failed, or a new one is needed.
    LoginFailed = 107,
    /// The MCP tool was executed and says that it failed.
    ToolFailed = 108,
    /// An MCP server could not be used, or refused the call.
    McpFailed = 109,
    /// The executor does not keep the protocol (`afield protocol-check`).
    ProtocolBroken = 110,
    /// `afield mcp logout` removed the tokens here, and the authorization server could not be told to take them back.
    NotRevoked = 111,
    /// A defect in afield or in the executor. Please report it.
    Internal = 120,
    /// Interrupted by Ctrl-C (SIGINT); the request was cancelled through to the origin.
    Interrupted = 130,
    /// Ended by SIGTERM; the request was cancelled through to the origin.
    Terminated = 143,
}

impl ExitCode {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// All codes as the table in `docs/exit-codes.md`.
    pub fn table() -> String {
        use fmt::Write;
        let mut table = String::from("| code | name | meaning |\n|---|---|---|\n");
        for code in Self::ALL {
            let _ = writeln!(table, "| {} | `{}` | {} |", code.code(), code.name(), code.meaning());
        }
        table
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the published table is the one the command follows.
    #[test]
    fn the_documented_table_is_this_table() {
        let documented = include_str!("../../../docs/exit-codes.md");
        assert!(
            documented.contains(&ExitCode::table()),
            "docs/exit-codes.md should hold this table:\n\n{}",
            ExitCode::table()
        );
    }

    /// Proves that codes are unique and listed in order.
    #[test]
    fn codes_ascend() {
        assert!(ExitCode::ALL.is_sorted_by(|a, b| a.code() < b.code()));
    }
}
