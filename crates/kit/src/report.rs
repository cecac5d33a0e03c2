use serde::Serialize;
use std::fmt::Write;

macro_rules! sections {
    ($($name:ident = $heading:literal,)+) => {
        /// A section of `docs/protocol.md`, named by its heading there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "each is the heading it names")]
        pub enum Section {
            $($name,)+
        }

        impl Section {
            /// Every section, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its heading, number included.
            pub fn heading(self) -> &'static str {
                match self {
                    $(Self::$name => $heading,)+
                }
            }
        }
    };
}

sections! {
    Messages = "1. Messages",
    Framing = "1.1 Framing",
    Upgrade = "1.2 Upgrade",
    Session = "2. Session",
    Offered = "2.1 What an executor offers",
    Base = "3. Base: `http/request`",
    Sent = "3.1 What is sent to the origin",
    Errors = "3.2 Errors",
    Beginning = "4.1 Beginning",
    Ids = "4.2 Ids",
    Bodies = "4.3 Bodies",
    Credit = "4.4 Credit and acknowledgement",
    Active = "4.5 What is active",
    Cancel = "4.6 Cancel",
    Resumption = "4.7 Resumption",
    Closing = "4.8 Closing",
    Malformed = "4.9 What is malformed, or out of turn",
    HttpAsItIs = "4.10 HTTP as it is",
    Limits = "5. Limits",
}

impl Section {
    /// Its number: `4.7`.
    pub fn number(self) -> &'static str {
        self.heading().split(' ').next().unwrap_or_default().trim_end_matches('.')
    }

    /// The section of this number.
    pub fn of_number(number: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|section| section.number() == number)
    }
}

/// What became of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The executor does what the section says.
    Kept,
    /// It does something else. Says what came, with what it was told in quotes of Rust's.
    Failed(String),
    /// It does not offer what is checked. Says what is lacking.
    NotOffered(String),
}

/// One check and what became of it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Where the page says so.
    pub section: Section,
    /// A stable name, for scripts: `resumption/every-boundary`.
    pub name: &'static str,
    /// What was to be seen.
    pub claim: &'static str,
    /// What was seen.
    pub verdict: Verdict,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order of the page.
    pub findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Told<'a> {
    kept: bool,
    counts: Counts,
    sections: Vec<ToldSection<'a>>,
}

#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    kept: usize,
    failed: usize,
    not_offered: usize,
}

#[derive(Serialize)]
struct ToldSection<'a> {
    section: &'static str,
    heading: &'static str,
    counts: Counts,
    checks: Vec<ToldCheck<'a>>,
}

#[derive(Serialize)]
struct ToldCheck<'a> {
    name: &'a str,
    claim: &'a str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

impl Report {
    /// Whether no check failed.
    pub fn is_kept(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Failed(_)))
    }

    /// The sections with their findings, in the order of the page.
    fn sections(&self) -> impl Iterator<Item = (Section, Vec<&Finding>)> {
        Section::ALL.iter().map(|section| {
            (*section, self.findings.iter().filter(|finding| finding.section == *section).collect::<Vec<_>>())
        })
    }

    /// A line for each section, and one for each check that failed or is not offered. No control characters.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, findings) in self.sections().filter(|(_, findings)| !findings.is_empty()) {
            let counts = counts(findings.iter().copied());
            let word = match counts {
                Counts { failed: 1.., .. } => "FAILED",
                Counts { kept: 0, .. } => "not offered",
                _ => "kept",
            };
            let total = findings.len();
            let _ = writeln!(text, "{word:<12}{:<44}{} of {total}", section.heading(), counts.kept);
            if let Some(reason) = shared_reason(&findings) {
                let _ = writeln!(text, "  {}", clean(reason));
                continue;
            }
            for finding in findings {
                let (word, why) = match &finding.verdict {
                    Verdict::Kept => continue,
                    Verdict::Failed(why) => ("failed", why),
                    Verdict::NotOffered(why) => ("not offered", why),
                };
                let _ = writeln!(text, "  {word}: {} ({})", finding.claim, finding.name);
                let _ = writeln!(text, "    {}", clean(why));
            }
        }
        let Counts { kept, failed, not_offered } = counts(self.findings.iter());
        let _ = writeln!(text, "{kept} kept, {failed} failed, {not_offered} not offered");
        text
    }

    /// The same for programs: `{kept, counts, sections: [{section, heading, counts, checks: [{name, claim, verdict, why?}]}]}`,
    /// where `verdict` is `kept`, `failed` or `not_offered`.
    pub fn json(&self) -> serde_json::Value {
        let sections = self.sections().filter(|(_, findings)| !findings.is_empty());
        let told = Told {
            kept: self.is_kept(),
            counts: counts(self.findings.iter()),
            sections: sections
                .map(|(section, findings)| ToldSection {
                    section: section.number(),
                    heading: section.heading(),
                    counts: counts(findings.iter().copied()),
                    checks: findings.into_iter().map(told).collect(),
                })
                .collect(),
        };
        serde_json::to_value(told).unwrap_or_default()
    }
}

/// Why nothing of a section is offered, where that is one reason for all of it.
fn shared_reason<'a>(findings: &[&'a Finding]) -> Option<&'a str> {
    let mut reasons = findings.iter().map(|finding| match &finding.verdict {
        Verdict::NotOffered(why) => Some(why.as_str()),
        _ => None,
    });
    let first = reasons.next()??;
    reasons.all(|reason| reason == Some(first)).then_some(first)
}

fn told(finding: &Finding) -> ToldCheck<'_> {
    let (verdict, why) = match &finding.verdict {
        Verdict::Kept => ("kept", None),
        Verdict::Failed(why) => ("failed", Some(why.as_str())),
        Verdict::NotOffered(why) => ("not_offered", Some(why.as_str())),
    };
    ToldCheck { name: finding.name, claim: finding.claim, verdict, why }
}

fn counts<'a>(findings: impl Iterator<Item = &'a Finding>) -> Counts {
    findings.fold(Counts::default(), |mut counts, finding| {
        *match finding.verdict {
            Verdict::Kept => &mut counts.kept,
            Verdict::Failed(_) => &mut counts.failed,
            Verdict::NotOffered(_) => &mut counts.not_offered,
        } += 1;
        counts
    })
}

/// An executor's words may hold anything.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
