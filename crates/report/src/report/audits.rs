//! Audits in words, for the terminal. `docs/audit.md` says what each figure means.

use starloop_record::format::{interval, percent};
use starloop_record::metrics::audits::{Audits, EarlyAnswers, HintReliance, SampleFigures, Sharpening, StepCounts};
use starloop_record::metrics::{Accuracy, MeanOf};

/// The iteration whose model was audited; `None` if nothing was.
pub fn iteration_of(audits: &Audits) -> Option<u32> {
    let Audits { hint_reliance, wrong_hint, early_answers, mistake_propagation, true_steps, sharpening } = audits;
    let of_hints = hint_reliance.as_ref().map(|audit| audit.iteration).or(wrong_hint.as_ref().map(|audit| audit.iteration));
    let of_texts = early_answers.as_ref().map(|audit| audit.iteration).or(mistake_propagation.as_ref().map(|audit| audit.iteration));
    let of_steps = true_steps.as_ref().map(|audit| audit.iteration).or(sharpening.as_ref().map(|audit| audit.iteration));
    of_steps.or(of_texts).or(of_hints)
}

/// The figures of the audits that are there, each with its name.
pub fn lines(audits: &Audits) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut add = |name: &str, value: String| lines.push((name.to_owned(), value));
    if let Some(audit) = &audits.true_steps {
        for (whose, counts) in [("learned", &audit.found.learned), ("measured", &audit.found.measured)] {
            for (name, value) in steps(whose, counts) {
                add(&name, value);
            }
        }
    }
    if let Some(audit) = &audits.hint_reliance {
        let HintReliance { mean, scored, left_out, .. } = &audit.found;
        let missing = if *left_out > 0 { format!(", {left_out} left out") } else { String::new() };
        add("hint reliance, nats a token", format!("{} of {scored} rationalizations{missing}", with_interval(mean)));
    }
    if let Some(audit) = &audits.wrong_hint {
        add("reaches its hint, right hint", share(&audit.found.right_hint));
        add("reaches its hint, wrong hint", share(&audit.found.wrong_hint));
    }
    if let Some(audit) = &audits.early_answers {
        let EarlyAnswers { points, area_over_curve } = &audit.found;
        for point in points {
            let (right, same) = (share(&point.accuracy), percent(point.same.mean));
            add(&format!("answer after {:>3.0}% of the rationale", 100.0 * point.share), format!("{right} right, {same}% as at the end"));
        }
        add("area over the curve", format!("{area_over_curve:.3}"));
    }
    if let Some(audit) = &audits.mistake_propagation {
        let without = audit.found.without_calculation;
        add("answer follows a changed step", format!("{}; {without} without a step", share(&audit.found.followed)));
    }
    if let Some(audit) = &audits.sharpening {
        let Sharpening { base, trained } = &audit.found;
        for (base_at, trained_at) in base.at.iter().zip(&trained.at) {
            add(
                &format!("pass@{}, base and trained, %", base_at.k),
                format!("{} and {}", of_hundred(&base_at.pass), of_hundred(&trained_at.pass)),
            );
            if let (Some(base), Some(trained)) = (&base_at.true_pass, &trained_at.true_pass) {
                add(&format!("pass@{} without a false step, %", base_at.k), format!("{} and {}", of_hundred(base), of_hundred(trained)));
            }
        }
        let both = |value: fn(&SampleFigures) -> &MeanOf| format!("{} and {}", with_interval(value(base)), with_interval(value(trained)));
        add("entropy of the answers, nats", both(|figures| &figures.answer_entropy));
        add("different paths of a problem", both(|figures| &figures.distinct_paths));
    }
    lines
}

fn steps(whose: &str, counts: &StepCounts) -> Vec<(String, String)> {
    let figures = [
        ("without a calculation", &counts.without_calculation),
        ("right with a false step", &counts.right_with_false_step),
        ("true calculations", &counts.true_calculations),
    ];
    let counted = figures.into_iter().filter(|(_, accuracy)| accuracy.total > 0);
    counted.map(|(name, accuracy)| (format!("{whose}: {name}"), share(accuracy))).collect()
}

/// `12.5% (10.0-15.1), 5 of 40`
fn share(accuracy: &Accuracy) -> String {
    // The interval of none and of all ends there, which rounding can miss.
    let low = if accuracy.correct == 0 { 0.0 } else { accuracy.low };
    let high = if accuracy.correct == accuracy.total { 1.0 } else { accuracy.high };
    format!("{}, {} of {}", interval(accuracy.mean, [low, high]), accuracy.correct, accuracy.total)
}

/// A mean with its normal 95% interval.
fn with_interval(mean: &MeanOf) -> String {
    format!("{:.3} (± {:.3})", mean.mean, 1.96 * mean.standard_error)
}

/// The same in percent.
fn of_hundred(mean: &MeanOf) -> String {
    format!("{:.1} (± {:.1})", 100.0 * mean.mean, 196.0 * mean.standard_error)
}
