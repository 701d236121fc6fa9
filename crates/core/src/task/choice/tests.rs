//! What models write, and how it is read. The right choice is always `television (c)`, but where a table says otherwise.

use super::*;
use StopReason::{EndToken, Length};

const CHOICES: [&str; 5] = ["radio shack", "substation", "television", "cabinet", "desk"];

/// Rows of a verdict table: completion, verdict with reading.
#[track_caller]
fn check_with(texts: &[&str], answer: usize, stop_reason: &StopReason, rows: &[(&str, &str)]) {
    let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    let misread = rows.iter().filter_map(|&(completion, expected)| {
        let grade = verify(&texts, answer, completion, stop_reason);
        let reading = grade.reading.map_or("", |reading| if reading == Reading::Strict { " strict" } else { " flexible" });
        let shown = match grade.verdict {
            Verdict::Wrong { predicted } => format!("wrong: {predicted}{reading}"),
            other => format!("{}{reading}", other.name()),
        };
        (shown != expected).then(|| format!("{completion:?} ended by {stop_reason:?} is {shown}, not {expected}"))
    });
    let misread: Vec<String> = misread.collect();
    assert!(misread.is_empty(), "{misread:#?}");
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    check_with(&CHOICES, 2, &EndToken, rows);
}

#[test]
fn answers_in_the_form_of_the_task() {
    check(&[
        (" The answer must require cable. Televisions do. Therefore, the answer is television (c).", "correct strict"),
        ("Therefore, the answer is television (C)", "correct strict"),
        ("Therefore, The Answer Is: television (c).", "correct strict"),
        ("the answer is (c).", "correct strict"),
        ("the answer is **(c)**.", "correct strict"),
        ("the answer is television (**c**).", "correct strict"),
        ("the answer is a television set (c), surely", "correct strict"),
        ("the answer is television (c). Not a desk (e).", "correct strict"),
        ("the answer is desk (e). No, the answer is television (c).", "correct strict"),
        ("the answer is unclear. The answer is television (c).", "correct strict"),
        ("the answer is television (c). The answer is useful every day (b", "correct strict"),
        (" (c).", "correct strict"),
        ("(c)", "correct strict"),
        ("(c)...\nand more (e)", "correct strict"),
        ("( c )", "correct strict"),
        // The letter decides.
        ("the answer is television (e).", "wrong: e strict"),
        ("the answer is television (c). So the answer is desk (e).", "wrong: e strict"),
        (" (a).", "wrong: a strict"),
    ]);
}

#[test]
fn answers_in_other_forms() {
    check(&[
        ("The answer is c.", "correct flexible"),
        ("The answer is C", "correct flexible"),
        ("The answer is c because of the cable.", "correct flexible"),
        ("The answer is option C, for cable.", "correct flexible"),
        ("The answer is **C**.", "correct flexible"),
        ("The answer is \"c\".", "correct flexible"),
        ("The answer is c) television", "correct flexible"),
        ("The answer is television.", "correct flexible"),
        ("The answer is the Television, not the desk.", "correct flexible"),
        ("The answer is:\n\n(c) television", "correct flexible"),
        ("Answer: C", "correct flexible"),
        ("The answer would be a television.", "correct flexible"),
        ("The best choice is television.", "correct flexible"),
        ("\\boxed{c}", "correct flexible"),
        ("\\boxed{\\text{C}}", "correct flexible"),
        ("The answer is not desk (e). It is television (c).", "correct flexible"),
        ("A desk (e) needs none, so television (c).", "correct flexible"),
        ("(a) sells radios, (b) has wires, so it is (c)", "correct flexible"),
        ("c.", "correct flexible"),
        ("C", "correct flexible"),
        ("c) television", "correct flexible"),
        ("**C.** television", "correct flexible"),
        ("C: television", "correct flexible"),
        ("Because of the cable.\nC", "correct flexible"),
        ("I would watch television.", "correct flexible"),
        ("Desks need none.\nSo it must be television, for a television has a cable.", "correct flexible"),
        ("The answer is e.", "wrong: e flexible"),
        ("The answer is a.", "wrong: a flexible"),
        ("The answer is television. So the answer is desk.", "wrong: e flexible"),
        ("The answer is not television (c) but desk (e).", "wrong: e flexible"),
        ("e) desk", "wrong: e flexible"),
    ]);
}

#[test]
fn letters_within_words_and_articles_are_no_letters() {
    check(&[
        ("The answer is a place with wires.", "unparsed"),
        ("The answer is A thing that people watch.", "unparsed"),
        ("The answer is e.g. something with wires", "unparsed"),
        ("The answer is d'accord", "unparsed"),
        ("The answer is e-mail", "unparsed"),
        ("A cable. Be it so.", "unparsed"),
        ("a cab, a bed, a deed", "unparsed"),
        ("(it has much vitamin c)", "unparsed"),
        ("a, b and d are wrong", "unparsed"),
        ("the answer is (f).", "unparsed"),
        ("(f).", "unparsed"),
        ("televisions and desks", "unparsed"),
        ("television or desk", "unparsed"),
        ("television\nI do not know.", "unparsed"),
        ("The answer is not television.\nI do not know.", "unparsed"),
        ("The answer is not television.", "unparsed"),
        ("The answer is not television (c).", "unparsed"),
        ("", "unparsed"),
        (" \n", "unparsed"),
    ]);
}

#[test]
fn answers_cut_off_by_the_token_limit() {
    check_with(
        &CHOICES,
        2,
        &Length,
        &[
            ("", "truncated"),
            ("the answer is television", "truncated"),
            ("the answer is television (c", "truncated"),
            ("it could be (c)", "truncated"),
            ("the answer is television (c)", "correct strict"),
            ("the answer is desk (e). But", "wrong: e strict"),
            ("(c)", "correct strict"),
        ],
    );
}

#[test]
fn texts_that_overlap_or_stand_twice() {
    let rows = [
        ("The answer is jewelry box.", "correct flexible"),
        ("The answer is a box.", "wrong: a flexible"),
        ("in a jewelry box", "correct flexible"),
    ];
    check_with(&["box", "jewelry box", "jewelry"], 1, &EndToken, &rows);
    let rows =
        [("The answer is neck.", "unparsed"), ("The answer is neck (b).", "correct strict"), ("The answer is arm.", "wrong: c flexible")];
    check_with(&["neck", "Neck", "arm"], 1, &EndToken, &rows);
    check_with(
        &["1,000", "10", "u.s."],
        2,
        &EndToken,
        &[("The answer is u.s. (c).", "correct flexible"), ("the answer is 1,000", "wrong: a flexible")],
    );
}

#[test]
fn a_choice_may_begin_as_a_negation_does() {
    let rows = [
        ("The answer is not hungry (b).", "correct strict"),
        ("The answer is not hungry.", "correct flexible"),
        ("The answer is not full (a).", "unparsed"),
    ];
    check_with(&["full", "not hungry", "unlikely"], 1, &EndToken, &rows);
}

#[test]
fn the_rationale_ends_before_the_conclusion() {
    for (completion, expected) in [
        (" It needs cable. Televisions do. Therefore, the answer is television (c).", " It needs cable. Televisions do."),
        (" Therefore, the answer is television (c).", ""),
        ("It needs cable\nSo the answer is television (c).", "It needs cable\n"),
        (" (c).", ""),
    ] {
        assert_eq!(rationale(completion), expected);
    }
}

/// What a hedge settles on: nothing.
#[test]
fn of_two_alternatives_neither_is_the_answer() {
    check(&[
        ("The answer is (a) or (c).", "unparsed"),
        ("The answer is (c) or (a).", "unparsed"),
        ("The answer is c or a.", "unparsed"),
        ("The answer is desk or television.", "unparsed"),
        ("The answer is desk (e) or television (c).", "unparsed"),
        ("The answer is desk or television (c).", "unparsed"),
        ("The answer is a television, or maybe the desk", "unparsed"),
        ("#### (a) or (c)", "unparsed"),
        ("(a) or (c)", "unparsed"),
        ("The answer is (a) or (c). The answer is useful.", "unparsed"),
        ("It is (a) or (c). The answer is television (c).", "correct strict"),
        ("The answer is (a) or (c). No, the answer is television (c).", "correct strict"),
        ("The answer is television (c), for (a) or (b) has none.", "correct strict"),
        ("The answer is television or television set (c).", "correct strict"),
        ("The answer is television (c), whether new or a bit older.", "correct strict"),
        ("Either (a) or (b) has wires, so (c)", "correct flexible"),
    ]);
    check_with(
        &["fall", "trip", "fall or trip"],
        2,
        &EndToken,
        &[("The answer is fall or trip (c).", "correct strict"), ("fall or trip", "correct flexible")],
    );
    check_with(&CHOICES, 2, &Length, &[("The answer is (a) or (c).", "truncated")]);
}

#[test]
fn a_text_that_is_a_conclusion_needs_no_mark() {
    let texts = CHOICES.map(str::to_owned);
    for (said, expected) in [
        ("C", Verdict::Correct),
        ("c, for cable", Verdict::Correct),
        ("the television", Verdict::Correct),
        ("(a)", Verdict::Wrong { predicted: "a".to_owned() }),
        ("(a) or (c)", Verdict::Unparsed),
        ("not (c)", Verdict::Unparsed),
        ("cable", Verdict::Unparsed),
        ("", Verdict::Unparsed),
    ] {
        assert_eq!(verify_conclusion(&texts, 2, said).verdict, expected, "{said}");
    }
}

const PLACES: [&str; 5] = ["bank", "library", "department store", "mall", "new york bank"];

#[test]
fn a_conclusion_is_read_whatever_its_spelling() {
    check_with(
        &PLACES,
        1,
        &EndToken,
        &[
            (" You borrow books there. Therefore, the answer is library (b).", "correct strict"),
            ("The answer is (b)", "correct strict"),
            ("The answer is (B).", "correct strict"),
            ("The answer is B.", "correct flexible"),
            ("The answer is b", "correct flexible"),
            ("the ANSWER IS: **b**", "correct flexible"),
            ("Answer:\n(b) library", "correct flexible"),
            ("so\n#### b", "correct strict"),
            ("so\n#### (b)\n", "correct strict"),
            ("The answer is b) library", "correct flexible"),
            ("The answer is b. It has books.", "correct flexible"),
            ("The answer is B because of the books", "correct flexible"),
            ("The answer is a library", "correct flexible"),
            ("The answer is the Library, not the bank.", "correct flexible"),
            ("The answer is library", "correct flexible"),
            ("The answer is not (a) but (b)", "correct flexible"),
            ("The answer is (b), not (a)", "correct strict"),
            ("The answer is not bank, it is the library", "correct flexible"),
            ("The answer is (a). No: the answer is (b).", "correct strict"),
            ("(a) is where money is. The answer is (b).", "correct strict"),
            ("The answer is A.", "wrong: a flexible"),
            ("The answer is (b). On second thought, the answer is (c).", "wrong: c strict"),
            ("The answer is new york bank", "wrong: e flexible"),
            ("The answer is department store", "wrong: c flexible"),
            ("The answer is bank", "wrong: a flexible"),
            ("The answer is A dog", "unparsed"),
            ("The answer is (f)", "unparsed"),
            ("The answer is F", "unparsed"),
            ("The answer is banking", "unparsed"),
            ("The answer is", "unparsed"),
            ("The answer is in the cab", "unparsed"),
        ],
    );
}

#[test]
fn without_a_conclusion_the_last_choice_counts() {
    check_with(
        &PLACES,
        1,
        &EndToken,
        &[
            ("(b)", "correct strict"),
            ("b.", "correct flexible"),
            ("B", "correct flexible"),
            ("B) library", "correct flexible"),
            ("It is not (a). So (b)", "correct flexible"),
            ("A bank is for money.\nIt must be a library.", "correct flexible"),
            ("library", "correct flexible"),
            ("(a) or (c)", "unparsed"),
            ("A", "wrong: a flexible"),
            ("A dog", "unparsed"),
            ("a b c", "unparsed"),
            ("abc", "unparsed"),
            ("", "unparsed"),
            ("\n\n", "unparsed"),
            ("é(", "unparsed"),
            ("I do not know", "unparsed"),
            ("library\nI do not know", "unparsed"),
        ],
    );
}

#[test]
fn what_was_cut_off_has_an_answer_only_where_it_is_closed() {
    check_with(
        &PLACES,
        1,
        &Length,
        &[
            ("The answer is library (b)", "correct strict"),
            ("The answer is bank (a)", "wrong: a strict"),
            ("#### b\nand so on", "correct strict"),
            ("The answer is library.\n", "truncated"),
            // It may have become `bank`.
            ("#### b", "truncated"),
            ("The answer is library", "truncated"),
            ("So (b)", "truncated"),
            ("The", "truncated"),
            ("", "truncated"),
        ],
    );
}

#[test]
fn a_known_answer_is_a_letter_or_a_text() {
    let choices = ["red", "Blue", "b"].map(str::to_owned);
    for (answer, index) in
        [("a", Some(0)), ("A", Some(0)), ("(a)", Some(0)), ("C.", Some(2)), ("red", Some(0)), (" blue ", Some(1)), ("b", None), ("B", None)]
    {
        assert_eq!(known(answer, &choices), index, "{answer}");
    }
    assert_eq!([known("d", &choices), known("blu", &choices), known("", &choices), known("1", &choices)], [None; 4]);
    let shared = ["arm", "Neck", "neck", "neck"].map(str::to_owned);
    assert_eq!(
        [known("Neck", &shared), known("neck", &shared), known("NECK", &shared), known("(c)", &shared)],
        [Some(1), None, None, Some(2)]
    );
}
