//! What models write, and how it is read. The right choice is always `television (c)`, but where a table says otherwise.

use super::*;
use FinishReason::{Length, Stop};

const CHOICES: [&str; 5] = ["radio shack", "substation", "television", "cabinet", "desk"];

/// Rows of a verdict table: completion, verdict with reading.
#[track_caller]
fn check_with(texts: &[&str], answer: usize, finish: FinishReason, rows: &[(&str, &str)]) {
    let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    for &(completion, expected) in rows {
        let grade = verify(&texts, answer, completion, finish);
        let reading = grade.reading.map_or("", |reading| if reading == Reading::Strict { " strict" } else { " flexible" });
        let shown = match grade.verdict {
            Verdict::Wrong { predicted } => format!("wrong: {predicted}{reading}"),
            other => format!("{}{reading}", other.name()),
        };
        assert_eq!(shown, expected, "{completion:?} ended by {finish:?}");
    }
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    check_with(&CHOICES, 2, Stop, rows);
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
        ("the answer is television (c).\n\nQ: Where?\nA: the answer is desk (e).", "correct strict"),
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
        ("The answer is desk or television.", "wrong: e flexible"),
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
        ("\nQ: the answer is television (c).", "unparsed"),
    ]);
}

#[test]
fn answers_cut_off_by_the_token_limit() {
    check_with(
        &CHOICES,
        2,
        Length,
        &[
            ("", "truncated"),
            ("the answer is television", "truncated"),
            ("the answer is television (c", "truncated"),
            ("it could be (c)", "truncated"),
            ("the answer is television (c)", "correct strict"),
            ("the answer is desk (e). But", "wrong: e strict"),
            ("(c)", "correct strict"),
            ("it is television\nQ: Next", "correct flexible"),
            ("I do not know\nQ: Next", "unparsed"),
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
    check_with(&["box", "jewelry box", "jewelry"], 1, Stop, &rows);
    let rows =
        [("The answer is neck.", "unparsed"), ("The answer is neck (b).", "correct strict"), ("The answer is arm.", "wrong: c flexible")];
    check_with(&["neck", "Neck", "arm"], 1, Stop, &rows);
    check_with(
        &["1,000", "10", "u.s."],
        2,
        Stop,
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
    check_with(&["full", "not hungry", "unlikely"], 1, Stop, &rows);
}

#[test]
fn the_rationale_ends_before_the_conclusion() {
    for (completion, expected) in [
        (" It needs cable. Televisions do. Therefore, the answer is television (c).", " It needs cable. Televisions do."),
        (" Therefore, the answer is television (c).", ""),
        ("It needs cable\nSo the answer is television (c).", "It needs cable\n"),
        (" (c).", ""),
        ("I do not know.\nQ: Next", "I do not know."),
    ] {
        assert_eq!(rationale(completion), expected);
    }
}
