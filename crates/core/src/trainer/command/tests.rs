//! Programs that train, and programs that do what trainers should not. A shell is the trainer; what it hands in is a checkpoint that
//! was changed beforehand.

use super::*;
use crate::error::with_causes;
use crate::external::process::tests::is_running;
use crate::selection::TrainingData;
use crate::types::{Mode, ProblemId};
use starloop_lm::checkpoint::Checkpoint;
use starloop_lm::weights::Values;
use std::ops::ControlFlow;

struct Place {
    root: tempfile::TempDir,
    base: PathBuf,
}

type Outcome = Result<(TrainingMetrics, Vec<TrainingProgress>), String>;

impl Place {
    fn new() -> Self {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/llama-tiny");
        let place = Place { root: tempfile::tempdir().unwrap(), base };
        let mut tuned = Checkpoint::load(&place.base).unwrap();
        let mut values = tuned.parameters[0].clone().into_full();
        values[0] += 1.0;
        tuned.parameters[0] = Values::Full(values);
        tuned.save(&place.path("tuned")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// Lets a script train, in which `$out`, `$tuned` and so on are what they are.
    fn finetune(&self, script: &str) -> Outcome {
        let head = format!("tuned={}; ", self.path("tuned").display());
        let names =
            crate::config::PLACES.iter().enumerate().map(|(at, name)| format!("{name}=\"${}\"; ", at + 1)).collect::<Vec<_>>().concat();
        let places = crate::config::PLACES.map(|place| format!("{{{place}}}"));
        let command = ["sh", "-c", &format!("{head}{names}{script}"), "train"].map(str::to_owned).into_iter().chain(places).collect();
        let example = |n: u32| Example {
            problem: ProblemId(format!("p/{n}")),
            mode: Mode::Hinted,
            prompt: format!("\"{n}\" + 1\n"),
            completion: format!(" {}", n + 1),
        };
        let data = TrainingData::of_examples(vec![example(1), example(2)]);
        let settings = TrainingConfig { warmup_steps: 2, ..TrainingConfig::default() };
        let (output, scratch) = (self.out(), self.path("scratch"));
        let job = TrainingJob {
            base: &self.base,
            data: &data,
            anchor: None,
            settings: &settings,
            steps: 4,
            seed: 9,
            output: &output,
            scratch: &scratch,
        };
        let mut steps = Vec::new();
        let config = TrainerConfig { command, ..TrainerConfig::default() };
        let metrics = CommandTrainer::new(&config, true).train(&job, &mut |progress| {
            steps.push(progress);
            ControlFlow::Continue(())
        });
        metrics.map(|metrics| (metrics, steps)).map_err(|error| with_causes(&error))
    }
}

const WELL: &str = r#"echo "begin"; for n in 1 2 3 4; do echo "{\"step\": $n, \"loss\": $n.5, \"tokens\": ${n}00, \"target_tokens\": ${n}0, \"lr\": 1}"; done
    echo warning >&2; cp -r "$tuned" "$out""#;

#[test]
fn a_program_gets_what_it_needs_and_its_checkpoint_counts() {
    let place = Place::new();
    let kept = place.path("kept");
    let keep = format!(
        "mkdir {0}; cp \"$data\" {0}/data; cp \"$settings\" {0}/settings; echo \"$base $steps $seed\" > {0}/line; ",
        kept.display()
    );
    let (metrics, steps) = place.finetune(&format!("{keep}{WELL}")).unwrap();
    assert_eq!(metrics, TrainingMetrics { steps: 4, tokens: 400, target_tokens: 40, final_loss: 4.5, dropped_too_long: 0 });
    let told: Vec<_> = steps.iter().map(|step| (step.step, step.tokens, step.loss)).collect();
    assert_eq!(told, [(1, 100, 1.5), (2, 200, 2.5), (3, 300, 3.5), (4, 400, 4.5)]);
    let read = |name: &str| std::fs::read_to_string(kept.join(name)).unwrap();
    let data = "{\"prompt\":\"\\\"1\\\" + 1\\n\",\"completion\":\" 2\"}\n{\"prompt\":\"\\\"2\\\" + 1\\n\",\"completion\":\" 3\"}\n";
    assert_eq!(read("data"), data);
    assert_eq!(read("line"), format!("{} 4 9\n", std::path::absolute(&place.base).unwrap().display()));
    let settings: serde_json::Value = serde_json::from_str(&read("settings")).unwrap();
    let of = |key: &str| settings[key].as_str().map(PathBuf::from).unwrap();
    assert_eq!((of("out"), of("data")), (place.out(), place.path("scratch").join(DATA)));
    assert_eq!((&settings["chat"], &settings["examples"], &settings["training"]["warmup_steps"]), (&true.into(), &2.into(), &2.into()));
    let log = std::fs::read_to_string(place.out().join(LOG)).unwrap();
    // The two outputs are read side by side, so only the order within each is the program's.
    let first = log.lines().find(|line| *line != "warning");
    assert!(first == Some("begin") && log.contains("warning\n") && log.contains("\"step\": 4"), "{log}");
}

#[test]
fn what_is_no_fine_tuning_is_refused_with_the_reason() {
    for (script, expected) in [
        ("echo one; echo 'no device' >&2; exit 3", "failed (exit status: 3); its output is in "),
        ("echo one; echo 'no device' >&2; exit 3", "no device"),
        ("kill -9 $$", "failed (signal: 9 (SIGKILL))"),
        (r#"cp -r "$tuned" "$out""#, "reported no loss; it must print a line such as {\"step\": 1, \"loss\": 2.5}"),
        (r#"echo '{"step": 1, "loss": NaN}'; cp -r "$tuned" "$out""#, "reported no loss"),
        (r#"echo '{"step": 1, "loss": 2}'"#, "ended with exit code 0 and wrote no checkpoint to {out}"),
        (r#"echo '{"step": 1, "loss": 2}'; cp -r "$base" "$out""#, "every weight is what it was in the base; was it trained"),
        (r#"echo '{"step": 1, "loss": 2}'; cp -r "$tuned" "$out"; rm "$out/config.json""#, "config.json"),
        (r#"echo '{"step": 2, "loss": 2}'; echo '{"step": 2, "loss": 2}'; sleep 600"#, "printed step 2 after step 2"),
        (
            r#"echo '{"step": 18446744073709551615, "loss": 2}'; sleep 600"#,
            "printed the step 18446744073709551615, expected at most 1000000000",
        ),
        (r#"echo '{"step": 1, "loss": 2, "tokens": 18446744073709551615}'; sleep 600"#, "printed the tokens 18446744073709551615"),
    ] {
        let place = Place::new();
        let error = place.finetune(script).unwrap_err();
        assert!(error.contains(expected), "{script}: no {expected:?} in {error:?}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let place = Place::new();
    let settings = TrainingConfig::default();
    let job = TrainingJob {
        base: &place.base,
        data: &TrainingData::of_examples(Vec::new()),
        anchor: None,
        settings: &settings,
        steps: 1,
        seed: 1,
        output: &place.out(),
        scratch: &place.path("scratch"),
    };
    let error = CommandTrainer::new(&TrainerConfig { command: vec!["/nowhere/train".into()], ..TrainerConfig::default() }, false)
        .train(&job, &mut |_| ControlFlow::Continue(()))
        .map_err(|error| with_causes(&error))
        .unwrap_err();
    assert!(error.starts_with("the trainer \"/nowhere/train\" cannot be started: /nowhere/train: No such file"), "{error}");
}

#[test]
fn an_interrupted_program_goes_on_and_the_curve_of_the_loss_is_whole() {
    let place = Place::new();
    let line = |step: u32, loss: f64| format!("echo '{{\"step\": {step}, \"loss\": {loss}}}'; ");
    let first = place.finetune(&format!("{}{}{}touch \"$state/saved\"; exit 1", line(1, 4.0), line(2, 3.0), line(3, 2.5)));
    assert!(first.unwrap_err().contains("exit status: 1"));
    // Its own state is of step 2, so that it takes step 3 again.
    let second = format!("test -e \"$state/saved\" || exit 9; {}{}cp -r \"$tuned\" \"$out\"", line(3, 2.0), line(4, 1.0));
    let (metrics, steps) = place.finetune(&second).unwrap();
    let losses: Vec<_> = steps.iter().map(|step| (step.step, step.loss)).collect();
    assert_eq!(losses, [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]);
    assert_eq!((metrics.steps, metrics.final_loss), (4, 1.0));
    std::fs::remove_dir_all(place.out()).unwrap();
    let (again, steps) = place.finetune("cp -r \"$tuned\" \"$out\"").unwrap();
    assert_eq!((again, steps.len()), (metrics, 4), "and a finished training reports the same metrics again");
}

#[test]
fn a_line_stands_for_the_steps_since_the_one_before() {
    let place = Place::new();
    let script = r#"echo '{"step": 20, "loss": 3}'; echo '{"step": 40, "loss": 1}'; echo '{"dropped_too_long": 5}'; cp -r "$tuned" "$out""#;
    let (metrics, steps) = place.finetune(script).unwrap();
    assert_eq!(steps.len(), 40);
    assert_eq!((steps[19].loss, steps[20].loss), (3.0, 1.0));
    assert_eq!((metrics.steps, metrics.final_loss, metrics.dropped_too_long), (40, 1.0, 5));
}

#[test]
fn what_a_failed_program_has_started_is_stopped() {
    let place = Place::new();
    let pids = place.path("pids");
    let script =
        format!(r#"sleep 600 & echo $! > {}; echo '{{"step": 2, "loss": 2}}'; echo '{{"step": 1, "loss": 2}}'; wait"#, pids.display());
    assert!(place.finetune(&script).unwrap_err().contains("printed step 1 after step 2"));
    let pid = std::fs::read_to_string(pids).unwrap();
    let began = Instant::now();
    while is_running(pid.trim()) {
        assert!(began.elapsed() < Duration::from_secs(60), "still running: {pid}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn places_are_filled_in_once() {
    let places = [("{out}", "/a/{steps}".to_owned()), ("{steps}", "4".to_owned())];
    for (argument, expected) in [("--out={out}", "--out=/a/{steps}"), ("{steps}{steps}", "44"), ("{{x} ${HOME} {", "{{x} ${HOME} {")] {
        assert_eq!(fill_in(argument, &places), expected);
    }
}
