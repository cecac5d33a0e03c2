use crate::{
    ExitCode,
    config_flags::unusable,
    failure::Failure,
    files::{self, Used},
};
use afield_config::{Place, Problem, Problems};

/// What keeps a command from starting, or from taking a changed configuration over, and what is worth a word.
///
/// One function finds them, whoever asks: `config check`, the start, and whatever reads a configuration again. They differ in
/// what they do with them.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    errors: Vec<Fault>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
enum Fault {
    /// What a file says is wrong by itself.
    Said(Problem),
    /// What flags, variables and files mean together is refused; and where it stands in a file, if at one place.
    Told(Failure, Option<(Place, String)>),
}

#[derive(Debug)]
struct Warning {
    what: String,
    /// For whoever checks a file, perhaps not where it is used.
    fix: &'static str,
}

impl Faults {
    /// What a file says is wrong.
    pub fn said(&mut self, problems: &Problems) {
        self.errors.extend(problems.iter().cloned().map(Fault::Said));
    }

    /// This is refused.
    pub fn refuse(&mut self, failure: Failure) {
        self.errors.push(Fault::Told(failure, None));
    }

    /// This is refused, and stands there.
    pub fn refuse_at(&mut self, failure: Failure, at: Option<(Place, String)>) {
        self.errors.push(Fault::Told(failure, at));
    }

    /// This is worth a word.
    pub fn warn(&mut self, what: impl Into<String>, fix: &'static str) {
        self.warnings.push(Warning { what: what.into(), fix });
    }

    /// How much is refused so far.
    pub fn refused(&self) -> usize {
        self.errors.len()
    }

    /// What `result` holds; otherwise `default`, and it is refused.
    pub fn or<T>(&mut self, result: Result<T, Failure>, default: T) -> T {
        result.unwrap_or_else(|failure| {
            self.refuse(failure);
            default
        })
    }

    /// Looks at files that the command goes by.
    pub fn files(&mut self, used: impl IntoIterator<Item = Used>) {
        for used in used {
            match files::check(&used) {
                Ok(warnings) => warnings.into_iter().for_each(|what| self.warn(what, "")),
                Err(why) => self.refuse(Failure::new(ExitCode::ServeUsage, why)),
            }
        }
    }

    /// What is worth a word, if nothing keeps the command from starting.
    ///
    /// # Errors
    ///
    /// Everything that does.
    pub fn at_start(self) -> Result<Vec<String>, Failure> {
        let warnings = self.warnings.into_iter().map(|warning| warning.what).collect();
        let mut problems = Vec::new();
        let mut failures = Vec::new();
        for error in self.errors {
            match error {
                Fault::Said(problem) => problems.push(problem),
                Fault::Told(failure, _) => failures.push(failure),
            }
        }
        match (Problems::of(problems), failures.len()) {
            (None, 0) => Ok(warnings),
            (Some(problems), 0) => Err(unusable(&problems)),
            (None, 1) => Err(failures.remove(0)),
            (problems, told) => {
                let said: Vec<String> =
                    problems.iter().flat_map(Problems::iter).map(Problem::to_string).collect();
                let what = format!("{} things keep it from starting", said.len() + told);
                let code = failures[0].code;
                Err(Failure::new(code, what).with_details(said.into_iter().chain(failures.iter().map(line))))
            }
        }
    }

    /// What is worth a word, if nothing keeps it from being taken over by what runs.
    ///
    /// # Errors
    ///
    /// Everything that does, on one line.
    pub fn at_reload(self) -> Result<Vec<String>, String> {
        if self.errors.is_empty() {
            return Ok(self.warnings.into_iter().map(|warning| warning.what).collect());
        }
        let all = self.errors.iter().map(|error| match error {
            Fault::Said(problem) => problem.to_string(),
            Fault::Told(failure, _) => line(failure),
        });
        Err(all.collect::<Vec<_>>().join("; "))
    }

    /// Errors and warnings, as whoever checks `file` is told, which is for `command`.
    pub fn at_check(self, command: &str, file: &str) -> (Vec<Problem>, Vec<Problem>) {
        let errors = self.errors.into_iter().map(|error| match error {
            Fault::Said(problem) => problem,
            Fault::Told(failure, at) => {
                let (place, key) = at.unwrap_or_else(|| (Place::whole(file), String::new()));
                let details: String = failure.details.iter().map(|detail| format!("; {detail}")).collect();
                let what = format!("`{command}` would not start: {}{details}", failure.message);
                Problem::new(place, key, what, failure.hint.unwrap_or_default())
            }
        });
        let warnings = self.warnings.into_iter();
        let warnings =
            warnings.map(|warning| Problem::new(Place::whole(file), "", warning.what, warning.fix));
        (errors.collect(), warnings.collect())
    }
}

fn line(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}; {hint}", failure.message),
        None => failure.message.to_string(),
    }
}
