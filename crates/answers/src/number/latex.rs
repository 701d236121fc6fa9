//! LaTeX commands that can be beside a number.

use super::token::TokenKind;

/// The meaning of a command.
pub(super) enum Command {
    /// A font, a box, a size: the argument counts and the command does not.
    Markup,
    /// `\boxed`.
    Box,
    /// No space at all: `\!`.
    Nothing,
    Blank,
    Token(TokenKind),
}

/// The command at the beginning of a text, which is a backslash, with its length in bytes.
pub(super) fn command(text: &str) -> (Command, usize) {
    let name_length = text[1..].bytes().take_while(u8::is_ascii_alphabetic).count();
    if name_length == 0 {
        return symbol(text);
    }
    (named(&text[1..=name_length]), 1 + name_length)
}

fn symbol(text: &str) -> (Command, usize) {
    let c = text[1..].chars().next().unwrap_or(' ');
    let command = match c {
        '$' => Command::Token(TokenKind::Currency),
        '%' => Command::Token(TokenKind::Percent),
        '#' => Command::Token(TokenKind::Hash),
        '\\' => Command::Token(TokenKind::Line),
        '!' => Command::Nothing,
        '{' => Command::Token(TokenKind::Open('(')),
        '}' => Command::Token(TokenKind::Close(')')),
        // Thin spaces, `\(`, `\[` and escaped characters.
        _ => Command::Blank,
    };
    (command, text[1..].chars().next().map_or(1, |c| 1 + c.len_utf8()))
}

fn named(name: &str) -> Command {
    let kind = match name {
        "frac" | "dfrac" | "tfrac" | "cfrac" | "sfrac" | "nicefrac" => TokenKind::Fraction,
        "times" | "cdot" | "ast" | "bullet" => TokenKind::Times,
        "div" | "slash" => TokenKind::Divide,
        "circ" | "degree" | "degrees" | "textdegree" => TokenKind::Degree,
        "percent" => TokenKind::Percent,
        "textdollar" | "dollar" | "pounds" | "textsterling" | "euro" | "texteuro" | "yen" | "textyen" | "rupee" | "cent" | "textcent" => {
            TokenKind::Currency
        }
        "approx" | "sim" | "simeq" | "cong" | "doteq" => TokenKind::Approximately,
        "to" | "rightarrow" | "Rightarrow" | "implies" | "longrightarrow" | "Longrightarrow" => TokenKind::Equals,
        "colon" => TokenKind::Colon,
        "newline" | "n" | "r" => TokenKind::Line,
        "minus" => TokenKind::Dash,
        "quad" | "qquad" | "thinspace" | "enspace" | "space" | "hfill" | "hspace" | "nobreakspace" | "t" => return Command::Blank,
        "negthinspace" => return Command::Nothing,
        "boxed" | "fbox" | "framebox" => return Command::Box,
        _ if is_markup(name) => return Command::Markup,
        _ => TokenKind::Foreign,
    };
    Command::Token(kind)
}

fn is_markup(name: &str) -> bool {
    let name = name.trim_start_matches("text").trim_start_matches("math");
    matches!(
        name,
        "" | "rm"
            | "bf"
            | "it"
            | "sf"
            | "tt"
            | "up"
            | "normal"
            | "md"
            | "sc"
            | "sl"
            | "ord"
            | "bin"
            | "rel"
            | "cal"
            | "bb"
            | "bfit"
            | "mbox"
            | "hbox"
            | "box"
            | "boldsymbol"
            | "bm"
            | "pmb"
            | "emph"
            | "underline"
            | "operatorname"
            | "unit"
            | "si"
            | "num"
            | "ensuremath"
            | "displaystyle"
            | "style"
            | "scriptstyle"
            | "left"
            | "right"
            | "big"
            | "Big"
            | "bigg"
            | "Bigg"
            | "bigl"
            | "bigr"
            | "Large"
            | "large"
            | "Huge"
            | "huge"
            | "small"
            | "color"
            | "phantom"
            | "begin"
            | "end"
            | "therefore"
            | "because"
            | "limits"
            | "nolimits"
            | "tag"
            | "label"
    )
}
