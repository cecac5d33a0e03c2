use crate::ExitCode;
use afield_exchange::{Blame, Retry};
use std::borrow::Cow;

/// Why a command failed: its exit status, one line for a person, and what that person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub code: ExitCode,
    pub message: Cow<'static, str>,
    /// Who has to act, and whether trying again may execute the request twice. `None`: no request was involved.
    pub verdict: Option<(Blame, Retry)>,
    pub hint: Option<Cow<'static, str>>,
    /// What it consists of, where that is more than one thing: a line for each.
    pub details: Vec<String>,
}

impl Failure {
    pub fn new(code: ExitCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), verdict: None, hint: None, details: Vec::new() }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    /// What is printed: one line, one for each detail, and one more where there is something to be done.
    pub fn text(&self) -> String {
        let mut text = format!("afield: ({}) {}", self.code.code(), one_line(&self.message));
        if let Some((blame, retry)) = self.verdict {
            text.push_str(&format!(" [{}; {}]", blame_words(blame), retry_words(retry)));
        }
        text.push('\n');
        for detail in &self.details {
            text.push_str(&format!("  {}\n", one_line(detail)));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("  hint: {}\n", one_line(hint)));
        }
        text
    }
}

/// Text from elsewhere may hold ends of lines. (What else a terminal might act upon is the console's to clean.)
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

fn blame_words(blame: Blame) -> &'static str {
    match blame {
        Blame::Caller => "the request is at fault",
        Blame::Operator => "the executor's operator decides",
        Blame::Origin => "the origin is at fault",
        Blame::Network => "the network is at fault",
        Blame::Executor => "the executor is at fault",
    }
}

fn retry_words(retry: Retry) -> &'static str {
    match retry {
        Retry::Safe => "not executed, a retry is safe",
        Retry::Unknown => "may have been executed, a retry may repeat it",
        Retry::No => "a retry is pointless",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a failure says what, who and whether to retry, on one line.
    #[test]
    fn one_line_names_code_blame_and_retry() {
        let mut failure = Failure::new(ExitCode::Connect, "could not connect\r\nto h");
        failure.verdict = Some((Blame::Network, Retry::Safe));
        assert_eq!(
            failure.text(),
            "afield: (7) could not connect  to h [the network is at fault; not executed, a retry is safe]\n"
        );
    }
}
