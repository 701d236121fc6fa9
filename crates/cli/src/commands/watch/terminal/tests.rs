#![allow(clippy::unwrap_used)]

use super::screen::{Curve, Only};
use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use starloop_record::Approach;
use starloop_record::event::Stage;
use starloop_record::info::{Estimate, MethodInfo};
use starloop_record::metrics::{Accuracy, AttemptCounts, ClassAccuracy, IterationMetrics, LossPoint, SelectionCounts};
use starloop_record::types::{Attempt, GradedAttempt, Mode, ProblemId, ProblemRecord, Split, Verdict};
use starloop_report::watch::{FinishedStage, MethodProgress, RunState, UnderWay};
use starloop_report::words::Purpose;

fn metrics(iteration: u32, right: u64) -> IterationMetrics {
    IterationMetrics {
        iteration,
        checkpoint: String::new(),
        problems: 100,
        unhinted: AttemptCounts::default(),
        hinted: AttemptCounts::default(),
        selection: SelectionCounts::default(),
        training: None,
        balance: None,
        split: Split::Dev,
        accuracy: Accuracy::new(right, 100),
        by_class: vec![ClassAccuracy { class: "3 digits".into(), accuracy: Accuracy::new(right, 100) }],
        evaluation_tokens: 0,
        evaluation_failed: 0,
    }
}

fn method(name: &str, approach: Approach, iterations: u32) -> MethodInfo {
    let estimate = Estimate { iterations, ..Estimate::default() };
    MethodInfo { name: name.into(), kind: name.into(), label: approach.title().into(), approach, estimate }
}

fn loss(step: u64, loss: f64) -> LossPoint {
    LossPoint { step, loss, learning_rate: None }
}

fn progress() -> RunProgress {
    let star = MethodProgress {
        info: method("star", Approach::StarRationalized, 5),
        iterations: vec![metrics(0, 20), metrics(1, 75)],
        final_metrics: None,
        losses: vec![loss(1, 2.0), loss(40, 0.0625)],
    };
    let direct = MethodProgress { info: method("direct", Approach::Direct, 1), iterations: Vec::new(), ..star.clone() };
    let under_way =
        UnderWay { method: "star".into(), iteration: 2, stage: Stage::FineTuning, units: 80, since: 1000.0, expected: Some(40.0) };
    let done =
        FinishedStage { method: "star".into(), iteration: 2, stage: Stage::Sampling, units: 2000, tokens: 90_000, seconds: Some(9.0) };
    RunProgress {
        run: "tiny".into(),
        state: RunState::Running,
        last_news: Some(1000.0),
        worked: 600.0,
        methods: vec![star, direct],
        done: vec![done],
        under_way: Some(under_way),
        left: Some(190.0),
        warnings: vec!["the base is near chance".into()],
        resume: None,
    }
}

fn rationale(completion: &str, verdict: Verdict) -> Rationale {
    let class = "3 digits".to_owned();
    let bare = Attempt::bare("arithmetic/train/624+259", Mode::Hinted, completion);
    let attempt = Attempt { class: class.clone(), completion_tokens: 1, logprob: Some(-1.0), ..bare };
    let id = ProblemId("arithmetic/train/624+259".into());
    let (text, answer) = ("6 2 4 + 2 5 9".into(), "8 8 3".into());
    let problem = Some(ProblemRecord { id, identity: None, class, text, answer, choices: Vec::new(), reference: None });
    Rationale { iteration: 1, purpose: Purpose::Hinted, problem, graded: GradedAttempt::bare(attempt, verdict) }
}

/// The content of a terminal of this size, ten seconds into the fine-tuning.
fn drawn(size: (u16, u16), progress: &RunProgress, rationales: &[Rationale], view: &View) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let screen = Screen { progress, rationales, view, trouble: None, now: 1010.0, in_colour: true };
    terminal.draw(|frame| frame.render_widget(screen, frame.area())).unwrap();
    terminal.backend().buffer().clone()
}

fn shows(buffer: &Buffer, expected: &[&str]) {
    let text = text_of(buffer);
    // The widths of columns do not matter.
    let narrow = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    for part in expected {
        assert!(narrow(&text).contains(&narrow(part)), "no {part:?} in:\n{text}");
    }
}

#[test]
fn a_screen_shows_where_the_run_is() {
    let (progress, view) = (progress(), View::default());
    let rationales = [rationale("6 2 4\n8 8 3", Verdict::Correct), rationale("8 8 4", Verdict::Wrong { predicted: "8 8 4".into() })];
    let buffer = drawn((110, 40), &progress, &rationales, &view);
    shows(
        &buffer,
        &[
            "starloop watch  tiny",
            "running for 10 min, at most ≈ 3 min 00 s left",
            "star, iteration 2 of at most 5: fine-tuning, 80 steps",
            "≈ 25%, ≈ 30 s left",
            "sampling",
            "90.0k  10.0k    9.0 s",
            "1 of 5       75.0% dev",
            "not begun",
            "accuracy, %",
            "● star 75.0%",
            "star, iteration 1, with hint: 1 of 2",
            "arithmetic/train/624+259 (3 digits)  ✓ right",
            "6 2 4 + 2 5 9",
            "known answer: 8 8 3",
            "q quit",
        ],
    );
    let coloured = buffer.content().iter().filter(|cell| cell.symbol() == "●" && cell.fg == Color::Indexed(33)).count();
    assert_eq!(coloured, 2, "the curve's sign in the legend and at its end");
}

#[test]
fn curves_change_and_the_loss_has_its_unit() {
    let progress = progress();
    let mut view = View { curve: Curve::Methods.next(), ..View::default() };
    shows(&drawn((110, 40), &progress, &[], &view), &["accuracy of star by class, %", "● 3 digits 75.0%", "nothing yet"]);
    view.curve = view.curve.next();
    shows(&drawn((110, 40), &progress, &[], &view), &["loss of star, nats per target token", "● loss 0.0625", "2.00", "step"]);
    view.next_method(&progress);
    shows(
        &drawn((110, 40), &RunProgress { methods: vec![progress.methods[0].clone()], ..progress.clone() }, &[], &view),
        &["latest rationales of direct"],
    );
    assert_eq!(view.curve.next(), Curve::Methods);
}

#[test]
fn a_narrow_screen_has_room_for_the_legend_the_stages_and_what_was_kept() {
    let mut progress = progress();
    let selection = SelectionCounts { kept_unhinted: 75, kept_hinted: 12, dropped_duplicate: 3, ..SelectionCounts::default() };
    progress.methods[0].iterations[1].unhinted.attempts = 100;
    progress.methods[0].iterations[1].selection = selection;
    progress.methods[1].iterations = vec![metrics(1, 30)];
    progress.methods[1].info.name = "direct_equal_tokens".into();
    let buffer = drawn((80, 40), &progress, &[], &View::default());
    shows(&buffer, &["● star 75.0%", "■ direct_equal_tokens 30.0%", "sampling", "tokens/s", " learned 75 + 12 with hint, dropped 3 "]);
    let selection = SelectionCounts { kept_unhinted: 1_739, kept_hinted: 412, dropped_duplicate: 322, ..selection };
    progress.methods[0].iterations[1].selection = selection;
    let narrow = ["iteration 1: learned 1739 + 412 with hint, dropped 322", "● star 75.0%", "sampling", "90.0k  10.0k    9.0 s"];
    shows(&drawn((60, 40), &progress, &[], &View::default()), &narrow);
    progress.methods = vec![progress.methods[0].clone(); 20];
    shows(&drawn((80, 40), &progress, &[], &View::default()), &["● star 75.0%", "and 16 more"]);
    for (place, method) in progress.methods.iter_mut().enumerate() {
        method.info.name = format!("method-{place}");
    }
    let last = View { chosen: Some("method-19".into()), ..View::default() };
    shows(&drawn((80, 40), &progress, &[], &last), &["method-19 1 of 5"]);
}

#[test]
fn axes_fit_their_values_and_a_long_text_says_how_to_go_on() {
    let progress = progress();
    let label = |buffer: &Buffer, value: &str| text_of(buffer).lines().any(|line| line.contains(&format!("{value}│")));
    let buffer = drawn((110, 40), &progress, &[], &View::default());
    assert!(label(&buffer, "80") && label(&buffer, "20") && !label(&buffer, "100"), "20% to 75%:\n{}", text_of(&buffer));
    let long = [rationale(&"word ".repeat(2_000), Verdict::Correct)];
    let narrow = drawn((60, 30), &progress, &long, &View::default());
    shows(&narrow, &["more lines: ↓", "m method"]);
    assert!(!text_of(&drawn((110, 40), &progress, &[rationale("8 8 3", Verdict::Correct)], &View::default())).contains("more lines"));
}

#[test]
fn a_loss_below_zero_is_drawn_and_has_no_unit() {
    let mut progress = progress();
    progress.methods[0].info.approach = Approach::Grpo;
    progress.methods[0].losses = vec![loss(1, 0.5), loss(2, -0.25)];
    let view = View { curve: Curve::Loss, ..View::default() };
    let buffer = drawn((110, 40), &progress, &[], &view);
    shows(&buffer, &["● loss -0.2500", "-0.25"]);
    assert!(!text_of(&buffer).contains("nats"));
    // The sign in the legend, and the one at the curve's end.
    assert_eq!(buffer.content().iter().filter(|cell| cell.symbol() == "●").count(), 2);
}

#[test]
fn silence_is_not_work() {
    let late = RunProgress { last_news: Some(0.0), ..progress() };
    shows(
        &drawn((110, 40), &late, &[], &View::default()),
        &["running, but no event for 17 min", "this stage was running at the last event"],
    );
    let mut long = progress();
    long.under_way.as_mut().unwrap().expected = Some(4.0);
    shows(&drawn((110, 40), &long, &[], &View::default()), &["10 s so far, longer than before"]);
    long.under_way.as_mut().unwrap().expected = None;
    shows(
        &drawn((110, 40), &long, &[], &View::default()),
        &["running for 10 s; no estimate yet, because this is the first work of its kind"],
    );
    let resume = Some("starloop run runs/a/config.toml --run-dir runs/a --resume".to_owned());
    let stopped = RunProgress { state: RunState::Stopped, resume, ..progress() };
    shows(
        &drawn((110, 40), &stopped, &[], &View::default()),
        &["stopped 10 s ago, after 10 min of work", "to continue: starloop run runs/a/config.toml --run-dir runs/a --resume"],
    );
    let finished = RunProgress { state: RunState::Finished, under_way: None, ..progress() };
    shows(&drawn((110, 40), &finished, &[], &View::default()), &["finished after 10 min of work", "! the base is near chance"]);
}

#[test]
fn nothing_that_a_model_writes_reaches_the_terminal_as_it_is() {
    let hostile = format!("\u{1b}[2J\u{1b}]0;owned\u{7}\r\u{202e}evil\u{200b}\n{}", "x".repeat(1 << 20));
    let mut named = progress();
    named.run = "\u{1b}[31mred".into();
    let rationales = [rationale(&hostile, Verdict::Wrong { predicted: hostile.clone() })];
    let buffer = drawn((110, 40), &named, &rationales, &View::default());
    shows(&buffer, &["␛[2J␛]0;owned␇␍⟨U+202E⟩evil⟨U+200B⟩", "␛[31mred"]);
    let unseen = buffer.content().iter().flat_map(|cell| cell.symbol().chars()).find(|c| c.is_control() || *c == '\u{202e}');
    assert_eq!(unseen, None);
}

#[test]
fn every_size_can_be_drawn() {
    let progress = progress();
    let rationales = [rationale("你好 6 2 4\n8 8 3", Verdict::Correct)];
    for size in [(1, 1), (5, 3), (20, 8), (40, 22), (80, 24), (300, 100)] {
        for curve in [Curve::Methods, Curve::Classes, Curve::Loss] {
            let view = View { curve, ..View::default() };
            drawn(size, &progress, &rationales, &view);
            drawn(size, &RunProgress { methods: Vec::new(), ..progress.clone() }, &[], &view);
        }
    }
    let (right, wrong) = (View { only: Only::Right, ..View::default() }, View { only: Only::NotRight, ..View::default() });
    shows(&drawn((80, 24), &progress, &rationales, &right), &["1 of 1 right", "你好 6 2 4"]);
    shows(&drawn((80, 24), &progress, &rationales, &wrong), &["nothing yet"]);
}
