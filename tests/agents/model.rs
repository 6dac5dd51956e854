//! A model's interface on a loopback address, as far as agents use it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// An answer: its status, its kind, and its text.
pub struct Answer {
    pub status: &'static str,
    pub kind: &'static str,
    pub text: String,
}

impl Answer {
    /// JSON.
    pub fn json(status: &'static str, value: &Value) -> Answer {
        Answer { status, kind: "application/json", text: value.to_string() }
    }

    /// Events, each with its name, as `text/event-stream`.
    pub fn events(events: &[Value]) -> Answer {
        let event =
            |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or(""));
        Answer { status: "200 OK", kind: "text/event-stream", text: events.iter().map(event).collect() }
    }
}

/// A request: method and path, and the JSON in it.
pub struct Request {
    pub line: String,
    pub body: Value,
}

/// A running stand-in. Its thread ends with the process.
pub struct Model {
    port: u16,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Model {
    /// Starts one that answers by a function.
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on a loopback address");
        let port = listener.local_addr().expect("it has an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                std::thread::spawn(move || serve(stream, &*answer, &log));
            }
        });
        Model { port, asked }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Gives everything that was asked so far to a function.
    pub fn asked<T>(&self, look: impl FnOnce(&[Request]) -> T) -> T {
        look(&self.asked.lock().expect("no thread panicked"))
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&Request) -> Answer, log: &Mutex<Vec<Request>>) {
    let Ok(mut out) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    while let Some(request) = receive(&mut input, &mut out) {
        let Answer { status, kind, text } = answer(&request);
        log.lock().expect("no thread panicked").push(request);
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nrequest-id: req_1\r\n\r\n",
            text.len()
        );
        if out.write_all(head.as_bytes()).and_then(|()| out.write_all(text.as_bytes())).is_err() {
            return;
        }
    }
}

fn receive(input: &mut impl BufRead, out: &mut impl Write) -> Option<Request> {
    let mut first = String::new();
    input.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut length = 0;
    let mut chunked = false;
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim().to_ascii_lowercase();
        match line.split_once(':').map(|(name, value)| (name, value.trim())) {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
            Some(("expect", _)) => out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?,
            None if line.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    while chunked {
        let mut size = String::new();
        input.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        input.read_exact(&mut chunk).ok()?;
        body.extend_from_slice(&chunk[..size]);
        chunked = size > 0;
    }
    let line = first.rsplit_once(' ').map_or(first.as_str(), |(line, _)| line).to_owned();
    Some(Request { line, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}
