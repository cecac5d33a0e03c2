//! The checks, one file for each section of the page or a part of it.

mod base;
mod beginning;
mod bodies;
mod closing;
mod credit;
mod features;
mod hold;
mod informational;
mod limits;
mod malformed;
mod messages;
mod offered;
mod resumption;
mod sent;
mod session;
mod trailers;
mod upgrade;
mod uploads;
mod waits;

use crate::{
    context::Context,
    report::{Finding, Section, Verdict},
};
use std::{fmt, pin::Pin};
use tokio::time::timeout;

/// Why a check stopped before its end.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// The executor does something else than the page says.
    Failed(String),
    /// It does not offer what is checked.
    NotOffered(String),
}

impl Stop {
    pub fn while_waiting_for(self, what: &str) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{what} was to come: {why}")),
            other => other,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) | Self::NotOffered(why) => f.write_str(why),
        }
    }
}

pub(crate) type Outcome = Result<(), Stop>;
type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// One thing that an executor has to do.
pub(crate) struct Check {
    pub section: Section,
    pub name: &'static str,
    pub claim: &'static str,
    pub run: for<'a> fn(&'a Context) -> Running<'a>,
}

/// A check: its section, its name, what is to be seen, and the function that looks.
macro_rules! check {
    ($section:ident, $name:literal, $claim:literal, $run:path) => {
        $crate::checks::Check {
            section: $crate::report::Section::$section,
            name: $name,
            claim: $claim,
            run: |context| Box::pin($run(context)),
        }
    };
}
pub(crate) use check;

impl Check {
    pub async fn run(&self, context: &Context) -> Finding {
        // A check waits for few answers; more than this is one that waits for ever.
        let outcome = timeout(context.patience * 10 + context.longest_wait, (self.run)(context)).await;
        let verdict = match outcome {
            Ok(Ok(())) => Verdict::Kept,
            Ok(Err(Stop::Failed(why))) => Verdict::Failed(why),
            Ok(Err(Stop::NotOffered(why))) => Verdict::NotOffered(why),
            Err(_) => Verdict::Failed("the check did not come to an end".to_owned()),
        };
        Finding { section: self.section, name: self.name, claim: self.claim, verdict }
    }
}

/// The checks of what only time brings.
pub(crate) fn slow() -> &'static [Check] {
    waits::CHECKS
}

/// Every other check, in the order of the page.
pub(crate) fn all() -> Vec<&'static Check> {
    let all = [
        messages::CHECKS,
        upgrade::CHECKS,
        session::CHECKS,
        offered::CHECKS,
        base::CHECKS,
        sent::CHECKS,
        beginning::CHECKS,
        bodies::CHECKS,
        uploads::CHECKS,
        credit::CHECKS,
        resumption::CHECKS,
        closing::CHECKS,
        malformed::CHECKS,
        features::CHECKS,
        trailers::CHECKS,
        informational::CHECKS,
        hold::CHECKS,
        limits::CHECKS,
    ];
    let mut all: Vec<&Check> = all.into_iter().flatten().collect();
    all.sort_by_key(|check| check.section);
    all
}
