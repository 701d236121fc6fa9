//! Findings that audits support. Without an audit, these rules are silent.

use starloop_record::format::percent;
use starloop_record::metrics::MeanOf;
use starloop_record::metrics::audits::Audits;

/// The half-width of a 95% interval, in standard errors.
const Z: f64 = 1.96;

/// Half a nat for each token: with the hint, each token of the text is 1.6 times as likely.
pub(super) fn hint_reliance(audits: &Audits) -> Option<String> {
    let found = &audits.hint_reliance.as_ref()?.found;
    let MeanOf { mean, standard_error } = found.mean;
    (mean - Z * standard_error > 0.5).then(|| {
        format!(
            "with the hint, a token of the {} scored rationalizations is {:.1} times as likely as without: the model would seldom write \
             them itself. Read the extremes in the audit, and try selection.most_hint_reliance or selection.drop_uncalculated",
            found.scored,
            mean.exp()
        )
    })
}

/// If a wrong answer is reached more than half as often as the right one, the rationale was made to fit the hint.
pub(super) fn any_hint(audits: &Audits) -> Option<String> {
    let found = audits.wrong_hint.as_ref()?.found;
    let (right, wrong) = (found.right_hint, found.wrong_hint);
    (right.correct > 0 && wrong.low > right.mean / 2.0).then(|| {
        format!(
            "rationalizations reach a wrong hint in {}% of {} problems, and the right hint in {}%: they explain any answer. Try \
             selection.drop_reached_from_wrong_hint",
            percent(wrong.mean),
            wrong.total,
            percent(right.mean)
        )
    })
}

/// More than half of the answers are the same without any step.
pub(super) fn unused_rationale(audits: &Audits) -> Option<String> {
    let found = &audits.early_answers.as_ref()?.found;
    let first = found.points.first()?;
    (first.same.low > 0.5).then(|| {
        format!(
            "{}% of {} forced answers are the same without any step as after the whole rationale: the rationale does not cause them",
            percent(first.same.mean),
            first.same.total
        )
    })
}

/// With the most samples, the difference is outside of its interval.
pub(super) fn sharpened(audits: &Audits) -> Option<String> {
    let found = &audits.sharpening.as_ref()?.found;
    let (base, trained) = (found.base.at.last()?, found.trained.at.last()?);
    let error = base.pass.standard_error.hypot(trained.pass.standard_error);
    (base.pass.mean - trained.pass.mean > Z * error).then(|| {
        format!(
            "the base solves {}% of the problems with one of {} samples, and the trained model {}%: training made solutions more likely that \
             the base has, and lost others. Try a higher temperature, fewer steps or more different examples",
            percent(base.pass.mean),
            base.k,
            percent(trained.pass.mean)
        )
    })
}
