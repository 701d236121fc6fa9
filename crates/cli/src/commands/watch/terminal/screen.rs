//! One screen: the current stage, the curves, the stages and methods, and the model's latest rationales.

use super::curves;
use super::words::{selected, units};
use crate::progress::stage_name;
use crate::untrusted::{self, visible};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, LineGauge, Padding, Paragraph, Row, Table, Widget, Wrap};
use starloop_record::format::{count, duration, percent};
use starloop_record::types::Verdict;
use starloop_report::watch::{MethodProgress, Rationale, RunProgress, RunState, UnderWay};
use starloop_report::words::of_verdict;

/// The number of characters of a text that are shown.
const LONGEST: usize = 20_000;
/// Columns below which curves and tables do not fit beside each other.
const NARROW: u16 = 80;
/// The program's name at the left of the first line.
const PROGRAM: &str = " starloop watch  ";
/// Seconds without an event after which the screen says so, unless the stage should take longer.
const SILENCE: f64 = 120.0;

/// The reader's choices.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) curve: Curve,
    /// The chosen method; by default the one that is running.
    pub(super) chosen: Option<String>,
    pub(super) only: Only,
    /// The place of the chosen rationale.
    pub(super) place: usize,
    /// Lines of it above the screen.
    pub(super) scroll: u16,
}

/// The curves that are shown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    #[default]
    Methods,
    Classes,
    Loss,
}

/// The rationales that are browsed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    #[default]
    All,
    Right,
    NotRight,
}

/// The content of a screen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen<'a> {
    pub(super) progress: &'a RunProgress,
    pub(super) rationales: &'a [Rationale],
    pub(super) view: &'a View,
    /// The error, if the files could not be read.
    pub(super) trouble: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub(super) now: f64,
    pub(super) in_colour: bool,
}

impl Curve {
    pub(super) fn next(self) -> Self {
        match self {
            Curve::Methods => Curve::Classes,
            Curve::Classes => Curve::Loss,
            Curve::Loss => Curve::Methods,
        }
    }
}

impl Only {
    /// The next choice.
    pub(super) fn next(self) -> Self {
        match self {
            Only::All => Only::Right,
            Only::Right => Only::NotRight,
            Only::NotRight => Only::All,
        }
    }

    pub(super) fn of(self, rationales: &[Rationale]) -> impl Iterator<Item = &Rationale> {
        rationales.iter().filter(move |rationale| match self {
            Only::All => true,
            Only::Right => rationale.graded.verdict.is_correct(),
            Only::NotRight => !rationale.graded.verdict.is_correct(),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Only::All => "",
            Only::Right => " right",
            Only::NotRight => " not right",
        }
    }
}

impl View {
    /// The method that is shown.
    pub(super) fn method<'a>(&'a self, progress: &'a RunProgress) -> &'a str {
        let at_work = || progress.under_way.as_ref().map(|stage| &stage.method).or(progress.done.last().map(|work| &work.method));
        // A copy without events: the last method with a finished iteration.
        let furthest = || progress.methods.iter().rfind(|method| !method.iterations.is_empty()).map(|method| &method.info.name);
        self.chosen.as_ref().or_else(at_work).or_else(furthest).map_or("", String::as_str)
    }

    /// Shows the next method.
    pub(super) fn next_method(&mut self, progress: &RunProgress) {
        let names = || progress.methods.iter().map(|method| &method.info.name);
        let place = names().position(|name| name == self.method(progress));
        self.chosen = names().cycle().nth(place.map_or(0, |place| place + 1)).cloned();
        self.browse_to(0);
    }

    pub(super) fn browse_to(&mut self, place: usize) {
        (self.place, self.scroll) = (place, 0);
    }
}

/// The heading of a block.
pub(super) fn title(text: &str) -> Span<'static> {
    Span::styled(format!(" {text} "), Style::new().bold())
}

impl Widget for Screen<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let is_narrow = area.width < NARROW;
        // On a narrow screen the curves are above the tables, and not beside them.
        let middle = match area.height {
            ..22 => 0,
            height if is_narrow => height / 2,
            height => (height / 3).max(9),
        };
        let rows = [1, 4, middle].map(Constraint::Length);
        let [head, now, middle, below, keys] =
            Layout::vertical([rows[0], rows[1], rows[2], Constraint::Fill(1), Constraint::Length(1)]).areas(area);
        self.head(head, buffer);
        self.now(now, buffer);
        if middle.height > 0 {
            let [curves, tables] = if is_narrow {
                Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(middle)
            } else {
                Layout::horizontal([Constraint::Fill(1), Constraint::Length(48)]).areas(middle)
            };
            curves::draw(&self, curves, buffer);
            self.tables(tables, buffer);
        }
        self.rationale(below, buffer);
        self.foot(keys, buffer);
    }
}

impl Screen<'_> {
    fn coloured(&self, colour: Color) -> Style {
        if self.in_colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn head(&self, area: Rect, buffer: &mut Buffer) {
        let RunProgress { run, state, worked, last_news, left, .. } = self.progress;
        let ago = last_news.map_or_else(String::new, |last| format!(" {} ago", duration((self.now - last).max(0.0))));
        let since = last_news.map_or(0.0, |last| self.now - last);
        let state = match (state, self.silence()) {
            (RunState::Finished, _) => format!("finished after {} of work", duration(*worked)),
            (RunState::Stopped, _) => format!("stopped{ago}, after {} of work", duration(*worked)),
            (RunState::Failed, _) => format!("failed{ago}, after {} of work", duration(*worked)),
            (RunState::Running, Some(silence)) => format!("running, but no event for {}", duration(silence)),
            (RunState::Running, None) => {
                let left = left.map(|left| left - since).filter(|left| *left > 0.0);
                let left = left.map_or(String::new(), |left| format!(", at most ≈ {} left", duration(left)));
                format!("running for {}{left}", duration(worked + since))
            }
        };
        let [name, at_right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(state.chars().count() as u16 + 1)]).areas(area);
        let run = untrusted::line(run);
        // On a narrow screen the name of the run matters more than that of the program.
        let fits = PROGRAM.len() + run.chars().count() < usize::from(name.width);
        Line::from(vec![if fits { PROGRAM } else { " " }.dim(), run.bold()]).render(name, buffer);
        Line::from(state).render(at_right, buffer);
    }

    /// Seconds without an event, if they are more than the stage should take.
    fn silence(&self) -> Option<f64> {
        let since = self.now - self.progress.last_news?;
        let expected = self.progress.under_way.as_ref().and_then(|stage| stage.expected).unwrap_or(0.0);
        (since > SILENCE.max(3.0 * expected)).then_some(since)
    }

    fn now(&self, area: Rect, buffer: &mut Buffer) {
        let block = Block::bordered().title(title("now")).padding(Padding::horizontal(1));
        let [what, how_far] = Layout::vertical([Constraint::Length(1); 2]).areas(block.inner(area));
        block.render(area, buffer);
        match &self.progress.under_way {
            Some(work) => {
                let method = self.progress.methods.iter().find(|method| method.info.name == work.method);
                self.work(work, method.map_or(0, |method| method.info.estimate.iterations)).render(what, buffer);
                self.gauge(work, how_far, buffer);
            }
            None if self.progress.state == RunState::Finished => {
                Line::from("finished").render(what, buffer);
                self.warning(how_far, buffer);
            }
            None => {
                Line::from("between two stages").render(what, buffer);
                self.resume(how_far, buffer);
            }
        }
    }

    fn work<'a>(&self, work: &'a UnderWay, planned: u32) -> Line<'a> {
        let UnderWay { method, iteration, stage: what, units: total, .. } = work;
        let of = if planned > 0 { format!(" of at most {planned}") } else { String::new() };
        let place = if *iteration == 0 { ", the base: ".to_owned() } else { format!(", iteration {iteration}{of}: ") };
        Line::from(vec![
            untrusted::line(method).bold(),
            place.into(),
            Span::styled(stage_name(*what), self.coloured(Color::Cyan).bold()),
            format!(", {} {}", count(*total as f64), units(*what)).into(),
        ])
    }

    /// How to go on with a run that no process works on.
    fn resume(&self, area: Rect, buffer: &mut Buffer) {
        if let Some(command) = &self.progress.resume {
            untrusted::line(&format!("no process works on it; to continue: {command}")).render(area, buffer);
        }
    }

    fn gauge(&self, work: &UnderWay, area: Rect, buffer: &mut Buffer) {
        let elapsed = (self.now - work.since).max(0.0);
        if self.progress.state.can_be_resumed() {
            return self.resume(area, buffer);
        }
        if self.silence().is_some() {
            return Line::from("this stage was running at the last event").dim().render(area, buffer);
        }
        let Some(expected) = work.expected.filter(|expected| *expected > 0.0) else {
            let text = format!("running for {}; no estimate yet, because this is the first work of its kind", duration(elapsed));
            return Line::from(text).dim().render(area, buffer);
        };
        // A stage that is not finished is never shown as finished.
        let share = (elapsed / expected).min(0.99);
        let label = if elapsed > expected {
            format!("{} so far, longer than before", duration(elapsed))
        } else {
            format!("≈ {:.0}%, ≈ {} left", 100.0 * share, duration(expected - elapsed))
        };
        LineGauge::default()
            .ratio(share)
            .label(format!("{label:<26}"))
            .filled_symbol("━")
            .unfilled_symbol("─")
            .filled_style(self.coloured(Color::Cyan).bold())
            .unfilled_style(Style::new().dim())
            .render(area, buffer);
    }

    fn warning(&self, area: Rect, buffer: &mut Buffer) {
        if let Some(warning) = self.progress.warnings.last() {
            Line::styled(format!("! {}", untrusted::line(warning)), self.coloured(Color::Yellow)).render(area, buffer);
        }
    }

    fn tables(&self, area: Rect, buffer: &mut Buffer) {
        let methods = self.progress.methods.len() as u16 + 2;
        let [stages, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(methods.min(area.height / 2))]).areas(area);
        let heading = self.progress.done.last().map_or("stages".to_owned(), |work| {
            if work.iteration == 0 {
                format!("{}, the base", untrusted::line(&work.method))
            } else {
                format!("{}, iteration {}", untrusted::line(&work.method), work.iteration)
            }
        });
        let rows = self.progress.done.iter().map(|work| {
            let seconds = work.seconds.map_or("?".to_owned(), duration);
            let rate = work.seconds.filter(|seconds| *seconds > 0.0).map_or("?".to_owned(), |s| count(work.tokens as f64 / s));
            Row::new([stage_name(work.stage).to_owned(), count(work.units as f64), count(work.tokens as f64), rate, seconds])
        });
        let widths = [Constraint::Length(13), Constraint::Length(5), Constraint::Length(6), Constraint::Length(8), Constraint::Fill(1)];
        Table::new(rows, widths)
            .header(Row::new(["stage", "done", "tokens", "tokens/s", "time"]).style(Style::new().dim()))
            .block(Block::bordered().title(title(&heading)).title_bottom(self.selection(area.width)))
            .render(stages, buffer);
        // If there is no room for all methods, the shown one is the last.
        let room = usize::from(below.height.saturating_sub(2));
        let shown = self.progress.methods.iter().position(|method| method.info.name == self.view.method(self.progress)).unwrap_or(0);
        let above = (shown + 1).saturating_sub(room);
        let rows = self.progress.methods.iter().skip(above).map(|method| {
            let chosen = method.info.name == self.view.method(self.progress);
            let row = Row::new([untrusted::line(&method.info.name), progress_of(method), accuracy_of(method)]);
            if chosen { row.style(Style::new().bold()) } else { row }
        });
        Table::new(rows, [Constraint::Fill(1), Constraint::Length(12), Constraint::Length(14)])
            .block(Block::bordered().title(title("methods")))
            .render(below, buffer);
    }

    /// The counts of the last selection of the shown method, for a border of `width` columns.
    fn selection(&self, width: u16) -> Line<'static> {
        let name = self.view.method(self.progress);
        let method = self.progress.methods.iter().find(|method| method.info.name == name);
        let last = method.and_then(|method| method.iterations.iter().rfind(|metrics| metrics.unhinted.attempts > 0));
        let Some(metrics) = last else { return Line::default() };
        let text = selected(metrics.iteration, &metrics.selection, usize::from(width.saturating_sub(4)));
        if text.is_empty() { Line::default() } else { Line::from(format!(" {text} ")).dim() }
    }

    fn rationale(&self, area: Rect, buffer: &mut Buffer) {
        let method = untrusted::line(self.view.method(self.progress));
        let shown: Vec<&Rationale> = self.view.only.of(self.rationales).collect();
        let Some(rationale) = shown.get(self.view.place.min(shown.len().saturating_sub(1))) else {
            let block = Block::bordered().title(title(&format!("latest rationales of {method}")));
            return Paragraph::new("nothing yet").dim().block(block).render(area, buffer);
        };
        let heading = format!(
            "{method}, iteration {}, {}: {} of {}{}",
            rationale.iteration,
            rationale.purpose.label(),
            self.view.place + 1,
            shown.len(),
            self.view.only.name()
        );
        let (sign, colour) = verdict(&rationale.graded.verdict);
        let attempt = &rationale.graded.attempt;
        let name = format!("{} ({})", untrusted::line(&attempt.problem.0), untrusted::line(&attempt.class));
        let mut lines = vec![Line::from(vec![name.dim(), "  ".into(), Span::styled(sign, self.coloured(colour).bold())])];
        if let Some(problem) = &rationale.problem {
            lines.extend(laid_out(problem.text.trim_end(), Style::new().dim()));
            lines.push(Line::from(format!("known answer: {}", untrusted::line(&problem.answer))).dim());
        }
        lines.push(Line::from("─".repeat(usize::from(area.width.saturating_sub(4)))).dim());
        lines.extend(laid_out(&attempt.completion, Style::new()));
        let block = Block::bordered().title(title(&heading)).title_bottom(self.below(&lines, area)).padding(Padding::horizontal(1));
        Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((self.view.scroll, 0)).block(block).render(area, buffer);
    }

    /// How many lines of a text are below an area, and the key that shows them. A long line takes several.
    fn below(&self, lines: &[Line<'_>], area: Rect) -> Line<'static> {
        let width = usize::from(area.width.saturating_sub(4)).max(1);
        let all: usize = lines.iter().map(|line| line.width().div_ceil(width).max(1)).sum();
        let shown = usize::from(area.height.saturating_sub(2)) + usize::from(self.view.scroll);
        if all > shown { Line::from(format!(" {} more lines: ↓ ", all - shown)).dim() } else { Line::default() }
    }

    fn foot(&self, area: Rect, buffer: &mut Buffer) {
        if let Some(trouble) = self.trouble {
            return Line::styled(format!(" ! {}", untrusted::line(trouble)), self.coloured(Color::Yellow)).render(area, buffer);
        }
        let keys = [("q", "quit"), ("← →", "browse"), ("↑ ↓", "scroll"), ("v", "verdict"), ("c", "curves"), ("m", "method")];
        let gap = if area.width < NARROW { "" } else { "  " };
        let spans = keys.into_iter().flat_map(|(key, what)| [format!(" {key} ").bold(), format!("{what}{gap}").dim()]);
        Line::from(spans.collect::<Vec<_>>()).render(area, buffer);
    }
}

/// Finished iterations, and how many are planned.
fn progress_of(method: &MethodProgress) -> String {
    let finished = method.iterations.iter().map(|metrics| metrics.iteration).max();
    match (finished, method.info.estimate.iterations) {
        (None, _) => "not begun".to_owned(),
        (Some(_), 0) => "measured".to_owned(),
        (Some(finished), planned) => format!("{finished} of {planned}"),
    }
}

/// The final accuracy, or the last that was measured.
fn accuracy_of(method: &MethodProgress) -> String {
    let measured = method.iterations.iter().rfind(|metrics| metrics.accuracy.total > 0);
    method
        .final_metrics
        .as_ref()
        .or(measured)
        .map_or(String::new(), |metrics| format!("{}% {}", percent(metrics.accuracy.mean), metrics.split.name()))
}

fn verdict(verdict: &Verdict) -> (String, Color) {
    let words = of_verdict(verdict);
    let named = |said: &str| format!("{} {}: {}", words.sign, words.label, untrusted::line(said));
    match verdict {
        Verdict::Correct => (format!("{} {}", words.sign, words.label), Color::Green),
        Verdict::Wrong { predicted: said } | Verdict::Failed { reason: said } => (named(said), Color::Red),
        Verdict::Contradiction { .. } | Verdict::Unparsed | Verdict::Truncated => {
            (format!("{} {}", words.sign, words.label), Color::Yellow)
        }
    }
}

/// A text of a model or of a task, line by line.
fn laid_out(text: &str, style: Style) -> Vec<Line<'static>> {
    let cut = text.char_indices().nth(LONGEST).map(|(at, _)| at);
    let mut lines: Vec<Line<'static>> =
        visible(&text[..cut.unwrap_or(text.len())]).lines().map(|line| Line::styled(line.to_owned(), style)).collect();
    if let Some(at) = cut {
        lines.push(Line::from(format!("… ({} more characters)", text[at..].chars().count())).dim());
    }
    lines
}
