//! Numbers as text for people. Every table, message and page writes a quantity in the same way.

use bytesize::ByteSize;

/// A share in 0..=1 in percent, with one decimal and without the sign: `95.2`.
pub fn percent(share: f64) -> String {
    percent_to(share, 1)
}

/// The same with `decimals` decimals. Halves are rounded up. A share between 0 and 1 is never shown as 0 or 100.
pub fn percent_to(share: f64, decimals: usize) -> String {
    let unit = 10_f64.powi(decimals as i32);
    let rounded = (100.0 * unit * share).round() / unit;
    let shown = if share > 0.0 && share < 1.0 { rounded.clamp(1.0 / unit, 100.0 - 1.0 / unit) } else { rounded };
    format!("{shown:.decimals$}")
}

/// A mean in 0..=1 with its interval, in percent: `95.2% (91.4-97.4)`.
pub fn interval(mean: f64, [low, high]: [f64; 2]) -> String {
    interval_to(mean, [low, high], 1)
}

/// The same with `decimals` decimals.
pub fn interval_to(mean: f64, [low, high]: [f64; 2], decimals: usize) -> String {
    let [mean, low, high] = [mean, low, high].map(|share| percent_to(share, decimals));
    format!("{mean}% ({low}-{high})")
}

/// The ends of an interval of shares in percent: `59.8..70.5`.
pub fn range([low, high]: [f64; 2]) -> String {
    format!("{}..{}", percent(low), percent(high))
}

/// A whole number with commas: `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// A number of things with its word: `1 step`, `1,200 steps`.
pub fn plural(number: u64, one: &str) -> String {
    format!("{} {one}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// Seconds: `9.4 s`, `45 s`, `1 min 49 s`, `12 min`, `2 h 05 min`, `3 d 4 h`, rounded. A negative time is shown as 0, one that is not finite as `?`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".to_owned();
    }
    let seconds = seconds.max(0.0);
    let [whole, minutes, hours] = [1.0, 60.0, 3600.0].map(|unit| (seconds / unit).round() as u64);
    match (whole, minutes) {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        (0..60, _) => format!("{whole} s"),
        (60..600, _) => format!("{} min {:02} s", whole / 60, whole % 60),
        (_, 0..60) => format!("{minutes} min"),
        (_, 60..1440) => format!("{} h {:02} min", minutes / 60, minutes % 60),
        _ => format!("{} d {} h", hours / 24, hours % 24),
    }
}

/// A count with three digits: `9999`, `12.3k`, `123k`, `4.56M`, `2.50G`. Counts below ten thousand are exact.
pub fn count(number: f64) -> String {
    if number.abs() < 9999.5 {
        return format!("{number:.0}");
    }
    let scales = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];
    // The first scale at which three digits suffice.
    let (scale, unit) = scales.into_iter().find(|(scale, _)| number.abs() / scale < 999.5).unwrap_or((1e12, "T"));
    let scaled = number / scale;
    let decimals = if scaled.abs() < 9.995 { 2 } else { usize::from(scaled.abs() < 99.95) };
    format!("{scaled:.decimals$}{unit}")
}

/// Bytes in decimal units: `900 B`, `614.0 MB`, `12.9 GB`.
pub fn bytes(number: u64) -> String {
    ByteSize(number).display().si().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_does_not_round_to_perfection() {
        assert_eq!([0.0, 0.0001, 0.5, 0.9999, 1.0].map(percent), ["0.0", "0.1", "50.0", "99.9", "100.0"]);
        assert_eq!([0.0, 0.001, 0.085, 0.999, 1.0].map(|share| percent_to(share, 0)), ["0", "1", "9", "99", "100"]);
        assert_eq!(interval(0.952, [0.914, 0.974]), "95.2% (91.4-97.4)");
        assert_eq!(interval_to(0.952, [0.914, 0.974], 0), "95% (91-97)");
        assert_eq!(range([0.5984, 0.705]), "59.8..70.5");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, expected) in [
            (-1.0, "0.0 s"),
            (0.04, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.6, "1 min 00 s"),
            (109.0, "1 min 49 s"),
            (754.0, "13 min"),
            (3_580.0, "1 h 00 min"),
            (3_660.0, "1 h 01 min"),
            (86_340.0, "23 h 59 min"),
            (86_399.0, "1 d 0 h"),
            (180_000.0, "2 d 2 h"),
            (f64::INFINITY, "?"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn counts_and_bytes_are_short() {
        for (number, expected) in [
            (0.0, "0"),
            (999.0, "999"),
            (9_999.0, "9999"),
            (9_999.6, "10.0k"),
            (12_345.0, "12.3k"),
            (123_456.0, "123k"),
            (999_600.0, "1.00M"),
            (4_560_000.0, "4.56M"),
            (45_600_000.0, "45.6M"),
            (5e8, "500M"),
            (2.5e9, "2.50G"),
            (1e16, "10000T"),
        ] {
            assert_eq!(count(number), expected);
        }
        assert_eq!([0, 999, 1_000, 12_345_678].map(thousands), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!([plural(1, "step"), plural(1_200, "step")], ["1 step", "1,200 steps"]);
        assert_eq!([900, 614_000_000, 12_900_000_000].map(bytes), ["900 B", "614.0 MB", "12.9 GB"]);
    }
}
