use crate::{ExitCode, failure::Failure};
use afield_transport::Validity;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// What was found of an executor.
pub(super) struct Report(Result<Box<Well>, Ill>);

pub(super) struct Well {
    pub version: Option<String>,
    pub system: Option<String>,
    pub dialect: Option<String>,
    pub capabilities: Option<Vec<&'static str>>,
    pub limits: Option<Value>,
    pub connected_in: Duration,
    /// Of the executor's certificate, where it shows one.
    pub certificate: Option<Validity>,
    pub latency: Option<Duration>,
    pub policy: Policy,
}

/// What the executor does with a request to an address that nobody has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Denies,
    Allows,
}

struct Ill {
    code: ExitCode,
    why: String,
    hint: Option<String>,
}

impl Report {
    pub fn well(well: Well) -> Self {
        Self(Ok(Box::new(well)))
    }

    pub fn unusable(failure: &Failure) -> Self {
        let (why, hint) = (failure.message.to_string(), failure.hint.as_ref().map(ToString::to_string));
        Self(Err(Ill { code: failure.code, why, hint }))
    }

    pub fn is_well(&self) -> bool {
        self.0.is_ok()
    }

    pub fn code(&self) -> Option<ExitCode> {
        self.0.as_ref().err().map(|ill| ill.code)
    }

    pub fn text(&self, name: &str, shown: &str) -> String {
        let mut text = if name == shown { format!("{name}\n") } else { format!("{name} ({shown})\n") };
        let mut line = |what: &str, said: &str| {
            let said = said.replace(['\n', '\r'], " ");
            text.push_str(&format!("  {what:<12} {said}\n"));
        };
        let well = match &self.0 {
            Ok(well) => well,
            Err(ill) => {
                line("connection", &format!("FAIL  {}", ill.why));
                if let Some(hint) = &ill.hint {
                    line("what to do", hint);
                }
                return text;
            }
        };
        line("connection", &format!("ok, in {}", millis(well.connected_in)));
        if let Some(certificate) = &well.certificate {
            line("certificate", &certificate.told(SystemTime::now()));
        }
        line("version", well.version.as_deref().unwrap_or("it does not say"));
        line("system", well.system.as_deref().unwrap_or("it does not say"));
        line("dialect", well.dialect.as_deref().unwrap_or("base"));
        line(
            "latency",
            &well.latency.map_or("not to be measured".to_owned(), |p50| format!("{} (median)", millis(p50))),
        );
        line(
            "policy",
            match well.policy {
                Policy::Denies => "in force: an address that nobody has is denied",
                Policy::Allows => "an address that nobody has is NOT denied: is there any policy?",
            },
        );
        if let Some(capabilities) = well.capabilities.as_ref().filter(|all| !all.is_empty()) {
            line("offers", &capabilities.join(", "));
        }
        if let Some(Value::Object(limits)) = &well.limits {
            let limits: Vec<_> = limits.iter().map(|(name, limit)| format!("{name} {limit}")).collect();
            line("limits", &limits.join(", "));
        }
        text
    }

    pub fn told(&self, name: &str, shown: &str) -> Value {
        match &self.0 {
            Ok(well) => json!({
                "name": name,
                "url": shown,
                "outcome": "ok",
                "version": well.version,
                "system": well.system,
                "dialect": well.dialect.as_deref().unwrap_or("base"),
                "connectedInMs": well.connected_in.as_secs_f64() * 1000.0,
                "certificateDaysLeft": well.certificate.map(|certificate| certificate.days_left(SystemTime::now())),
                "latencyMs": well.latency.map(|p50| p50.as_secs_f64() * 1000.0),
                "deniesReservedAddresses": well.policy == Policy::Denies,
                "offers": well.capabilities,
                "limits": well.limits,
            }),
            Err(ill) => {
                json!({ "name": name, "url": shown, "outcome": "failed", "detail": ill.why, "hint": ill.hint })
            }
        }
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
