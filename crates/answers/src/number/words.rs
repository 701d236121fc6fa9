//! Words that have a meaning beside a number.

/// Words that make a number negative, before it, or subtract, between two.
pub(super) fn is_minus(word: &str) -> bool {
    is_one_of(word, &["minus", "negative", "moins", "menos", "минус", "负", "負", "マイナス"])
}

/// An operator between two numbers.
pub(super) fn is_operator(word: &str) -> bool {
    is_minus(word) || is_listed(word, "plus times multiplied divided mal geteilt por fois mod")
}

/// `equals`, between two sides of an equation.
pub(super) fn is_equality(word: &str) -> bool {
    is_one_of(word, &["equals", "equal", "gleich"])
}

/// The power of ten of a scale word. `is_glued` distinguishes `3M` from `3 M`, and `is_money` distinguishes `$3m` from three metres.
pub(super) fn scale(word: &str, is_glued: bool, is_money: bool) -> Option<u32> {
    Some(match word {
        "k" => 3,
        "K" if is_glued || is_money => 3,
        "M" => 6,
        "B" if is_glued || is_money => 9,
        "m" if is_money && is_glued => 6,
        "b" if is_money && is_glued => 9,
        "T" | "t" if is_money && is_glued => 12,
        _ => return named_scale(word),
    })
}

fn named_scale(word: &str) -> Option<u32> {
    const SCALES: [(&[&str], u32); 9] = [
        (&["hundred", "hundert", "百"], 2),
        (&["thousand", "thousands", "tausend", "mille", "mil", "тысяч", "тысячи", "тысяча", "тыс", "千", "हज़ार", "हजार", "ألف", "آلاف"], 3),
        (&["万", "萬", "만"], 4),
        (&["lakh", "lakhs", "lac", "लाख"], 5),
        (
            &[
                "million",
                "millions",
                "mn",
                "mio",
                "mln",
                "mil.",
                "millionen",
                "millón",
                "millones",
                "milhão",
                "milhões",
                "milione",
                "milioni",
                "миллион",
                "миллиона",
                "миллионов",
                "млн",
                "مليون",
                "百万",
            ],
            6,
        ),
        (&["crore", "crores", "करोड़"], 7),
        (&["亿", "億", "억"], 8),
        (
            &[
                "billion",
                "billions",
                "bn",
                "mrd",
                "milliarde",
                "milliarden",
                "milliard",
                "milliards",
                "миллиард",
                "миллиарда",
                "миллиардов",
                "млрд",
            ],
            9,
        ),
        (&["trillion", "trillions", "tn", "兆"], 12),
    ];
    SCALES.iter().find(|(names, _)| is_one_of(word, names)).map(|&(_, power)| power)
}

/// The scale that a word of a script without blanks begins with, and its length: `万` of `万元`. `千米` and `千克` are units.
pub(super) fn scale_prefix(word: &str) -> Option<(u32, usize)> {
    const SCALES: [(&str, u32); 10] =
        [("百万", 6), ("千万", 7), ("万", 4), ("萬", 4), ("亿", 8), ("億", 8), ("百", 2), ("千", 3), ("만", 4), ("억", 8)];
    let is_unit = ["千米", "千克", "千瓦", "千卡", "百分"].iter().any(|unit| word.starts_with(unit));
    SCALES.iter().find(|(scale, _)| !is_unit && word.starts_with(scale)).map(|(scale, power)| (*power, scale.len()))
}

/// Letters before a number that name a currency: `Rs 5`, `USD 5`, `US$5`.
pub(super) fn is_currency_code(word: &str) -> bool {
    is_listed(
        word,
        "rs inr usd us eur gbp jpy cny rmb chf cad aud nzd hkd sgd krw mxn brl rub try zar php thb idr rp pln sek nok dkk kr fr \
         hk nt ngn kes ksh pkr bdt tk sar aed egp vnd myr rm",
    ) || matches!(word, "A" | "C" | "R" | "S" | "NZ")
}

/// Letters that only count as a currency right before a currency symbol: `A$5`, `R$5`.
pub(super) fn needs_symbol(word: &str) -> bool {
    matches!(word, "A" | "C" | "R" | "S" | "NZ") || is_one_of(word, &["us", "hk", "nt", "try", "rm", "fr", "tk"])
}

/// A word that continues the sentence and so is no unit of the number before it.
pub(super) fn ends_quantity(word: &str) -> bool {
    is_listed(
        word,
        "a after again all already altogether an and are as at be because been before but by can could did do does during each \
         every for from had has have he hence how i if in instead into is it its just left less more must my no not of on only \
         or our out over per she since so than that the their then there therefore these they this thus to too total under \
         until was we were what when where which while who will with without would you und oder ist et ou est y o es e é и или",
    )
}

/// A word before a number that makes it the name of a thing: `step 3`.
pub(super) fn is_label(word: &str) -> bool {
    is_listed(
        word,
        "step steps question problem equation eq eqn figure fig table example exercise case method section chapter part note \
         line approach option schritt étape paso passo шаг",
    )
}

/// Words that may stand between a mark and the answer.
pub(crate) fn is_filler(word: &str) -> bool {
    is_listed(
        word,
        "about actually again also an approximately are around be become becomes clearly definitely equal equals exactly \
         finally hence indeed is it its just likely now of only probably roughly s simply so still surely that the therefore \
         thus to was etwa genau environ exactamente 约 约为 大约 等于 为 是 约是",
    )
}

/// Joins two numbers of which neither alone is the answer.
pub(super) fn is_joiner(word: &str) -> bool {
    is_listed(word, "and or to und oder bis et ou à y o u e и или до 和 或 或者 到 と または और या و أو")
}

/// A joiner between alternatives, or between the ends of a range.
pub(super) fn is_alternative(word: &str) -> bool {
    is_listed(word, "or to oder bis ou à или до 或 或者 到 または या أو")
}

/// The dimension of a unit, for units of which one quantity often has two: `2 hours and 30 minutes`.
pub(super) fn dimension(word: &str) -> Option<u8> {
    const DIMENSIONS: [&[&str]; 5] = [
        &[
            "year", "years", "month", "months", "week", "weeks", "day", "days", "hour", "hours", "hr", "hrs", "h", "minute", "minutes",
            "min", "mins", "second", "seconds", "sec", "secs", "s",
        ],
        &[
            "mile",
            "miles",
            "yard",
            "yards",
            "yd",
            "foot",
            "feet",
            "ft",
            "inch",
            "inches",
            "in",
            "km",
            "kilometers",
            "m",
            "meters",
            "meter",
            "cm",
            "centimeters",
            "mm",
        ],
        &["ton", "tons", "pound", "pounds", "lb", "lbs", "ounce", "ounces", "oz", "kg", "kilograms", "g", "grams", "mg"],
        &["dollar", "dollars", "cent", "cents", "euro", "euros", "pounds", "pence", "rupees", "paise"],
        &["gallon", "gallons", "quart", "quarts", "pint", "pints", "cup", "cups", "liter", "liters", "ml", "l"],
    ];
    DIMENSIONS.iter().position(|names| is_one_of(word, names)).map(|at| at as u8)
}

/// A statement of confidence behind a percentage: `I am 99% sure`.
pub(super) fn is_confidence(word: &str) -> bool {
    is_one_of(word, &["sure", "certain", "confident", "confidence", "certainty", "positive"])
}

/// A word that joins with the word behind it to one unit.
pub(super) fn begins_unit(word: &str) -> bool {
    is_listed(word, "square sq cubic cu fluid fl us metric light")
}

/// Compares words without regard to case.
pub(crate) fn is_one_of(word: &str, names: &[&str]) -> bool {
    names.iter().any(|name| is_same_word(word, name))
}

fn is_same_word(word: &str, lower: &str) -> bool {
    if word.is_ascii() {
        return word.eq_ignore_ascii_case(lower);
    }
    word.chars().filter(|&c| !super::digits::is_invisible(c)).flat_map(char::to_lowercase).eq(lower.chars())
}

/// Returns true if a word is in a list of words between blanks, without regard to case.
pub(crate) fn is_listed(word: &str, list: &str) -> bool {
    list.split_ascii_whitespace().any(|name| is_same_word(word, name))
}
