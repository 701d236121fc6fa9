//! Numbers, shares and durations as text. Every table of the program uses these functions.

/// A share in percent, with one decimal and without the sign. A share between 0 and 1 is never rounded to 0.0 or 100.0.
pub fn percent(share: f64) -> String {
    let rounded = (share * 1000.0).round() / 10.0;
    let shown = if share > 0.0 && share < 1.0 { rounded.clamp(0.1, 99.9) } else { rounded };
    format!("{shown:.1}")
}

/// The ends of an interval of shares in percent, such as `59.8..70.5`.
pub fn range([low, high]: [f64; 2]) -> String {
    format!("{}..{}", percent(low), percent(high))
}

/// A whole number with commas, such as `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// A count with at least three digits: `9999`, `12.3k`, `447k`, `4.56M`. Counts below ten thousand are exact.
pub fn count(number: f64) -> String {
    if number < 9999.5 {
        return format!("{number:.0}");
    }
    let units = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];
    let fits = |(unit, _): &(f64, &str)| number / unit < 999.5;
    let (unit, name) = units.into_iter().find(fits).unwrap_or((1e12, "T"));
    match number / unit {
        ones if ones < 9.995 => format!("{ones:.2}{name}"),
        tens if tens < 99.95 => format!("{tens:.1}{name}"),
        hundreds => format!("{hundreds:.0}{name}"),
    }
}

/// A duration in one or two units: `9.4 s`, `49 s`, `1 min 49 s`, `12 min`, `2 h 05 min`, `3 d 4 h`. A negative duration is shown as 0, and one
/// that is not finite as `?`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".to_owned();
    }
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..600 => format!("{} min {:02} s", whole / 60, whole % 60),
        600..3600 => format!("{} min", whole / 60),
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
        assert_eq!(range([0.5984, 0.705]), "59.8..70.5");
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [
            (0.0, "0"),
            (9_999.0, "9999"),
            (12_345.0, "12.3k"),
            (446_912.0, "447k"),
            (999_600.0, "1.00M"),
            (45_600_000.0, "45.6M"),
            (2.5e9, "2.50G"),
        ];
        for (number, expected) in numbers {
            assert_eq!(count(number), expected);
        }
        assert_eq!([0, 999, 1_000, 12_345_678].map(thousands), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([plural(1, "step"), plural(1_200, "step")], ["1 step", "1,200 steps"]);
    }

    #[test]
    fn durations_have_at_most_two_units() {
        let durations = [
            (-1.0, "0.0 s"),
            (0.44, "0.4 s"),
            (9.96, "10 s"),
            (59.6, "1 min 00 s"),
            (754.0, "12 min"),
            (3_660.0, "1 h 01 min"),
            (180_000.0, "2 d 2 h"),
            (f64::NAN, "?"),
        ];
        for (seconds, expected) in durations {
            assert_eq!(duration(seconds), expected);
        }
    }
}
