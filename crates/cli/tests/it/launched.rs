//! However the program ends, the servers that it has started end with it.

use crate::program::{start, text, wait_until};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The processes that the server has written down: itself and a child.
fn pids(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn neither_ctrl_c_nor_kill_leaves_a_server_behind() {
    // The supervisor is patient with a child that ignores the signal, so the three are tried at once.
    std::thread::scope(|scope| {
        for signal in ["INT", "KILL", "TERM"] {
            scope.spawn(move || nothing_is_left_after(signal));
        }
    });
}

#[cfg(target_os = "linux")]
fn nothing_is_left_after(signal: &str) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("pids");
    // A server that never serves. Its child ignores SIGTERM. Both processes write their numbers to the file.
    let script = format!("sh -c 'trap \"\" TERM; echo $$; sleep 600' >> {0} & echo $$ >> {0}; wait # {{port}} {{checkpoint}}", text(&file));
    let launch = format!("policy.launch={}", serde_json::json!(["sh", "-c", script]));
    let run = place.path().join("run");
    let mut child = start("run smoke --quiet", &["--run-dir", text(&run), "--set", "policy.kind=openai", "--set", &launch]);
    wait_until(&mut child, "a server", || pids(&file).len() == 2);
    let pids = pids(&file);
    assert!(pids.iter().all(|pid| is_running(pid)), "{pids:?}");
    Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, if signal == "INT" { Some(130) } else { None });
    let began = Instant::now();
    while pids.iter().any(|pid| is_running(pid)) {
        assert!(began.elapsed() < Duration::from_secs(60), "{signal}: still running: {pids:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
