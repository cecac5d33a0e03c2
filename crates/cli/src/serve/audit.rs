use super::check::room_for_audit;
use crate::{ExitCode, console, failure::Failure, request::Size};
use afield_config as file;
use afield_config::AuditSink;
use afield_executor::{Audit, AuditLog, FileSink, NoAudit, TracingAudit};
use clap::Args;
use std::{path::PathBuf, sync::Arc};

/// What is noted, and where, as typed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Audit")]
pub(crate) struct AuditFlags {
    /// Where each connection, request and reload is noted: `stderr`, `file` or `journald`, a line of JSON each; `log`
    /// (default): connections and reloads in the log, requests not at all; or `off`.
    #[arg(long, env = "AFIELD_AUDIT", value_name = "SINK")]
    pub audit: Option<String>,

    /// The file of `--audit file`, which this implies.
    #[arg(long, env = "AFIELD_AUDIT_PATH", value_name = "FILE")]
    pub audit_path: Option<PathBuf>,

    /// The file gives way to a new one when it is this large; 0: never. Default: 64M.
    #[arg(long, env = "AFIELD_AUDIT_ROTATE_BYTES", value_name = "BYTES")]
    pub audit_rotate_bytes: Option<Size>,

    /// How many older files are kept. Default: 5.
    #[arg(long, env = "AFIELD_AUDIT_KEEP", value_name = "COUNT")]
    pub audit_keep: Option<u32>,
}

const ROTATE_BYTES: u64 = 64 << 20;
const KEEP: u32 = 5;

/// Who takes note, and what has to be told when files are read again and at the end.
pub(crate) struct Noting {
    pub audit: Arc<dyn Audit>,
    pub log: Option<Arc<AuditLog>>,
}

/// Where it goes, as meant.
enum Meant {
    Log,
    Off,
    Stderr,
    Journald,
    File(PathBuf),
}

impl AuditFlags {
    /// Whether the sink that is meant can be opened, as far as that can be told without making a file.
    pub fn check(&self, said: &file::Audit) -> Result<(), Failure> {
        match self.meant(said)? {
            Meant::File(path) => room_for_audit(&path),
            _ => Ok(()),
        }
    }

    /// Opens the sink that is meant.
    pub fn open(self, said: &file::Audit) -> Result<Noting, Failure> {
        let log = match self.meant(said)? {
            Meant::Log => return Ok(Noting { audit: Arc::new(TracingAudit), log: None }),
            Meant::Off => return Ok(Noting { audit: Arc::new(NoAudit), log: None }),
            Meant::Stderr => AuditLog::to_writer(console::json_sink()),
            Meant::Journald => AuditLog::to_journald(),
            Meant::File(path) => {
                let rotate_bytes = self.audit_rotate_bytes.map(|size| size.0).or(said.rotate_bytes);
                let rotate_bytes = rotate_bytes.unwrap_or(ROTATE_BYTES);
                let keep = self.audit_keep.or(said.keep).unwrap_or(KEEP);
                let name = path.display().to_string();
                let file = FileSink::open(path, rotate_bytes, keep).map_err(|error| {
                    Failure::new(ExitCode::Write, format!("cannot write the audit to {name}: {error}"))
                })?;
                AuditLog::to_file(file)
            }
        };
        let log = Arc::new(log);
        Ok(Noting { audit: log.clone(), log: Some(log) })
    }

    fn meant(&self, said: &file::Audit) -> Result<Meant, Failure> {
        let usage = |message: String| Failure::new(ExitCode::ServeUsage, message);
        let typed = self.audit.as_ref().filter(|word| !word.is_empty());
        let typed = typed.map(|word| {
            let known = AuditSink::NAMES.iter().find(|(name, _)| name == word);
            known.map(|(_, sink)| *sink).ok_or_else(|| {
                usage(format!("--audit {word:?} is not known: write stderr, file, journald, log or off"))
            })
        });
        let typed = typed.transpose()?;
        let own_path = self.audit_path.clone().filter(|path| !path.as_os_str().is_empty());
        let by_path = own_path.is_some().then_some(AuditSink::File);
        let path = own_path.or_else(|| said.path.clone());
        let sink = typed.or(by_path).or(said.sink);
        Ok(match sink.unwrap_or(if path.is_some() { AuditSink::File } else { AuditSink::Log }) {
            AuditSink::Log => Meant::Log,
            AuditSink::Off => Meant::Off,
            AuditSink::Stderr => Meant::Stderr,
            AuditSink::Journald => Meant::Journald,
            AuditSink::File => {
                Meant::File(path.ok_or_else(|| usage("--audit file needs --audit-path FILE".to_owned()))?)
            }
        })
    }
}
