//! The checkpoint of a run that a command uses: the best one, or the one that is named.

use super::{card::chosen_iteration, method, portable};
use crate::error::Result;
use crate::report::{MethodReport, RunReport};
use starloop_record::format::{percent, thousands};
use starloop_record::metrics::{Accuracy, IterationMetrics};
use starloop_record::{Approach, RunDir};
use std::path::PathBuf;

/// A checkpoint of a run.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// The run.
    pub run: &'a RunReport,
    /// The method that made it.
    pub method: &'a MethodReport,
    /// The figures of its iteration.
    pub metrics: &'a IterationMetrics,
    /// True if the iteration was named, and not chosen by its accuracy.
    is_named: bool,
}

impl<'a> Chosen<'a> {
    /// The named checkpoint. Without a method, that of the method that the report states first, or of the last one that trained. Without an
    /// iteration, the checkpoint with the highest accuracy.
    ///
    /// # Errors
    /// There is no such method or checkpoint. The error names those that are there.
    pub fn of(run: &'a RunReport, name: Option<&str>, iteration: Option<u32>) -> Result<Self> {
        let method = method(run, name)?;
        let metrics = chosen_iteration(run, method, iteration)?;
        Ok(Chosen { run, method, metrics, is_named: iteration.is_some() })
    }

    /// Its directory.
    ///
    /// # Errors
    /// The run cannot be read.
    pub fn directory(&self) -> Result<PathBuf> {
        let run = RunDir::open_read_only(&self.run.path)?;
        Ok(run.iteration(&self.method.info.name, self.metrics.iteration).checkpoint())
    }

    /// The config of the run as TOML, without directories of this machine.
    ///
    /// # Errors
    /// The config cannot be read.
    pub fn config(&self) -> Result<String> {
        Ok(portable::config(self.run, &RunDir::open_read_only(&self.run.path)?.config()?).to_string())
    }

    /// `runs/arithmetic@star/5: 99.7% of 300 test problems, the best checkpoint of star`
    pub fn words(&self) -> String {
        let (IterationMetrics { iteration, accuracy, split, .. }, name) = (self.metrics, &self.method.info.name);
        let measured = if accuracy.total > 0 {
            format!("{}% of {} {} problems", percent(accuracy.mean), thousands(accuracy.total), split.name())
        } else {
            "not measured".to_owned()
        };
        let best = if self.is_named { String::new() } else { format!(", the best checkpoint of {name}") };
        format!("{}@{name}/{iteration}: {measured}{best}", self.run.path.display())
    }

    /// The accuracy of the untrained model on the same split, if the run measured it.
    pub fn base(&self) -> Option<&'a Accuracy> {
        let is_base =
            |metrics: &&IterationMetrics| metrics.iteration == 0 && metrics.accuracy.total > 0 && metrics.split == self.metrics.split;
        let of = |method: &'a MethodReport| method.iterations.iter().map(|iteration| &iteration.metrics).find(is_base);
        let mut prompted = self.run.methods.iter().filter(|other| other.info.approach == Approach::FewShot);
        of(self.method).or_else(|| prompted.find_map(of)).map(|metrics| &metrics.accuracy)
    }

    /// A warning, if the checkpoint is not more accurate than the untrained model.
    pub fn no_better_than_the_base(&self) -> Option<String> {
        let (base, accuracy) = (self.base()?, &self.metrics.accuracy);
        (accuracy.total > 0 && accuracy.mean <= base.mean).then(|| {
            let subject = if self.is_named { "this checkpoint is not" } else { "no checkpoint of the method is" };
            format!(
                "{subject} better than the base model: {}% after iteration {}, and the base model has {}% on the same {} {} problems",
                percent(accuracy.mean),
                self.metrics.iteration,
                percent(base.mean),
                thousands(base.total),
                self.metrics.split.name()
            )
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Report;
    use crate::sample_run::{begin, learned, metrics};

    #[test]
    fn a_checkpoint_that_is_worse_than_the_base_is_named_so() {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("star", Approach::Star)]);
        run.iteration("star", 0).write_metrics(&metrics(0, &[40])).unwrap();
        for (iteration, right) in [(1, 30), (2, 60)] {
            run.iteration("star", iteration).write_metrics(&learned(iteration, &[right], 800, 0)).unwrap();
            std::fs::create_dir_all(run.iteration("star", iteration).checkpoint()).unwrap();
        }
        let report = Report::read(&[place.path().to_owned()]).unwrap();
        let best = Chosen::of(&report.runs[0], None, None).unwrap();
        assert_eq!((best.metrics.iteration, best.no_better_than_the_base()), (2, None));
        assert!(best.words().ends_with("@star/2: 60.0% of 100 test problems, the best checkpoint of star"), "{}", best.words());
        let named = Chosen::of(&report.runs[0], Some("star"), Some(1)).unwrap();
        let warning = named.no_better_than_the_base().unwrap();
        assert!(warning.starts_with("this checkpoint is not better than the base model: 30.0% after iteration 1"), "{warning}");
        assert!(named.directory().unwrap().ends_with("star/iter-001/checkpoint"));
    }
}
