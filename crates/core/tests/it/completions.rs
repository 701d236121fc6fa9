//! A completion server of this process: many connections at once, kept open, and with the faults that a test wants.

use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request for completions.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    /// The `Authorization` header.
    pub key: Option<String>,
    pub body: Value,
    /// How often the same body was asked before.
    pub before: usize,
}

impl Asked {
    pub fn prompt(&self) -> &str {
        self.body["prompt"].as_str().unwrap_or_default()
    }

    pub fn seed(&self) -> u64 {
        self.body["seed"].as_u64().unwrap_or_default()
    }
}

/// The server's action for a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Answers with this body.
    Answer(Value),
    /// Answers with a status, further header lines and words.
    Status(u16, &'static str, String),
    /// Says nothing for so long, and then closes the connection.
    Hang(Duration),
    /// Answers a byte at a time, with such pauses.
    Drip(Value, Duration),
    /// Closes the connection without a word.
    Close,
    /// Answers with half of the body, and closes the connection.
    Truncate(Value),
    /// Answers with words that are no JSON.
    Nonsense,
    /// Answers with a beginning and then with the same words without end.
    Endless(&'static str, &'static str),
}

/// A running server; it ends with the process.
pub struct Completions {
    /// The base address.
    pub endpoint: String,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    asked: HashMap<String, usize>,
    /// How often each body got a whole answer.
    answered: HashMap<String, usize>,
    open: usize,
    most_open: usize,
    connections: usize,
    keys: Vec<Option<String>>,
    /// Requests for anything but completions.
    others: Vec<(String, Value)>,
}

impl Completions {
    pub fn start(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        Self::with_others(act, nothing_else)
    }

    /// A server that answers other requests than for completions too.
    pub fn with_others(act: impl Fn(&Asked) -> Act + Send + Sync + 'static, other: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = Arc::clone(&log);
        std::thread::spawn(move || serve(&listener, &shared, &Arc::new(act), &Arc::new(other)));
        Completions { endpoint, log }
    }

    /// How often each request was answered, by prompt and seed and all else.
    pub fn answers(&self) -> Vec<usize> {
        self.log.lock().unwrap().answered.values().copied().collect()
    }

    /// Requests that came in.
    pub fn asked(&self) -> usize {
        self.log.lock().unwrap().asked.values().sum()
    }

    /// The most requests that were open at once.
    pub fn most_open(&self) -> usize {
        self.log.lock().unwrap().most_open
    }

    /// The names that models were asked by.
    pub fn models(&self) -> BTreeSet<String> {
        let log = self.log.lock().unwrap();
        let name = |body: &String| serde_json::from_str::<Value>(body).unwrap()["model"].as_str().map(str::to_owned);
        log.asked.keys().filter_map(name).collect()
    }

    /// Requests for anything but completions: path and body.
    pub fn others(&self) -> Vec<(String, Value)> {
        self.log.lock().unwrap().others.clone()
    }

    /// Connections that were made.
    pub fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }

    /// The keys that requests came with.
    pub fn keys(&self) -> Vec<Option<String>> {
        self.log.lock().unwrap().keys.clone()
    }
}

/// Serves a listener until the process ends.
pub fn serve_alone(listener: &TcpListener, act: impl Fn(&Asked) -> Act + Send + Sync + 'static) {
    serve(listener, &Arc::new(Mutex::new(Log::default())), &Arc::new(act), &Arc::new(nothing_else));
}

/// A server that has no more to it than completions and its health.
fn nothing_else(asked: &Asked) -> Act {
    Act::Status(if asked.path == "/health" { 200 } else { 404 }, "", "{}".into())
}

fn serve<F, G>(listener: &TcpListener, log: &Arc<Mutex<Log>>, act: &Arc<F>, other: &Arc<G>)
where
    F: Fn(&Asked) -> Act + Send + Sync + 'static,
    G: Fn(&Asked) -> Act + Send + Sync + 'static,
{
    for stream in listener.incoming() {
        let (stream, log, act, other) = (stream.unwrap(), Arc::clone(log), Arc::clone(act), Arc::clone(other));
        log.lock().unwrap().connections += 1;
        std::thread::Builder::new().stack_size(1 << 18).spawn(move || converse(&stream, &log, act.as_ref(), other.as_ref())).unwrap();
    }
}

fn converse(stream: &TcpStream, log: &Mutex<Log>, act: &dyn Fn(&Asked) -> Act, other: &dyn Fn(&Asked) -> Act) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(mut asked) = read(&mut reader) {
        let body = asked.body.to_string();
        {
            let mut log = log.lock().unwrap();
            log.keys.push(asked.key.clone());
            if asked.path.ends_with("/completions") {
                let times = log.asked.entry(body.clone()).or_default();
                asked.before = *times;
                *times += 1;
                log.open += 1;
                log.most_open = log.most_open.max(log.open);
            }
        }
        if !asked.path.ends_with("/completions") {
            log.lock().unwrap().others.push((asked.path.clone(), asked.body.clone()));
            if perform(stream, other(&asked)) {
                continue;
            }
            break;
        }
        let act = act(&asked);
        {
            // Before the client can have it.
            let mut log = log.lock().unwrap();
            log.open -= usize::from(!matches!(act, Act::Drip(..) | Act::Hang(_) | Act::Endless(..)));
            *log.answered.entry(body).or_default() += usize::from(matches!(act, Act::Answer(_)));
        }
        let is_slow = matches!(act, Act::Drip(..) | Act::Hang(_) | Act::Endless(..));
        let stays = perform(stream, act);
        log.lock().unwrap().open -= usize::from(is_slow);
        if !stays {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> =
        lines.filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()))).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Asked { path, key: headers.get("authorization").cloned(), body, before: 0 })
}

/// Returns true if the connection stays open.
fn perform(stream: &TcpStream, act: Act) -> bool {
    match act {
        Act::Answer(body) => write(stream, 200, "", &body.to_string()),
        Act::Status(status, headers, words) => write(stream, status, headers, &words),
        Act::Nonsense => write(stream, 200, "", "{\"choices\": [{\"text\": I am not JSON"),
        Act::Close => false,
        Act::Endless(beginning, words) => {
            let more = words.repeat((1 << 16) / words.len() + 1);
            let mut sent = (&*stream).write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{beginning}").as_bytes());
            while sent.is_ok() {
                sent = (&*stream).write_all(more.as_bytes());
            }
            false
        }
        Act::Hang(pause) => {
            std::thread::sleep(pause);
            false
        }
        Act::Truncate(body) => {
            let body = body.to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = (&*stream).write_all((head + &body[..body.len() / 2]).as_bytes());
            false
        }
        Act::Drip(body, pause) => {
            let body = body.to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            for byte in (head + &body).bytes() {
                if (&*stream).write_all(&[byte]).is_err() {
                    return false;
                }
                std::thread::sleep(pause);
            }
            true
        }
    }
}

/// A client that has gone away is not the server's trouble.
fn write(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> bool {
    let answer =
        format!("HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).is_ok()
}

/// The answer that a well-behaved server gives: `text` as often as was wanted, two tokens each.
pub fn completion(asked: &Asked, text: &str, logprob: f64) -> Value {
    let n = asked.body["n"].as_u64().unwrap_or(1);
    let choice = |index| {
        json!({
            "index": index, "text": text, "finish_reason": "stop", "logprobs": { "token_logprobs": [logprob / 4.0, logprob * 0.75] }
        })
    };
    json!({
        "object": "text_completion", "model": asked.body["model"], "choices": (0..n).map(choice).collect::<Vec<_>>(),
        "usage": { "prompt_tokens": 7, "completion_tokens": 2 * n }
    })
}
