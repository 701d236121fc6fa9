//! A small writer of SVG documents.

use std::fmt::Write as _;

const FONT: &str = "Helvetica, Arial, Liberation Sans, sans-serif";

/// A place on the page in pixels, from the upper left corner.
pub(super) type Point = (f64, f64);

/// A document under construction.
#[derive(Debug, Default)]
pub(super) struct Svg {
    body: String,
}

/// The stroke of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) colour: &'static str,
    pub(super) width: u8,
    pub(super) opacity: f64,
}

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextStyle {
    /// Height of the font in pixels.
    pub(super) size: f64,
    pub(super) colour: &'static str,
    pub(super) anchor: Anchor,
}

/// The part of a text that stands at its position.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// A line through places.
    pub(super) fn line(&mut self, places: &[Point], Stroke { colour, width, opacity }: Stroke) {
        let points = points(places);
        let _ = writeln!(
            self.body,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}" points="{points}"/>"#
        );
    }

    /// A filled polygon.
    pub(super) fn polygon(&mut self, corners: &[Point], fill: &str) {
        let _ = writeln!(self.body, r#"<polygon fill="{fill}" points="{}"/>"#, points(corners));
    }

    /// A filled circle.
    pub(super) fn circle(&mut self, (x, y): Point, radius: f64, fill: &str) {
        let _ = writeln!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="{fill}"/>"#);
    }

    /// A line of text whose middle is at the height of its place.
    pub(super) fn text(&mut self, content: &str, (x, y): Point, style: TextStyle) {
        self.set(content, &format!(r#"x="{x:.1}" y="{y:.1}""#), style);
    }

    /// The same, turned to be read from below to above.
    pub(super) fn upward_text(&mut self, content: &str, (x, y): Point, style: TextStyle) {
        self.set(content, &format!(r#"transform="translate({x:.1},{y:.1}) rotate(-90)""#), style);
    }

    fn set(&mut self, content: &str, place: &str, TextStyle { size, colour, anchor }: TextStyle) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let content = escaped(content);
        let _ = writeln!(
            self.body,
            r#"<text {place} dy="0.35em" text-anchor="{anchor}" font-family="{FONT}" font-size="{size}" fill="{colour}">{content}</text>"#
        );
    }

    /// The document on white paper. Screen readers read its title.
    pub(super) fn document(self, title: &str, (width, height): Point) -> String {
        format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
             <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            escaped(title),
            self.body
        )
    }
}

fn points(places: &[Point]) -> String {
    places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

/// A text without markup and without the control characters that XML forbids.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}')) {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            other => safe.push(other),
        }
    }
    safe
}
