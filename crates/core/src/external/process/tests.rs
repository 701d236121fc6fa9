//! Programs that end, that will not, and that leave others behind.

use super::*;
use std::io::Read;
use std::process::Stdio;

/// Patience that no test uses up.
const LONG: Duration = Duration::from_secs(60);
const PATIENT: Shutdown = Shutdown::Graceful(LONG);

fn shell(script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).stdin(Stdio::null());
    shell
}

/// Starts a shell that says something when it is ready.
fn ready(script: &str, shutdown: Shutdown) -> (ProcessGroup, String) {
    let mut group = ProcessGroup::start(shell(script).stdout(Stdio::piped()), shutdown, &[]).unwrap();
    let mut said = String::new();
    let output = group.leader().stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut said).unwrap();
    (group, said)
}

/// Returns true if a process runs. A process that has ended and is not reaped does not run.
pub(crate) fn is_running(pid: &str) -> bool {
    if !Path::new("/proc").exists() {
        return Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits until none of the processes whose numbers a text lists is running.
fn await_end(pids: &str) {
    let began = Instant::now();
    while pids.split_whitespace().any(is_running) {
        assert!(began.elapsed() < LONG, "still running: {pids}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_program_ends_by_itself_and_its_status_is_returned() {
    let mut group = ProcessGroup::start(&mut shell("exit 3"), PATIENT, &[]).unwrap();
    assert_eq!(group.wait(LONG).and_then(|status| status.code()), Some(3));
    assert_eq!(group.stop().and_then(|status| status.code()), Some(3), "and is returned again");
}

#[test]
fn what_a_program_leaves_behind_goes_with_it() {
    let (mut group, child) = ready("sleep 600 >/dev/null & echo $!", PATIENT);
    assert!(group.wait(LONG).is_some_and(|status| status.success()));
    await_end(&child);
}

#[test]
fn dropping_it_stops_all_of_it() {
    let (group, pids) = ready("sleep 600 >/dev/null & echo $$ $!; wait", Shutdown::Immediate);
    assert_eq!(pids.split_whitespace().filter(|pid| is_running(pid)).count(), 2);
    drop(group);
    await_end(&pids);
}

#[test]
fn a_launcher_is_asked_first_so_that_it_can_stop_workers_that_left_its_group() {
    // The worker leads another session, so killing the launcher's group does not reach it.
    let script = "setsid sleep 600 >/dev/null & worker=$!; trap 'kill $worker; exit 7' TERM; echo $$ $worker; wait";
    let (mut group, pids) = ready(script, PATIENT);
    assert_eq!(group.stop().and_then(|status| status.code()), Some(7));
    await_end(&pids);
}

#[test]
fn one_that_will_not_end_is_killed_when_the_patience_is_over() {
    let (mut group, pids) = ready("trap '' TERM; echo $$; while :; do sleep 600; done", Shutdown::Graceful(Duration::from_millis(50)));
    assert_eq!(group.stop().and_then(|status| status.code()), None, "it was killed");
    await_end(&pids);
}

#[test]
fn the_watcher_stops_all_of_it_when_its_pipe_breaks() {
    for shutdown in [Shutdown::Immediate, Shutdown::Graceful(Duration::from_secs(1))] {
        let (mut group, pids) = ready("trap '' TERM; sleep 600 >/dev/null & echo $$ $!; wait; wait", shutdown);
        // As the system does when this process is gone.
        drop(group.guard.watcher().stdin.take());
        await_end(&pids);
        assert!(group.status().is_some());
    }
}

#[test]
fn the_watcher_keeps_no_pipe_open_and_goes_with_the_program() {
    let mut group = ProcessGroup::start(shell("echo done").stdout(Stdio::piped()), PATIENT, &[]).unwrap();
    let mut said = String::new();
    group.leader().stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "done\n");
    let watcher = group.guard.watcher().id().to_string();
    assert!(group.wait(LONG).is_some());
    await_end(&watcher);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = ProcessGroup::start(&mut Command::new("/nowhere/train"), PATIENT, &[]).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/train: No such file"), "{error}");
}

#[test]
fn a_program_that_succeeds_leaves_its_server_running_and_one_that_fails_does_not() {
    let place = tempfile::tempdir().unwrap();
    let pid = place.path().join("pid");
    for (code, is_left) in [(0, true), (3, false)] {
        let script = format!("sleep 600 >/dev/null 2>&1 & echo $! > {}; exit {code}", pid.display());
        let group = ProcessGroup::start(&mut shell(&script), PATIENT, &[]).unwrap();
        assert_eq!(group.finish(LONG).and_then(|status| status.code()), Some(code));
        let server = std::fs::read_to_string(&pid).unwrap();
        if is_left {
            assert!(is_running(server.trim()));
            Command::new("kill").arg(server.trim()).status().unwrap();
        }
        await_end(&server);
    }
    let group = ProcessGroup::start(&mut shell("sleep 600"), Shutdown::Immediate, &[]).unwrap();
    assert_eq!(group.finish(Duration::from_millis(10)), None, "the limit is over");
}

#[test]
fn a_program_gets_the_secrets_that_are_named_for_it() {
    // The variables of this process are those of all its tests, so a child has them instead.
    if std::env::var_os("STARLOOP_TEST_TOKEN").is_none() {
        let mut itself = Command::new(std::env::current_exe().unwrap());
        let name = "external::process::tests::a_program_gets_the_secrets_that_are_named_for_it";
        itself.args([name, "--exact"]).env("STARLOOP_TEST_TOKEN", "one").env("STARLOOP_TEST_API_KEY", "two").env("STARLOOP_TEST", "three");
        let output = itself.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let said = |secrets: &[String]| {
        let mut print = shell("echo \"$STARLOOP_TEST_TOKEN,$STARLOOP_TEST_API_KEY,$STARLOOP_TEST\"");
        let mut group = ProcessGroup::start(print.stdout(Stdio::piped()), PATIENT, secrets).unwrap();
        std::io::read_to_string(group.leader().stdout.take().unwrap()).unwrap()
    };
    assert_eq!(said(&[]), ",,three\n");
    assert_eq!(said(&["STARLOOP_TEST_API_KEY".to_owned()]), ",two,three\n");
}
