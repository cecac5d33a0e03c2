use crate::{
    Problem,
    syntax::{Source, Span},
};
use std::cell::RefCell;

/// Reads one source, and keeps everything that is wrong with it.
pub(crate) struct Reader<'a> {
    pub source: &'a Source,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Source) -> Self {
        Self { source, problems: RefCell::default() }
    }

    /// A problem at `span`.
    pub fn problem(
        &self,
        span: &Span,
        key: &str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Problem {
        Problem::new(self.source.place(span.start), key, what, fix)
    }

    /// Notes that something is wrong.
    pub fn refuse(&self, span: &Span, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.problems.borrow_mut().push(self.problem(span, key, what, fix));
    }

    /// Notes a problem.
    pub fn note(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub fn found_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Everything that was found.
    pub fn finish(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}
