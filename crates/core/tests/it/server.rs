//! A web server of this process, which answers as a closure says and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request of a client.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    /// By name in small letters.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// The first byte that is wanted, if not all are.
    pub fn from(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// The answer of the server.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub location: Option<String>,
    pub body: Vec<u8>,
    /// Bytes of the body after which the connection breaks.
    pub cut: Option<usize>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Reply { status, location: None, body: b"said with words that no program should need".to_vec(), cut: None }
    }

    pub fn redirect(location: String) -> Self {
        Reply { location: Some(location), ..Self::status(302) }
    }

    /// A file, or the part of it that is wanted.
    pub fn file(request: &Request, bytes: &[u8]) -> Self {
        let (status, body) = request.from().map_or((200, bytes), |from| (206, &bytes[from..]));
        Reply { status, location: None, body: body.to_vec(), cut: None }
    }
}

/// A running server; it ends with the process.
pub struct Server {
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(mut answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                log.lock().unwrap().push(request.clone());
                write(&mut stream, &answer(&request));
            }
        });
        Server { address, seen }
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())));
    Some(Request { path, headers: headers.collect() })
}

/// A client that has gone away is not the server's trouble.
fn write(stream: &mut TcpStream, reply: &Reply) {
    let location = reply.location.as_ref().map_or_else(String::new, |to| format!("Location: {to}\r\n"));
    let length = reply.body.len();
    let head = format!("HTTP/1.1 {} Said\r\nContent-Length: {length}\r\nConnection: close\r\n{location}\r\n", reply.status);
    let body = &reply.body[..reply.cut.unwrap_or(length)];
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).and_then(|()| stream.shutdown(Shutdown::Write));
}
