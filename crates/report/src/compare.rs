//! The comparison of two runs: settings that differ, and accuracy on the same problems with a paired test.

use crate::error::{Error, Result};
use crate::paired::{PairedAnswers, right_answers};
use crate::report::{MethodReport, Report};
use serde::Serialize;
use starloop_record::RunDir;
use starloop_record::metrics::Accuracy;
use starloop_record::run_dir::settings::changed_keys;
use starloop_record::types::{ProblemId, Split};
use std::path::Path;

/// Two runs, side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunComparison {
    /// The runs' names.
    pub runs: [String; 2],
    /// Settings that differ, each key with the value of the first and of the second run. Settings that change no result are left out.
    pub settings: Vec<String>,
    /// The methods that were compared.
    pub methods: Vec<MethodComparison>,
}

/// One method of the first run beside one of the second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodComparison {
    /// The methods' names in their configs.
    pub methods: [String; 2],
    /// The iterations whose figures are compared: the final ones, or the last that were measured.
    pub iterations: [u32; 2],
    /// The split that they were measured on.
    pub split: Split,
    /// Accuracy on the problems that both were measured on.
    pub accuracy: [Accuracy; 2],
    /// Answers to problems that only one of the two was measured on; they are left out.
    pub unpaired: u64,
    /// Problems that the second has right and the first has wrong.
    pub gained: Vec<ProblemId>,
    /// Problems that the first has right and the second has wrong.
    pub lost: Vec<ProblemId>,
    /// McNemar's exact test of the hypothesis that gaining and losing are equally likely, two-sided.
    pub p_value: f64,
    /// The same with half the probability of what was observed (mid-p), which is less conservative (Fagerland et al. 2013).
    pub mid_p_value: f64,
    /// Tokens sampled (evaluation included), and tokens trained on.
    pub tokens: [[u64; 2]; 2],
    /// Wall-clock seconds of all iterations; `null` if they are not known.
    pub seconds: [Option<f64>; 2],
}

/// The methods to compare: by default every method that both runs have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComparedMethods {
    /// The method of the first run, and of the second unless `second` names another.
    pub first: Option<String>,
    /// The method of the second run.
    pub second: Option<String>,
}

/// Compares what two run directories hold.
///
/// # Errors
/// A directory is not a run, a method is not in it, or the two share no method or no problem.
pub fn compare(first: &Path, second: &Path, wanted: &ComparedMethods) -> Result<RunComparison> {
    let reports = [Report::read(&[first.to_owned()])?, Report::read(&[second.to_owned()])?];
    let directories = [RunDir::open_read_only(first)?, RunDir::open_read_only(second)?];
    let of = |which: usize| &reports[which].runs[0];
    let mut settings = changed_keys(&directories[1].config()?, &directories[0].config()?);
    settings.retain(|change| {
        let key = change.split(' ').next().unwrap_or_default();
        [0, 1].iter().all(|&which| of(which).info.circumstances.iter().all(|circumstance| circumstance != key))
    });
    let find = |which: usize, name: &str| {
        let names = || of(which).methods.iter().map(|method| method.info.name.as_str()).collect::<Vec<_>>().join(", ");
        of(which).methods.iter().find(|method| method.info.name == name).ok_or_else(|| {
            incomparable(
                directories[which].root(),
                format!("the run has no method {name} with a finished iteration; its methods are {}", names()),
            )
        })
    };
    let pairs: Vec<[&MethodReport; 2]> = match (&wanted.first, &wanted.second) {
        (None, None) => {
            let named = |name: &str| of(1).methods.iter().find(|method| method.info.name == name);
            of(0).methods.iter().filter_map(|method| Some([method, named(&method.info.name)?])).collect()
        }
        (Some(method), other) => vec![[find(0, method)?, find(1, other.as_ref().unwrap_or(method))?]],
        (None, Some(other)) => vec![[find(0, other)?, find(1, other)?]],
    };
    if pairs.is_empty() {
        return Err(incomparable(second, format!("the run has no method in common with {}; choose a method of each run", first.display())));
    }
    let methods = pairs.into_iter().map(|pair| methods(&directories, pair)).collect::<Result<_>>()?;
    Ok(RunComparison { runs: [0, 1].map(|which| of(which).name.clone()), settings, methods })
}

fn methods(directories: &[RunDir; 2], pair: [&MethodReport; 2]) -> Result<MethodComparison> {
    // Final figures are compared with final figures only.
    let finals = pair.iter().all(|method| method.final_metrics.is_some());
    let shown = pair.map(|method| match &method.final_metrics {
        Some(metrics) if finals => metrics,
        _ => &method.last_evaluated().metrics,
    });
    let place = |which: usize| {
        let name = &pair[which].info.name;
        if finals { directories[which].final_measurement(name) } else { directories[which].iteration(name, shown[which].iteration) }
    };
    let answers = [right_answers(&place(0))?, right_answers(&place(1))?];
    // The same name in another file of data is another problem.
    let problems = [place(0).problems()?, place(1).problems()?];
    let identity = |which: usize, id: &ProblemId| problems[which].get(id).and_then(|problem| problem.identity.as_ref());
    let is_other = |id: &ProblemId| matches!((identity(0, id), identity(1, id)), (Some(one), Some(other)) if one != other);
    let mut comparable = answers[0].clone();
    comparable.retain(|(id, _), _| !is_other(id));
    let paired = PairedAnswers::of(&comparable, &answers[1]).ok_or_else(|| {
        let message = format!(
            "{} has no evaluation problem in common with {} of {}; compare runs that measure the same problems",
            pair[1].info.name,
            pair[0].info.name,
            directories[0].root().display()
        );
        incomparable(directories[1].root(), message)
    })?;
    let PairedAnswers { gained, lost, accuracy, p_values: [p_value, mid_p_value] } = paired;
    Ok(MethodComparison {
        methods: pair.map(|method| method.info.name.clone()),
        iterations: shown.map(|metrics| metrics.iteration),
        split: shown[0].split,
        accuracy,
        unpaired: answers.iter().map(|answers| answers.len() as u64 - accuracy[0].total).sum(),
        gained,
        lost,
        p_value,
        mid_p_value,
        tokens: pair.map(MethodReport::tokens),
        seconds: pair.map(MethodReport::seconds),
    })
}

fn incomparable(path: &Path, message: String) -> Error {
    Error::Incomparable { path: path.to_owned(), message }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample_run::{attempt, metrics, new_run, write_evaluation, wrong};
    use starloop_record::Approach;
    use starloop_record::types::{ProblemRecord, Verdict};

    /// A run with three answers, of which those at `right` are right.
    fn write(root: &Path, seed: u64, threads: u32, right: &[&str]) {
        let mut new = new_run(&[("star", Approach::Star)]);
        new.config.insert("seed".into(), i64::try_from(seed).unwrap().into());
        new.config.insert("policy".into(), toml::Table::from_iter([("threads".to_owned(), i64::from(threads).into())]).into());
        let (run, _) = RunDir::open(root, &new, false).unwrap();
        let verdict = |problem| if right.contains(&problem) { Verdict::Correct } else { wrong("0") };
        write_evaluation(&run, "star", 1, &["a", "b", "c"].map(|problem| attempt(problem, "text", verdict(problem))));
        run.iteration("star", 1).write_metrics(&metrics(1, &[right.len() as u64])).unwrap();
    }

    #[test]
    fn two_runs_differ_in_settings_and_problems() {
        let place = tempfile::tempdir().unwrap();
        let [first, second] = ["one", "two"].map(|name| place.path().join(name));
        write(&first, 1, 1, &["a", "b"]);
        write(&second, 2, 8, &["b", "c"]);
        let comparison = compare(&first, &second, &ComparedMethods::default()).unwrap();
        assert_eq!(comparison.settings, ["seed (1 -> 2)"], "the number of threads changes no result");
        let method = &comparison.methods[0];
        let ids = |ids: &[ProblemId]| ids.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
        assert_eq!((ids(&method.gained), ids(&method.lost)), (vec!["tiny/train/c".to_owned()], vec!["tiny/train/a".to_owned()]));
        assert_eq!((method.accuracy[0].correct, method.accuracy[1].total, method.unpaired), (2, 3, 0));
        let other = ComparedMethods { first: Some("other".into()), second: None };
        let message = compare(&first, &second, &other).unwrap_err().to_string();
        assert!(message.contains("no method other") && message.ends_with("its methods are star"), "{message}");
    }

    /// A run with one answer to the problem `a`, whose data has this identity.
    fn write_one(root: &Path, identity: &str) {
        let (run, _) = RunDir::open(root, &new_run(&[("star", Approach::Star)]), false).unwrap();
        let answer = attempt("a", "text", Verdict::Correct);
        let problem = ProblemRecord {
            id: answer.attempt.problem.clone(),
            identity: Some(identity.into()),
            class: String::new(),
            text: String::new(),
            answer: String::new(),
            reference: None,
            choices: Vec::new(),
        };
        let place = run.iteration("star", 1);
        place.write_evaluation(&[answer], run.keep_problems(&[problem]).unwrap()).unwrap();
        place.write_metrics(&metrics(1, &[1])).unwrap();
    }

    #[test]
    fn answers_to_other_problems_of_the_same_name_are_not_paired() {
        let place = tempfile::tempdir().unwrap();
        let [first, same, other] = [("first", "1"), ("same", "1"), ("other", "2")].map(|(name, identity)| {
            let root = place.path().join(name);
            write_one(&root, identity);
            root
        });
        let comparison = compare(&first, &same, &ComparedMethods::default()).unwrap();
        assert_eq!(comparison.methods[0].accuracy[0].total, 1);
        let message = compare(&first, &other, &ComparedMethods::default()).unwrap_err().to_string();
        assert!(message.contains("no evaluation problem in common"), "{message}");
    }
}
