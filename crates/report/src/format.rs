//! Numbers, shares and durations as text. Every table of the program uses these functions.

/// A share in percent, with one decimal and without the sign. A share between 0 and 1 is never rounded to 0.0 or 100.0.
pub fn percent(share: f64) -> String {
    let rounded = (share * 1000.0).round() / 10.0;
    let shown = if share > 0.0 && share < 1.0 { rounded.clamp(0.1, 99.9) } else { rounded };
    format!("{shown:.1}")
}

/// An interval of shares in percent, such as `59.8..70.5`.
pub fn interval([low, high]: [f64; 2]) -> String {
    format!("{}..{}", percent(low), percent(high))
}

/// A whole number with commas, such as `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// A number with three or four digits: `950`, `12.3k`, `446.9k`, `4.56M`, `2.50G`.
pub fn short(number: f64) -> String {
    match number {
        n if n < 999.5 => format!("{n:.0}"),
        n if n < 999_950.0 => format!("{:.1}k", n / 1e3),
        n if n < 999.995e6 => format!("{:.2}M", n / 1e6),
        n => format!("{:.2}G", n / 1e9),
    }
}

/// A duration in the two largest units: `9.4 s`, `49 s`, `1 min 49 s`, `2 h 05 min`, `3 d 4 h`. A negative duration is shown as `0.0 s`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// The word for a number of things: `1 step`, `1,200 steps`.
pub fn plural(number: u64, one: &str) -> String {
    format!("{} {one}{}", thousands(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_does_not_round_to_perfection() {
        assert_eq!([0.0, 0.0001, 0.5, 0.9999, 1.0].map(percent), ["0.0", "0.1", "50.0", "99.9", "100.0"]);
        assert_eq!(interval([0.5984, 0.705]), "59.8..70.5");
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [
            (0.0, "0"),
            (999.0, "999"),
            (12_345.0, "12.3k"),
            (446_912.0, "446.9k"),
            (999_960.0, "1.00M"),
            (4_560_000.0, "4.56M"),
            (2.5e9, "2.50G"),
        ];
        for (number, expected) in numbers {
            assert_eq!(short(number), expected);
        }
        assert_eq!([0, 999, 1_000, 12_345_678].map(thousands), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([plural(1, "step"), plural(1_200, "step")], ["1 step", "1,200 steps"]);
    }

    #[test]
    fn durations_have_two_units() {
        let durations = [
            (-1.0, "0.0 s"),
            (0.44, "0.4 s"),
            (9.96, "10 s"),
            (59.6, "1 min 00 s"),
            (754.0, "12 min 34 s"),
            (3_660.0, "1 h 01 min"),
            (180_000.0, "2 d 2 h"),
        ];
        for (seconds, expected) in durations {
            assert_eq!(duration(seconds), expected);
        }
    }
}
