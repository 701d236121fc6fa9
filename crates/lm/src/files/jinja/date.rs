//! The date of `strftime_now`. Templates have no clock: every call gets the same day, so that a prompt is the same tomorrow.

use minijinja::{Error, ErrorKind};

/// The day that templates see: year, month and day. Llama 3's templates name it where they have no clock.
pub const TODAY: (u16, u8, u8) = (2024, 7, 26);

/// [`TODAY`] at midnight in the notation of C's `strftime`. A minus removes a leading zero.
pub(super) fn strftime_now(format: &str) -> Result<String, Error> {
    let (year, month, day) = TODAY;
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut code = characters.next();
        let unpadded = code == Some('-');
        if unpadded {
            code = characters.next();
        }
        let number = |value: u16, width: usize| if unpadded { value.to_string() } else { format!("{value:0width$}") };
        text += &match code {
            Some('Y') => year.to_string(),
            Some('y') => number(year % 100, 2),
            Some('m') => number(month.into(), 2),
            Some('d') => number(day.into(), 2),
            Some('j') => number(208, 3),
            Some('B') => "July".into(),
            Some('b') => "Jul".into(),
            Some('A') => "Friday".into(),
            Some('a') => "Fri".into(),
            Some('H' | 'M' | 'S') => number(0, 2),
            Some('I') => number(12, 2),
            Some('p') => "AM".into(),
            Some('F') => [number(year, 4), number(month.into(), 2), number(day.into(), 2)].join("-"),
            Some('%') => "%".into(),
            other => {
                let code = other.map_or_else(String::new, String::from);
                let message = format!("strftime_now: %{code} is not supported; numbers and names of a day and of a time are");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
    }
    Ok(text)
}
