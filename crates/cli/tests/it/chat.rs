//! `starloop chat` over a pipe.

use crate::program::{base, small_run, starloop, starloop_reading, text};
use std::path::Path;

/// A message to the shipped base model, which ends with a line feed, as the lines of a chat.
const MESSAGE: &str = "Input:\\\n6 2 4 + 2 5 9\\\nTarget:\\\n\n";

fn sampled(prompt: &str, more: &str) -> String {
    starloop(&format!("sample --model builtin:arithmetic {more}"), &["--prompt", prompt]).done()
}

/// The shipped base model with a template that shows the whole conversation.
fn with_template(place: &Path) {
    for entry in std::fs::read_dir(base()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, place.join(path.file_name().unwrap())).unwrap();
    }
    let template = "{% for message in messages %}{% if message.role == 'user' %}Input:\n{{ message.content }}\nTarget:\n\
                    {% elif message.role == 'system' %}{{ message.content }}\n{% else %}{{ message.content }}\n{% endif %}{% endfor %}";
    std::fs::write(place.join("chat_template.jinja"), template).unwrap();
}

#[test]
fn a_base_model_completes_each_message_as_it_is() {
    let outcome = starloop_reading(&MESSAGE.repeat(2), "chat builtin:arithmetic --temperature 0 --max-new-tokens 60");
    assert!(outcome.err.contains("the checkpoint has no chat template: each message is completed as it is"), "{}", outcome.err);
    let answer = sampled("Input:\n6 2 4 + 2 5 9\nTarget:\n", "--max-new-tokens 60");
    assert_eq!(outcome.done(), answer.repeat(2), "nothing is remembered");
}

#[test]
fn a_conversation_is_remembered_until_it_is_reset() {
    let place = tempfile::tempdir().unwrap();
    with_template(place.path());
    let input = "1 + 2\n3 + 4\n/reset\n1 + 2\n/system 5\n1 + 2\n";
    let outcome = starloop_reading(input, &format!("chat {} --temperature 0 --max-new-tokens 20", text(place.path())));
    let first = sampled("Input:\n1 + 2\nTarget:\n", "--max-new-tokens 20");
    let second = sampled(&format!("Input:\n1 + 2\nTarget:\n{first}Input:\n3 + 4\nTarget:\n"), "--max-new-tokens 20");
    // The system message comes before the conversation, which goes on after `/reset`.
    let third = sampled(&format!("5\nInput:\n1 + 2\nTarget:\n{first}Input:\n1 + 2\nTarget:\n"), "--max-new-tokens 20");
    assert_eq!(outcome.done(), [first.as_str(), &second, &first, &third].concat());
}

#[test]
fn several_answers_have_the_seeds_of_sample_and_are_graded() {
    let input = format!("/n 3\n{MESSAGE}/task arithmetic 8 8 3\n");
    let outcome = starloop_reading(&input, "chat builtin:arithmetic --temperature 1 --seed 5 --max-new-tokens 90").done();
    for seed in 5..8 {
        let answer = sampled("Input:\n6 2 4 + 2 5 9\nTarget:\n", &format!("--temperature 1 --seed {seed} --max-new-tokens 90"));
        assert!(outcome.contains(&format!("[{}] {answer}", seed - 4)), "{outcome}");
    }
    for number in 1..=3 {
        assert!(outcome.contains(&format!("answer {number}: ")), "{outcome}");
    }
}

#[test]
fn the_models_of_a_run_have_names() {
    let run = text(small_run());
    let star = starloop_reading(MESSAGE, &format!("chat {run} --iteration star/1 --temperature 0 --max-new-tokens 8"));
    let directory = small_run().join("star/iter-001/checkpoint");
    let line = format!("sample --model {} --max-new-tokens 8", text(&directory));
    assert_eq!(star.done(), starloop(&line, &["--prompt", "Input:\n6 2 4 + 2 5 9\nTarget:\n"]).done());
    let unknown = starloop_reading("", &format!("chat {run} --iteration star/9"));
    unknown.failed(1, &["there is no model \"star/9\" here; the models are: star/"]);
    assert!(unknown.err.contains("base"), "{}", unknown.err);
}

#[test]
fn wrong_commands_say_what_is_expected() {
    for (input, said) in [
        ("/n 0\n", "/n 0: expected a whole number from 1 to 64"),
        ("/system Be brief.\n", "takes no system message"),
        ("/task arithmetic 5\n", "there is no answer to grade yet"),
        ("/task arithmetic\n", "needs the name of a task and the known answer"),
        ("/taks\n", "there is no command /taks; /help lists the commands"),
        ("six\n", "the tokenizer has no token for \"six\""),
    ] {
        let outcome = starloop_reading(input, "chat builtin:arithmetic");
        assert_eq!(outcome.code, Some(1), "{}", outcome.err);
        assert!(outcome.err.contains(said), "no {said:?} in {}", outcome.err);
    }
    let help = starloop_reading("/help\n/quit\n/n 0\n", "chat builtin:arithmetic").done();
    assert!(help.contains("/task NAME ANSWER"), "{help}");
    starloop_reading("", "chat no/such/model").failed(2, &["no/such/model"]);
}
