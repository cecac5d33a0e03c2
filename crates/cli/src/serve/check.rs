use super::{access::AccessFlags, names::Names, places::Places, plan::listen};
use afield_config::{Place, Problem, Serving};
use afield_egress::{CaPolicy, Egress, EgressConfig};

/// What is wrong with what a file says to `afield serve`, and what is worth a word. Reads every file that it names, and
/// every variable.
pub(crate) fn check(said: &Serving, file: &str) -> (Vec<Problem>, Vec<Problem>) {
    let whole = |what: String, fix: &str| Problem::new(Place::whole(file), "", what, fix);
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let access = AccessFlags::default().or(&said.serve);
    match Places::of(said, &Names::new(access.kinds()), None) {
        Ok(places) => warnings.extend(places.lacking().into_iter().map(|what| {
            whole(what, "requests that need it fail; perhaps it is there where `afield serve` runs")
        })),
        Err(problems) => errors.extend(problems.iter().cloned()),
    }
    if let Some(typed) = &said.serve.listen
        && let Err(failure) = listen(Some(typed), access.wants_tls())
    {
        errors.push(typed.problem(failure.message, failure.hint.unwrap_or_default()));
    }
    errors.extend(access.failures().into_iter().map(|failure| {
        let hint = failure.hint.unwrap_or_default();
        whole(format!("`afield serve` would not start: {}", failure.message), &hint)
    }));
    if let Some(ca) = said.serve.ca.clone() {
        let config = EgressConfig { ca: CaPolicy::File(ca), ..EgressConfig::default() };
        errors.extend(Egress::new(config).err().map(|error| whole(error.to_string(), "")));
    }
    (errors, warnings)
}
