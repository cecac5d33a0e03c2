use crate::console::note;
use crate::{
    config_flags::{ConfigFlags, not_changed},
    failure::Failure,
};
use afield_config::{Change, Variables, edit};
use clap::Args;

/// Which servers go, as typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Their names.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

pub(super) fn run(config: &ConfigFlags, flags: &Flags) -> Result<(), Failure> {
    let path = config.location()?.path;
    let changes: Vec<Change> = flags.names.iter().cloned().map(Change::RemoveServer).collect();
    edit(&path, &changes, &Variables::of_process()).map_err(|error| not_changed(&error))?;
    for name in &flags.names {
        note!("removed {name} from {}", path.display());
    }
    Ok(())
}
