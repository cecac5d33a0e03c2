//! What afield promises of its speed and size.

use crate::{report::Medians, sample::Metric, scenario::Scenario, subject::Subject};

/// A promise, and what was measured.
pub struct Verdict {
    pub what: &'static str,
    pub wanted: &'static str,
    /// `None`: what it takes was not measured in this run.
    pub measured: Option<(String, bool)>,
}

/// Every promise, judged by `medians`.
pub fn verdicts(medians: &Medians) -> Vec<Verdict> {
    let afield = |scenario, metric| medians.get(scenario, Subject::Afield, metric);
    let ratio = |scenario, metric| {
        Some(afield(scenario, metric)? / medians.get(scenario, Subject::Reference, metric)?)
    };
    // Of afield/1, which only afield's own client speaks.
    let own = |scenario, metric, of| {
        Some(medians.get(scenario, Subject::Client, metric)? / medians.get(scenario, of, metric)?)
    };
    let added = || {
        let p50 = |subject| medians.get(Scenario::BufferedC1, subject, Metric::P50Ms);
        Some(p50(Subject::Client)? - p50(Subject::Direct)?)
    };
    let stalled = |metric| {
        let of = |scenario| medians.get(scenario, Subject::Client, metric);
        Some(of(Scenario::Stalled)? / of(Scenario::Crowd)?)
    };
    let below = |value: Option<f64>, limit: f64, unit: &str| {
        value.map(|value| (format!("{value:.2} {unit}"), value < limit))
    };
    let times =
        |value: Option<f64>, ok: fn(f64) -> bool| value.map(|value| (format!("{value:.2} times"), ok(value)));
    vec![
        Verdict {
            what: "streamed small call, p50 to the terminal frame",
            wanted: "under 0.4 ms",
            measured: below(afield(Scenario::StreamedC1, Metric::P50Ms), 0.4, "ms"),
        },
        Verdict {
            what: "buffered calls a second, 32 at a time, to the reference's",
            wanted: "at least 1.5 times",
            measured: times(ratio(Scenario::BufferedC32, Metric::CallsPerSecond), |value| value >= 1.5),
        },
        Verdict {
            what: "executor CPU for such a call, to the reference's",
            wanted: "at most 0.5 times",
            measured: times(ratio(Scenario::BufferedC32, Metric::CpuMicrosPerCall), |value| value <= 0.5),
        },
        Verdict {
            what: "four large streams in base, MB/s, to the reference's",
            wanted: "at least 1.5 times",
            measured: times(ratio(Scenario::Bulk4, Metric::MegabytesPerSecond), |value| value >= 1.5),
        },
        Verdict {
            what: "afield/1: one large stream, MB/s, to direct",
            wanted: "at least 0.4 times",
            measured: times(own(Scenario::Bulk1, Metric::MegabytesPerSecond, Subject::Direct), |v| v >= 0.4),
        },
        Verdict {
            what: "afield/1: one large stream, MB/s, to the reference's",
            wanted: "at least 4 times",
            measured: times(own(Scenario::Bulk1, Metric::MegabytesPerSecond, Subject::Reference), |v| {
                v >= 4.0
            }),
        },
        Verdict {
            what: "afield/1: small calls a second, 32 at a time, to direct",
            wanted: "at least 0.6 times",
            measured: times(own(Scenario::BufferedC32, Metric::CallsPerSecond, Subject::Direct), |v| {
                v >= 0.6
            }),
        },
        Verdict {
            what: "afield/1: what is added to a small call, p50",
            wanted: "under 0.09 ms",
            measured: below(added(), 0.09, "ms"),
        },
        Verdict {
            what: "afield/1: upload, MB/s, to direct",
            wanted: "at least 0.4 times",
            measured: times(own(Scenario::Upload, Metric::MegabytesPerSecond, Subject::Direct), |v| v >= 0.4),
        },
        Verdict {
            what: "afield/1: a hundred streams beside one that is never read, MB/s, to without it",
            wanted: "at least 0.9 times",
            measured: times(stalled(Metric::MegabytesPerSecond), |v| v >= 0.9),
        },
        Verdict {
            what: "afield/1: resident then, to without it",
            wanted: "at most 1.1 times",
            measured: times(stalled(Metric::ResidentMegabytes), |v| v <= 1.1),
        },
        Verdict {
            what: "resident at rest",
            wanted: "under 15 MB",
            measured: below(afield(Scenario::Rest, Metric::ResidentMegabytes), 15.0, "MB"),
        },
        Verdict {
            what: "resident for each silent SSE stream",
            wanted: "at most 24 kB",
            measured: afield(Scenario::Idle, Metric::KilobytesPerStream)
                .map(|value| (format!("{value:.2} kB"), value <= 24.0)),
        },
        Verdict {
            what: "release binary",
            wanted: "under 20 MB",
            measured: below(afield(Scenario::Rest, Metric::BinaryMegabytes), 20.0, "MB"),
        },
    ]
}
