use super::{
    access::AccessFlags,
    cannot_start,
    names::Names,
    owned,
    places::Places,
    plan::{admin, listen},
};
use crate::failure::Failure;
use afield_config::{Place, Problem, Serving};
use afield_egress::{CaPolicy, Egress, EgressConfig};
use afield_executor::Config;
use std::path::Path;

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
    let would_not_start = |failure: Failure| {
        whole(
            format!("`afield serve` would not start: {}", failure.message),
            &failure.hint.unwrap_or_default(),
        )
    };
    if let Some(typed) = &said.serve.listen
        && let Err(failure) = listen(Some(typed), access.wants_tls())
    {
        let what = format!("`afield serve` would not start: {}", failure.message);
        errors.push(typed.problem(what, failure.hint.unwrap_or_default()));
    }
    let (failures, worth_a_word) = access.check();
    let lets_in = failures.is_empty();
    errors.extend(failures.into_iter().map(would_not_start));
    warnings.extend(worth_a_word.into_iter().map(|what| whole(what, "")));
    match owned::check(Path::new(file)) {
        Ok(warning) => warnings.extend(warning.map(|what| whole(what, ""))),
        Err(why) => errors.push(whole(why, "")),
    }
    // What others can reach has to let in not just anybody: asked only where all that it hangs on can be read.
    if lets_in
        && let Ok(listen) = listen(said.serve.listen.as_ref().map(|text| text.as_str()), access.wants_tls())
    {
        let mut config = Config { listen, ..Config::default() };
        match admin(said.serve.admin.as_ref().map(|text| text.as_str())) {
            Ok(admin) => config.admin = admin,
            Err(failure) => errors.push(would_not_start(failure)),
        }
        let exposed = access
            .apply(&mut config)
            .and_then(|_| config.check_exposure().map_err(|error| cannot_start(&error)));
        errors.extend(exposed.err().map(would_not_start));
    }
    if let Some(path) =
        said.audit.path.as_ref().and_then(|path| path.parent()).filter(|path| !path.as_os_str().is_empty())
        && !path.is_dir()
    {
        errors.push(whole(
            format!("`afield serve` would not start: the audit's folder {} is not there", path.display()),
            "make it",
        ));
    }
    if let Some(ca) = said.serve.ca.clone() {
        let config = EgressConfig { ca: CaPolicy::File(ca), ..EgressConfig::default() };
        errors.extend(Egress::new(config).err().map(|error| whole(error.to_string(), "")));
    }
    (errors, warnings)
}
