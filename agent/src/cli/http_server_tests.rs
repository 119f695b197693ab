//! Tests of the server that must run within the process: a panic in an answer, clients with several addresses, and the time limits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::*;

/// A server on its own thread, stopped when dropped.
struct Running {
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    fn start(addresses: &[&str]) -> Self {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let server = Server::bind(&addresses).unwrap();
        let addresses = server.addresses().unwrap();
        let stop = CancellationToken::new();
        let answer = |request: &Request<Incoming>| match request.uri().path() {
            "/defect" => panic!("a defect"),
            _ => text(StatusCode::OK, "fine\n"),
        };
        let responder = Arc::new(Responder { answer: Box::new(answer), longest_answer: 5 });
        let token = stop.clone();
        let thread = thread::spawn(move || server.run(responder, token.cancelled_owned()).unwrap());
        Self { addresses, stop, thread: Some(thread) }
    }

    fn get(&self, path: &str) -> String {
        get(self.addresses[0], path)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn a_defect_in_one_answer_does_not_end_the_server() {
    let server = Running::start(&["127.0.0.1:0"]);
    for _ in 0..3 {
        assert_eq!(server.get("/defect"), "");
        let answer = server.get("/");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("fine\n"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
}

/// Idle clients at one address displace each other, not those of another address.
#[test]
fn the_address_with_most_connections_loses_one() {
    let server = Running::start(&["0.0.0.0:0"]);
    let port = server.addresses[0].port();
    let mut other = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // Written in two halves, the second after the flood.
    other.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    thread::sleep(Duration::from_millis(50));
    let flood: Vec<TcpStream> = (0..MAX_CONNECTIONS * 3).map(|_| from("127.0.0.2:0", port)).collect();
    thread::sleep(Duration::from_millis(200));
    other.write_all(b"\r\n").unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("fine\n"), "{answer}");
    let closed = flood.into_iter().filter(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        !matches!((&mut &*stream).read(&mut [0; 8]), Err(cause) if cause.kind() == io::ErrorKind::WouldBlock)
    });
    let closed = closed.count();
    assert!((MAX_CONNECTIONS * 2..=MAX_CONNECTIONS * 2 + 2).contains(&closed), "{closed} were closed");
}

/// Connects from a given loopback address.
fn from(local: &str, port: u16) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &local.parse::<SocketAddr>().unwrap()).unwrap();
    connect(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    socket.into()
}

#[test]
fn a_head_that_does_not_end_is_waited_for_a_few_seconds() {
    let server = Running::start(&["127.0.0.1:0"]);
    let mut slow = TcpStream::connect(server.addresses[0]).unwrap();
    let since = Instant::now();
    slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = slow.read_to_end(&mut answer);
    let took = since.elapsed();
    assert!(took > HEAD_TIMEOUT / 2 && took < HEAD_TIMEOUT + Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_server_of_a_name_with_two_addresses_listens_on_both() {
    let Ok(server) = Server::bind(&["[::1]:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()]) else { return };
    let addresses = server.addresses().unwrap();
    assert!(addresses.iter().all(|address| address.port() == addresses[0].port()), "{addresses:?}");
    // Without IPv6, or if its port is taken, only one listener is left.
    let both = Running::start(&["127.0.0.1:0", "127.0.0.2:0"]);
    for address in &both.addresses {
        assert!(get(*address, "/").ends_with("fine\n"));
    }
    assert_eq!(both.addresses.len(), 2);
    assert!(Server::bind(&[]).is_err());
    assert!(Server::bind(&[both.addresses[0]]).is_err());
}

#[test]
fn a_stop_lets_answers_end_and_closes_the_port() {
    let server = Running::start(&["127.0.0.1:0"]);
    let address = server.addresses[0];
    let idle = TcpStream::connect(address).unwrap();
    thread::sleep(Duration::from_millis(50));
    let (sender, receiver) = mpsc::channel();
    let since = Instant::now();
    thread::spawn(move || {
        drop(server);
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(since.elapsed() < STOP_TIMEOUT + Duration::from_secs(2));
    assert!(TcpStream::connect(address).is_err());
    drop(idle);
}
