//! The median of each number over the rounds, with the least and the greatest.

use crate::{
    sample::{Metric, Sample},
    scenario::Scenario,
    subject::Subject,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// One number over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Self { median, least: values[0], greatest: values[values.len() - 1] }
    }

    /// The same of every number.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { median: f(self.median), least: f(self.least), greatest: f(self.greatest) }
    }
}

type Numbers = BTreeMap<Metric, Spread>;

/// All medians of a run.
pub struct Medians(BTreeMap<(Scenario, Subject), Numbers>);

impl Medians {
    /// Of these samples.
    pub fn new(samples: &[Sample]) -> Self {
        let mut all: BTreeMap<_, BTreeMap<_, Vec<f64>>> = BTreeMap::new();
        for sample in samples {
            let numbers = all.entry((sample.scenario, sample.subject)).or_default();
            for (&metric, &value) in &sample.metrics.0 {
                numbers.entry(metric).or_default().push(value);
            }
        }
        let spreads = |numbers: BTreeMap<_, Vec<f64>>| {
            numbers.into_iter().map(|(metric, values)| (metric, Spread::of(values))).collect()
        };
        Self(all.into_iter().map(|(key, numbers)| (key, spreads(numbers))).collect())
    }

    /// One of them, if it was measured.
    pub fn get(&self, scenario: Scenario, subject: Subject, metric: Metric) -> Option<Spread> {
        self.0.get(&(scenario, subject))?.get(&metric).copied()
    }

    /// The median alone.
    pub fn median(&self, scenario: Scenario, subject: Subject, metric: Metric) -> Option<f64> {
        self.get(scenario, subject, metric).map(|spread| spread.median)
    }

    /// What was measured, in the order of the report.
    pub fn measured(&self) -> impl Iterator<Item = (Scenario, Subject)> {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that one wild round does not move the printed number.
    #[test]
    fn a_median_ignores_the_outlier() {
        let spread = Spread::of(vec![9000.0, 1.0, 2.0]);
        assert_eq!(spread, Spread { median: 2.0, least: 1.0, greatest: 9000.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }
}
