//! The one place where it is decided whether `afield serve` would start as it is told to.

use super::{
    access::AccessFlags,
    cannot_start,
    flags::Flags,
    memory::Memory,
    names::Names,
    places::Places,
    plan::{admin, ca, limits, listen, preset},
};
use crate::{ExitCode, failure::Failure, faults::Faults, files::Used, logging};
use afield_config::Serving;
use afield_egress::{CaPolicy, Egress, EgressConfig};
use afield_exchange::Limits;
use afield_executor::{AdminListen, Config, Listen, StartError};
use std::{
    io,
    os::unix::net::SocketAddr,
    path::{Path, PathBuf},
};

/// What keeps an executor from starting as flags and a file say, and what is worth a word. Reads every file that is named, and
/// every variable; binds nothing and writes nothing. `memory` is how much the machine has, if that is not this one.
pub(crate) fn check(flags: &Flags, said: &Serving, file: Option<&Path>, memory: Option<u64>) -> Faults {
    let mut faults = Faults::default();
    faults.files(file.map(|file| Used::Decides(file.to_owned())));
    let preset = faults.or(preset(flags.policy.as_deref()), None);
    let access = flags.access.clone().or(&said.serve);
    match Places::of(said, &Names::new(access.kinds()), preset) {
        Ok(places) => {
            let fix = "requests that need it fail; perhaps it is there where `afield serve` runs";
            places.lacking().into_iter().for_each(|what| faults.warn(what, fix));
        }
        Err(problems) => faults.said(&problems),
    }
    faults.files(named(said));
    let principals = doors(flags, said, &access, &mut faults);
    let audit = flags.audit.check(&said.audit);
    faults.or(audit, ());
    let limits = faults.or(limits(flags, said), Limits::default());
    for (what, fix) in Memory::of(&limits, memory).problems() {
        faults.warn(format!("{what}; {fix}"), "");
    }
    let shares = limits.shares;
    if principals > shares {
        let what = format!(
            "{principals} principals have a token, and limits.shares = {shares} of them have a part that is kept back for them: \
             beside as many others, one may find nothing left"
        );
        faults.warn(format!("{what}; set limits.shares = {principals}"), "");
    }
    if let Some(filter) = &said.log {
        faults.or(logging::check(filter), ());
    }
    if let Some(file) = ca(flags, said) {
        faults.files([Used::Decides(file.clone())]);
        let egress = Egress::new(EgressConfig { ca: CaPolicy::File(file), ..EgressConfig::default() });
        faults.or(egress.map(drop).map_err(|error| cannot_start(&error.into())), ());
    }
    faults
}

/// Where it listens, and who is let in there. Returns how many principals are known by name.
fn doors(flags: &Flags, said: &Serving, access: &AccessFlags, faults: &mut Faults) -> usize {
    let typed = flags.listen.as_deref().filter(|typed| !typed.is_empty());
    let written = said.serve.listen.as_ref().filter(|_| typed.is_none());
    let listen = listen(typed.or(written.map(|text| text.as_str())), access.wants_tls());
    let at = written.map(|text| (text.place.clone(), text.key.clone()));
    let listen = listen.and_then(|listen| {
        if let Listen::Unix(path) = &listen {
            let no_room = |error| cannot_start(&StartError::BindUnix { path: path.clone(), error });
            room_for_socket(path).map_err(no_room)?;
        }
        Ok(listen)
    });
    let listen = listen.map_err(|failure| faults.refuse_at(failure, at)).ok();
    let admin = faults.or(admin(flags, said), None);
    if let Some(AdminListen::Unix(path)) = &admin
        && let Err(error) = room_for_socket(path)
    {
        let at = format!("unix:{}", path.display());
        faults.refuse(cannot_start(&StartError::Admin { at, why: error.to_string() }));
    }
    let before = faults.refused();
    access.check(faults);
    // What others can reach has to let in not just anybody: asked only where all that it hangs on can be read.
    if faults.refused() == before {
        let mut config = Config { listen: listen.unwrap_or(Listen::Stdio), admin, ..Config::default() };
        let exposed = access
            .clone()
            .apply(&mut config)
            .and_then(|_| config.check_exposure().map_err(|error| cannot_start(&error)));
        faults.or(exposed, ());
        return config.authentication.known_principals();
    }
    0
}

/// Whether a Unix socket can be made there, as far as that can be told without making one.
fn room_for_socket(path: &Path) -> io::Result<()> {
    SocketAddr::from_pathname(path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::metadata(folder).map(drop),
        None => Ok(()),
    }
}

/// The files that a configuration names, besides those on which it depends who is let in.
fn named(said: &Serving) -> Vec<Used> {
    let mut all: Vec<Used> =
        said.secrets.iter().filter_map(|held| Used::of_credential(Some(&held.source))).collect();
    for upstream in &said.upstreams {
        all.extend(Used::of_identity(upstream.identity.as_ref()));
        all.extend(upstream.ca.iter().map(|file: &PathBuf| Used::Decides(file.clone())));
        let password = upstream.proxy.as_ref().and_then(|proxy| proxy.credentials.as_ref());
        all.extend(Used::of_credential(password.map(|(_, password)| password)));
    }
    all
}

/// Whether the audit can be written to this file, as far as that can be told without making it.
pub(super) fn room_for_audit(path: &Path) -> Result<(), Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        let name = path.display();
        Err(Failure::new(ExitCode::Write, format!("cannot write the audit to {name}: {error}")))
    };
    match std::fs::OpenOptions::new().append(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => cannot(&error),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK) {
                Ok(()) => Ok(()),
                Err(error) => cannot(&io::Error::from(error)),
            }
        }
    }
}
