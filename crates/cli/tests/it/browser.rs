//! A headless Chromium, driven through `chromedriver` by the little of the `WebDriver` protocol (W3C) that the tests need: JSON over HTTP,
//! which the client of `starloop get` speaks too. The crates for it bring an asynchronous runtime.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use ureq::Agent;

/// Keys as `WebDriver` numbers them (section 17.4.2, Keyboard actions).
pub const ENTER: char = '\u{e007}';
pub const ESCAPE: char = '\u{e00c}';
pub const END: char = '\u{e010}';
pub const RIGHT: char = '\u{e014}';
pub const DOWN: char = '\u{e015}';

/// Nothing that a page does here takes so long on an idle machine by far.
const PATIENCE: Duration = Duration::from_secs(90);

const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--window-size=1280,900",
];

/// Prints a line past the test harness, which hides the output of tests that pass.
pub fn tell(line: &str) {
    let mut stderr = std::io::stderr();
    stderr.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// A browser with one tab.
pub struct Browser {
    driver: Child,
    agent: Agent,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser. If none is installed, the test is skipped, and a line on standard error says so. With
    /// `STARLOOP_REQUIRE_BROWSER` set, as in `.ci/run`, a missing browser is a failure.
    pub fn start(test: &str) -> Option<Browser> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = driver else {
            assert!(
                std::env::var_os("STARLOOP_REQUIRE_BROWSER").is_none(),
                "there is no chromedriver, and STARLOOP_REQUIRE_BROWSER is set"
            );
            tell(&format!("SKIPPED {test}: there is no chromedriver (Debian: apt-get install chromium chromium-driver)"));
            return None;
        };
        let mut said = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let started = said.find_map(|line| line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned()));
        let port = started.expect("chromedriver says which port it took");
        // Its pipe has to be emptied, or it stops when the pipe is full.
        std::thread::spawn(move || said.for_each(drop));
        let agent: Agent = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        let profile = tempfile::tempdir().unwrap();
        let arguments = ARGUMENTS.into_iter().map(str::to_owned).chain([format!("--user-data-dir={}", profile.path().display())]);
        let options = json!({"args": arguments.collect::<Vec<_>>()});
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let mut browser = Browser { driver, agent, session: format!("http://127.0.0.1:{port}/session"), _profile: profile };
        let session = browser.post("", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("{}/{}", browser.session, session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.agent.post(format!("{}{path}", self.session)).header("content-type", "application/json").send(body.to_string());
        let mut answer = answer.unwrap();
        let status = answer.status();
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()["value"].take()
    }

    /// Opens a report and waits until its rationales are there. How long it took.
    pub fn open(&self, page: &Path) -> Duration {
        self.open_at(page, "")
    }

    /// The same at a place of the page, `#` included.
    pub fn open_at(&self, page: &Path, place: &str) -> Duration {
        let began = Instant::now();
        // A page that is open already would not be loaded again for another place.
        self.post("/url", &json!({"url": "about:blank"}));
        self.post("/url", &json!({"url": format!("file://{}{place}", page.display())}));
        self.wait_until("document.documentElement.dataset.ready === 'true'");
        began.elapsed()
    }

    /// The value of a script's `return`.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The value of an expression.
    pub fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"))
    }

    /// The text of an expression's value.
    pub fn text(&self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true. How long it took.
    pub fn wait_until(&self, expression: &str) -> Duration {
        let began = Instant::now();
        while self.value(expression) != true {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {expression}; the page says {:?}", self.complaints());
            std::thread::sleep(Duration::from_millis(10));
        }
        began.elapsed()
    }

    /// Presses and releases keys one after another, wherever the focus is.
    pub fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| ["keyDown", "keyUp"].map(|action| json!({"type": action, "value": key})));
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>()}]}));
    }

    /// A command of the Chrome `DevTools` protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// The number of sheets (A4) that the page prints on.
    pub fn printed_sheets(&self) -> usize {
        let size = json!({"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": true});
        let pdf = STANDARD.decode(self.devtools("Page.printToPDF", &size)["data"].as_str().unwrap()).unwrap();
        // Each sheet is an object of this type, and the tree of sheets has the type `Pages`.
        let kind = b"/Type /Page";
        pdf.windows(kind.len() + 1).filter(|part| part.starts_with(kind) && part[kind.len()] != b's').count()
    }

    /// The messages of the page's console since the last call: errors, warnings, and what its policy refused.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        log.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser goes with its session; the driver alone would leave it behind.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
