//! The columns that are guessed from a file, and the config that is written.

use super::*;
use crate::error::ColumnRole;
use crate::types::StopReason;
use std::path::PathBuf;

/// Makes a row of a number.
type MakeRow = fn(u32) -> Value;

/// The first text in odd rows, the second in the others.
fn odd(n: u32, yes: &str, no: &str) -> String {
    if n % 2 == 1 { yes.to_owned() } else { no.to_owned() }
}

struct Drafted {
    /// The user's file, as long as this value exists.
    _place: tempfile::TempDir,
    draft: Draft,
    config: Config,
    text: String,
}

fn files(content: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let (file, out) = (place.path().join("mine.jsonl"), place.path().join("deep/mine.toml"));
    std::fs::write(&file, content).unwrap_or_else(|error| panic!("{error}"));
    (place, file, out)
}

/// Drafts a config for rows that `row` makes of numbers, and sees that its task grades a right answer as right.
fn drafted(row: impl Fn(u32) -> Value) -> Drafted {
    let (place, file, out) = files(&(0..20).map(|n| row(n).to_string()).collect::<Vec<_>>().join("\n"));
    let draft = init(&file.clone().into(), &NamedColumns::default(), &out, "bases/x").unwrap_or_else(|error| panic!("{error}"));
    let text = std::fs::read_to_string(&out).unwrap_or_else(|error| panic!("{error}"));
    let config = Config::parse("mine.toml", &text, &[]).unwrap_or_else(|error| panic!("{error}"));
    let task = resolved(&config).task().unwrap_or_else(|error| panic!("{error}"));
    let problem = &task.training_problems(1)[0];
    let right = task.verify(problem, &task.direct_completion(problem), &StopReason::EndToken).unwrap_or_else(|error| panic!("{error}"));
    assert!(right.verdict.is_correct());
    assert_eq!((config.name.as_str(), config.model.base.as_str()), ("mine", "bases/x"));
    Drafted { _place: place, draft, config, text }
}

fn resolved(config: &Config) -> Experiment {
    Experiment::new(config.clone(), &Registry::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn taken_for(draft: &Draft) -> Vec<&str> {
    draft.columns.iter().map(|(column, _)| column.as_str()).collect()
}

#[test]
fn numbers_with_rationales_become_worked_examples() {
    let kinds = ["easy", "hard"];
    let row = |n: u32| json!({"id": n, "question": format!("{n} \"+\" 1?"), "solution": "{{ so", "answer": n + 1, "level": kinds[n as usize % 2]});
    let Drafted { draft, config, text, _place } = drafted(row);
    assert_eq!(taken_for(&draft), ["question", "answer", "solution", "id", "level"]);
    assert_eq!((draft.train_problems, draft.dev_problems), (15, 2));
    assert!(draft.has_worked_examples && config.sampling.few_shot == 3);
    assert!(draft.prompt.starts_with("Q: 0 \"+\" 1?\nA: {{ so\n#### 1\n\nQ: 1 \"+\" 1?\nA: {{ so\n#### 2\n\n"), "{}", draft.prompt);
    assert!(text.contains("answer_type = \"number\"") && text.contains("class = \"level\""), "{text}");
}

#[test]
fn without_rationales_examples_are_left_to_be_written() {
    let Drafted { draft, config, text, _place } =
        drafted(|n| json!({"problem": format!("{n}?"), "answer": format!("city {n}"), "extra": null}));
    assert!(!draft.has_worked_examples && config.sampling.few_shot == 0);
    assert!(draft.prompt.ends_with("?\nA:") && draft.prompt.matches("Q:").count() == 1, "{}", draft.prompt);
    assert!(text.contains("\n# [[task.examples]]\n# answer = \"city 0\"\n# problem = \"0?\"\n# rationale = \"...\"\n"), "{text}");
    // The user needs to supply only what the config asks for.
    let filled = text.replace("\n# [[", "\n[[").replace("\n# answer = \"", "\nanswer = \"").replace("\n# problem =", "\nproblem =");
    let filled = filled.replace("\n# rationale = \"", "\nrationale = \"").replace("few_shot = 0", "few_shot = 3");
    let config = Config::parse("mine.toml", &filled, &[]).unwrap_or_else(|error| panic!("{error}"));
    let toml = resolved(&config).to_toml();
    assert_eq!(toml.matches("[[task.examples]]").count(), 3, "{toml}");
}

#[test]
fn choices_are_listed_with_their_letters() {
    let labelled = |n: u32| {
        let choices = json!([{"label": "A", "text": format!("red {n}")}, {"label": "B", "text": "blue"}]);
        json!({"question": {"stem": format!("{n}?"), "choices": choices}, "answerKey": "B"})
    };
    let Drafted { draft, .. } = drafted(labelled);
    assert_eq!(taken_for(&draft), ["question.stem", "answerKey", "question.choices"]);
    assert!(draft.prompt.contains("?\nAnswer Choices:\n(a) red ") && draft.prompt.ends_with("\n(b) blue\nA:"), "{}", draft.prompt);
    let Drafted { draft, .. } =
        drafted(|n| json!({"question": format!("{n}?"), "options": ["yes", "no"], "label": n % 2, "explanation": "Odd."}));
    assert_eq!(taken_for(&draft), ["question", "label", "options", "explanation"]);
    let example = "Q: 0?\nAnswer Choices:\n(a) yes\n(b) no\nA: Odd. Therefore, the answer is yes (a).\n\n";
    assert!(draft.prompt.starts_with(example), "{}", draft.prompt);
}

#[test]
fn choices_are_found_under_the_names_that_data_sets_give_them() {
    // Each row has two or more choices, of which "blue" is right in row 1 and all odd rows.
    let rows: [(&str, MakeRow); 10] = [
        ("A, B, C, D", |n| json!({"Question": format!("{n}?"), "A": "red", "B": "blue", "C": "x", "D": n + 7, "answer": odd(n, "B", "A")})),
        (
            "A, B, C",
            |n| json!({"QUESTION": format!("{n}?"), "A": "red", "B": "blue", "C": if n % 3 == 1 { json!("x") } else { Value::Null }, "Answer": odd(n, "blue", "red")}),
        ),
        ("option1, option2", |n| json!({"sentence": format!("{n}?"), "option1": "red", "option2": "blue", "answer": odd(n, "2", "1")})),
        ("choice_a, choice_b", |n| json!({"Problem": format!("{n}?"), "choice_a": "red", "choice_b": "blue", "label": n % 2})),
        ("ending0, ending1", |n| json!({"ctx": format!("{n}?"), "ending0": "red", "ending1": "blue", "label": n % 2})),
        ("sol1, sol2", |n| json!({"goal": format!("{n}?"), "sol1": "red", "sol2": "blue", "label": n % 2})),
        ("opa, opb", |n| json!({"question": format!("{n}?"), "opa": "red", "opb": "blue", "cop": 1 + n % 2})),
        (
            "choices",
            |n| json!({"question": format!("{n}?"), "choices": {"text": ["red", "blue"], "label": ["A", "B"]}, "answerKey": odd(n, "B", "A")}),
        ),
        ("options", |n| json!({"question": format!("{n}?"), "options": {"A": "red", "B": "blue"}, "answer_idx": odd(n, "B", "A")})),
        ("endings", |n| json!({"ctx": format!("{n}?"), "endings": ["red", "blue"], "label": odd(n, "1", "0")})),
    ];
    for (named, row) in rows {
        let Drafted { draft, config, text, _place } = drafted(row);
        let found = draft.columns.iter().find(|(_, what)| what == "the choices").map(|(columns, _)| columns.as_str());
        assert_eq!(found, Some(named), "{text}");
        assert!(text.contains("answer_type = \"choice\"") && draft.prompt.contains("(a) red\n(b) blue\n"), "{text} {}", draft.prompt);
        let task = resolved(&config).task().unwrap_or_else(|error| panic!("{error}"));
        for problem in task.training_problems(1) {
            let question = problem.question.split('?').next().and_then(|asked| asked.strip_prefix("Q: ")).unwrap_or_default();
            let n: u32 = question.parse().unwrap_or_else(|error| panic!("{question}: {error}"));
            assert_eq!(problem.answer, odd(n, "b", "a"), "{named}: {question}");
        }
    }
}

#[test]
fn names_that_templates_cannot_hold_are_quoted() {
    let row = |n: u32| json!({"Question Text": format!("{n}?"), "Correct Answer": format!("word {n}"), "Worked Solution": "So."});
    let Drafted { draft, text, .. } = drafted(row);
    assert_eq!(taken_for(&draft), ["Question Text", "Correct Answer", "Worked Solution"]);
    assert!(text.contains("{{ columns[\"Question Text\"] }}") && draft.prompt.starts_with("Q: 0?\nA: So.\n#### word 0\n"), "{text}");
}

#[test]
fn almost_all_numbers_are_numbers_and_the_others_are_named() {
    let lines = |row: &dyn Fn(u32) -> Value| (0..60).map(|n| row(n).to_string()).collect::<Vec<_>>().join("\n");
    let row = |n: u32| json!({"question": format!("{n}?"), "answer": if n == 17 { json!("n/a") } else { json!(n) }});
    let (_place, file, out) = files(&lines(&row));
    let draft = init(&file.clone().into(), &NamedColumns::default(), &out, "x").unwrap_or_else(|error| panic!("{error}"));
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    assert!(text.contains("answer_type = \"number\"") && draft.train_problems + draft.dev_problems == 59, "{text}");
    let said = draft.warnings.join("\n");
    assert!(said.contains("59 of 60 answers are numbers") && said.contains("line 18 of ") && said.contains("such as \"n/a\""), "{said}");
    let error = Config::load(&out.display().to_string(), &[]).and_then(|config| resolved(&config).task().map(drop)).err();
    let error = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("mine.jsonl, line 18: ") && error.contains("n/a"), "{error}");

    let mixed = |n: u32| json!({"question": format!("{n}?"), "answer": if n.is_multiple_of(2) { json!("blue") } else { json!(n) }});
    let Drafted { draft, text, .. } = drafted(mixed);
    assert!(
        text.contains("answer_type = \"exact\"") && draft.warnings[0].starts_with("10 of 20 answers are numbers and 10 are not"),
        "{draft:?}"
    );
}

#[test]
fn columns_that_are_left_out_are_named() {
    let warnings = |row: &dyn Fn(u32) -> Value| drafted(row).draft.warnings.join("\n");
    let said = warnings(&|n| json!({"id": n / 2, "question": format!("{n}?"), "answer": n, "hint text": "x", "passage": "y"}));
    for words in ["lines 1 and 2 have the same \"id\", \"0\"", "set task.id = \"id\"", "not used: hint text, id, passage"] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    let said = warnings(&|n| json!({"id": if n == 3 { Value::Null } else { json!(n) }, "question": format!("{n}?"), "answer": n}));
    assert!(said.contains("line 4 has no \"id\""), "{said}");
    let said = warnings(&|n| json!({"question": format!("{n}?"), "A": "red", "B": "blue", "answer": format!("green {n}")}));
    assert!(said.contains("not used: A, B"), "{said}");
    let said = warnings(&|n| json!({"question": format!("{n}?"), "options": ["red", "blue", "green"], "answer": 1 + n % 2}));
    assert!(said.contains("set task.first_choice = 1 if that is wrong"), "{said}");
    assert_eq!(warnings(&|n| json!({"question": format!("{n}?"), "answer": n})), "");
}

#[test]
fn files_that_cannot_be_made_out_leave_nothing_behind() {
    let good = "{\"question\": \"1?\", \"answer\": \"x\"}\n{\"question\": \"2?\", \"answer\": \"x\"}\n";
    for (content, said) in [
        ("", "mine.jsonl holds no row"),
        ("{\"question\": 1", "mine.jsonl, line 1: not a JSON object"),
        ("{\"frage\": \"1?\", \"answer\": 1}", "no column for the question; one should be called question.stem, question, "),
        ("{\"question\": \"1?\", \"loesung\": 1}", "no column for the known answer; one should be called answer, "),
        (
            &format!("{good}\n{{\"question\": \"3?\"}}\n{{\"question\": \"4?\", \"answer\": null}}"),
            "mine.jsonl, line 4: \"answer\" is the known answer, expected a text or a number, there is no value (the same in line 5); correct",
        ),
        (&format!("{good}{{\"question\": 3, \"answer\": 3}}"), "line 3: \"question\" is the question, expected a text, found 3;"),
        (
            &format!("{good}{{\"question\": \"3?\", \"answer\": [\"x\"]}}"),
            "line 3: \"answer\" is the known answer, expected a text or a number, found [\"x\"]",
        ),
        (
            &"{\"question\": \"1?\", \"A\": 1, \"B\": 2, \"answer\": \"B\"}\n".repeat(3).replacen("\"B\"}", "\"E\"}", 1),
            "mine.jsonl, line 1: the answer \"answer\" is \"E\" and names none of the choices, or two: 1, 2; correct",
        ),
        (&format!("{good}{{\"question\": \"3?\", \"answer\": \" \"}}"), "mine.jsonl, line 3: the answer is empty"),
        ("{\"question\": \"1?\", \"answer\": 1}", "mine.jsonl holds one problem, expected at least two"),
    ] {
        let (_place, file, out) = files(content);
        let error =
            init(&file.clone().into(), &NamedColumns::default(), &out, "x").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(said), "no {said:?} in {error:?}");
        assert!(!out.exists());
    }
    let (_place, file, out) = files(good);
    assert!(init(&file.clone().into(), &NamedColumns::default(), &out, "x").is_ok());
    let before = std::fs::read(&out).unwrap_or_default();
    let error = init(&file.clone().into(), &NamedColumns::default(), &out, "y").err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("mine.toml exists already"), "{error}");
    assert!(std::fs::read(&out).unwrap_or_default() == before && !before.is_empty());
}

#[test]
fn the_answer_may_stand_at_the_end_of_a_worked_solution() {
    let of_gsm8k =
        |n: u32| json!({"question": format!("{n} + 1?"), "answer": format!("{n}+1 = <<{n}+1={}>>{}\n#### {}", n + 1, n + 1, n + 1)});
    let Drafted { draft, config, text, _place } = drafted(of_gsm8k);
    assert_eq!(draft.columns[1], ("answer".to_owned(), "a worked solution; the known answer is the number at its end".to_owned()));
    assert!(text.contains("\nsolution = \"answer\"") && !text.contains("\nanswer = \"answer\""), "{text}");
    assert!(
        draft.has_worked_examples && draft.prompt.starts_with("Q: 0 + 1?\nA: 0+1 = <<0+1=1>>1\n#### 1\n\nQ: 1 + 1?"),
        "{}",
        draft.prompt
    );
    let task = resolved(&config).task().unwrap_or_else(|error| panic!("{error}"));
    let problem = &task.training_problems(1)[0];
    assert!(problem.answer.parse::<u32>().is_ok(), "{problem:?}");
    assert!(task.reference(problem).is_some_and(|text| text.ends_with(&format!("\n#### {}", problem.answer))));

    let of_math = |n: u32| json!({"problem": format!("{n}x = {n}?"), "level": "1", "solution": format!("Well, $x = \\boxed{{x_{n}}}$.")});
    let Drafted { draft, text, _place, .. } = drafted(of_math);
    assert_eq!(taken_for(&draft), ["problem", "solution"]);
    assert!(text.contains("\nsolution = \"solution\"") && text.contains("answer_type = \"exact\""), "{text}");

    // A known answer beside the solution comes first, and the solution is a rationale.
    let both = |n: u32| json!({"question": format!("{n} + 1?"), "answer": n + 1, "solution": format!("It is \\boxed{{{}}}.", n + 1)});
    assert_eq!(drafted(both).config.run, ["few_shot", "direct", "star"]);
    let Drafted { text, _place, .. } = drafted(both);
    assert!(text.contains("\nanswer = \"answer\"") && text.contains("\nrationale = \"solution\""), "{text}");
}

#[test]
fn columns_with_unusual_names_are_named_by_the_user() {
    let rows = (0..20).map(|n| json!({"The Text": format!("{n} + 1?"), "Key": n + 1, "Why": "so"}).to_string()).collect::<Vec<_>>();
    let (_place, file, out) = files(&rows.join("\n"));
    let unnamed = init(&file.clone().into(), &NamedColumns::default(), &out, "x");
    assert!(
        matches!(&unnamed, Err(Error::NoColumn { role: ColumnRole::Question, columns, .. }) if columns == "Key, The Text, Why"),
        "{unnamed:?}"
    );
    let named = |question: &str| NamedColumns {
        question: Some(question.to_owned()),
        answer: Some("Key".to_owned()),
        rationale: Some("Why".to_owned()),
    };
    let error = init(&file.clone().into(), &named("Text"), &out, "x").err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.ends_with("no column \"Text\"; there are: Key, The Text, Why"), "{error}");
    let draft = init(&file.into(), &named("The Text"), &out, "x").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(taken_for(&draft), ["The Text", "Key", "Why"]);
    assert!(draft.prompt.starts_with("Q: 0 + 1?\nA: so\n#### 1"), "{}", draft.prompt);
}

#[test]
fn repeated_questions_are_named_with_their_lines() {
    let warnings = |answers: [u32; 20]| {
        let Drafted { draft, _place, .. } = drafted(|n| json!({"question": format!("{}?", n % 18), "answer": answers[n as usize]}));
        draft.warnings
    };
    let same = warnings([1; 20]);
    assert_eq!(same, ["lines 19, 20 repeat questions and answers of earlier rows; such rows are one problem"]);
    let mut answers = [1; 20];
    answers[19] = 2;
    assert_eq!(
        warnings(answers),
        ["line 20 repeats the question of an earlier row and has another answer; correct this row, or remove it"]
    );
}

#[test]
fn two_solutions_of_a_question_have_one_answer() {
    let row = |n: u32| json!({"question": format!("{}?", n % 19), "answer": format!("Way {n}.\n#### {}", n % 19)});
    let Drafted { draft, _place, .. } = drafted(row);
    assert_eq!(draft.warnings, ["line 20 repeats the question and answer of an earlier row; such rows are one problem"]);
}

#[test]
fn a_list_of_rows_within_an_object_is_named() {
    let (_place, file, out) = files(&json!({"version": 1, "data": [{"question": "1?", "answer": 1}]}).to_string());
    let error = init(&file.into(), &NamedColumns::default(), &out, "x").err().map(|error| error.to_string()).unwrap_or_default();
    assert!(
        error.ends_with("mine.jsonl holds one row, and its column \"data\" is a list of rows; write that list to its own file"),
        "{error}"
    );
}

#[test]
fn a_base_with_a_chat_template_is_prompted_by_it() {
    let base = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string();
    let has_chat = |base: &str| {
        let (_place, file, out) =
            files(&(0..20).map(|n| json!({"question": n.to_string(), "answer": n}).to_string()).collect::<Vec<_>>().join("\n"));
        let draft = init(&file.into(), &NamedColumns::default(), &out, base).unwrap_or_else(|error| panic!("{error}"));
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        assert_eq!(draft.has_chat, text.contains("\nchat = true"), "{text}");
        draft.has_chat
    };
    assert!(has_chat(&base("gguf/llama-tiny.gguf")), "a GGUF file");
    assert!(!has_chat(&base("llama-tiny")) && !has_chat("builtin:arithmetic") && !has_chat("bases/none"));
}

#[test]
fn of_a_long_file_the_first_rows_are_checked() {
    let rows: Vec<String> = (0..60).map(|n| json!({"question": format!("{n} + 1?"), "answer": n + 1}).to_string()).collect();
    let (_place, file, out) = files(&rows.join("\n"));
    let drafted = draft(&file.clone().into(), &NamedColumns::default(), &out, "x", 20).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((drafted.train_problems, drafted.dev_problems), (54, 6));
    assert_eq!((drafted.rows, drafted.checked_rows), (60, 20));
    // The file that the config names is the user's, with all rows.
    let config = Config::load(&out.display().to_string(), &[]).unwrap_or_else(|error| panic!("{error}"));
    let task = resolved(&config).task().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((task.training_problems(1).len(), task.evaluation_problems(Split::Dev, 1).len()), (54, 6));
    // A row that is not one is an error wherever it stands.
    let (_place, file, out) = files(&(rows.join("\n") + "\n{\"question\""));
    let error = draft(&file.into(), &NamedColumns::default(), &out, "x", 20).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("mine.jsonl, line 61: not a JSON object") && !out.exists(), "{error}");
}
