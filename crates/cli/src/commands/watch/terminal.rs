//! The screen of `starloop watch`. It is drawn again when the files of the run change.

mod curves;
mod screen;
mod words;

use crate::console;
use crate::usage::UsageError;
use anyhow::{Result, bail};
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::Widget;
use screen::{Screen, View};
use starloop_report::watch::{Rationale, RunProgress, Watch};
use std::io::IsTerminal;
use std::time::{Duration, Instant, SystemTime};

/// The time to wait for a key before the clocks are drawn again.
const TICK: Duration = Duration::from_millis(250);
/// The time after which files are read again although the event log has not grown, as in a directory that is being copied.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of attempts and the number of answers that can be browsed.
const RATIONALES: usize = 40;
/// Lines of a screen that is printed.
const PRINTED_LINES: u16 = 40;

/// Prints one screen.
pub fn print_once(watch: Watch) -> Result<()> {
    console::print(&State::read(watch)?.print(console::width() as u16))
}

/// Shows the run until a key ends it.
pub fn follow(watch: Watch) -> Result<()> {
    let mut state = State::read(watch)?;
    if !std::io::stdout().is_terminal() {
        bail!(UsageError::Request(
            "standard output is not a terminal, and the screen needs one; use --once to print one screen".to_owned()
        ));
    }
    let mut terminal = ratatui::try_init()?;
    // Ctrl-C must restore the terminal too.
    let _ = ctrlc::set_handler(|| {
        ratatui::restore();
        std::process::exit(130);
    });
    let outcome = state.follow(&mut terminal);
    ratatui::restore();
    outcome
}

/// The latest state of the run, and the reader's choices.
struct State {
    watch: Watch,
    progress: RunProgress,
    rationales: Vec<Rationale>,
    mark: Option<u64>,
    read: Instant,
    /// The error of the last reading, if the files could not be read.
    trouble: Option<String>,
    view: View,
    in_colour: bool,
}

impl State {
    fn read(watch: Watch) -> Result<Self> {
        let (mark, progress) = (watch.mark(), watch.progress()?);
        let in_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let view = View::default();
        let mut state = State { watch, progress, rationales: Vec::new(), mark, read: Instant::now(), trouble: None, view, in_colour };
        state.read_rationales()?;
        Ok(state)
    }

    fn follow(&mut self, terminal: &mut ratatui::DefaultTerminal) -> Result<()> {
        loop {
            self.refresh();
            terminal.draw(|frame| frame.render_widget(self.screen(), frame.area()))?;
            if event::poll(TICK)?
                && let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && !self.press(key)
            {
                return Ok(());
            }
        }
    }

    /// Reads what may have changed. A file that is being copied can be incomplete; what was read before stays until it is complete.
    fn refresh(&mut self) {
        let mark = self.watch.mark();
        if mark == self.mark && self.read.elapsed() < PATIENCE {
            return;
        }
        self.read = Instant::now();
        let progress = self.watch.progress().map(|progress| {
            self.progress = progress;
            self.mark = mark;
        });
        self.trouble = progress.map_err(anyhow::Error::from).and_then(|()| self.read_rationales()).err().map(|error| error.to_string());
    }

    fn read_rationales(&mut self) -> Result<()> {
        let method = self.view.method(&self.progress).to_owned();
        let rationales = self.watch.rationales(&method, RATIONALES)?;
        if rationales != self.rationales {
            self.rationales = rationales;
            self.view.browse_to(0);
        }
        Ok(())
    }

    /// Handles a key. Returns whether to go on.
    fn press(&mut self, key: KeyEvent) -> bool {
        let shown = self.view.only.of(&self.rationales).count();
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
            KeyCode::Char('c') => self.view.curve = self.view.curve.next(),
            KeyCode::Char('v') => {
                self.view.only = self.view.only.next();
                self.view.browse_to(0);
            }
            KeyCode::Char('m') => {
                self.view.next_method(&self.progress);
                self.trouble = self.read_rationales().err().map(|error| error.to_string());
            }
            KeyCode::Right | KeyCode::Char('n' | ' ') if shown > 0 => self.view.browse_to((self.view.place + 1) % shown),
            KeyCode::Left | KeyCode::Char('p') if shown > 0 => self.view.browse_to((self.view.place + shown - 1) % shown),
            KeyCode::Down => self.view.scroll = self.view.scroll.saturating_add(1),
            KeyCode::Up => self.view.scroll = self.view.scroll.saturating_sub(1),
            _ => {}
        }
        true
    }

    fn screen(&self) -> Screen<'_> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let State { progress, rationales, view, in_colour, .. } = self;
        Screen { progress, rationales, view, trouble: self.trouble.as_deref(), now, in_colour: *in_colour }
    }

    /// A screen as text.
    fn print(&self, width: u16) -> String {
        let area = Rect::new(0, 0, width, PRINTED_LINES);
        let mut buffer = Buffer::empty(area);
        Screen { in_colour: false, ..self.screen() }.render(area, &mut buffer);
        text_of(&buffer)
    }
}

/// The characters of a buffer, line by line.
fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in buffer.area.rows().map(|row| row.y) {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character takes two cells.
            x += Span::raw(symbol).width().max(1) as u16;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
