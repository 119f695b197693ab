//! An HTTP proxy on the loopback address: it answers every CONNECT with a connection to one local port, whatever host the client names.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How the proxy answers a CONNECT.
#[derive(Debug, Clone, Copy)]
pub enum ProxyReply {
    /// Connects to this port.
    Connect(u16),
    /// Answers with this line and closes the connection.
    Refuse(&'static str),
}

/// A running proxy, which ends with the test's process.
pub struct ConnectProxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Starts a proxy.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    #[must_use]
    pub fn start(reply: ProxyReply) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(client, reply, &seen));
            }
        });
        Self { address, requests }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Returns the requests received so far, each with its headers.
    ///
    /// # Panics
    /// Panics if a thread of the proxy panicked.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }
}

fn serve(mut client: TcpStream, reply: ProxyReply, seen: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut next = [0];
    while !request.ends_with(b"\r\n\r\n") {
        match client.read(&mut next) {
            Ok(1) => request.push(next[0]),
            _ => return,
        }
    }
    seen.lock().expect("requests").push(String::from_utf8_lossy(&request).into_owned());
    let port = match reply {
        ProxyReply::Connect(port) => port,
        ProxyReply::Refuse(line) => {
            let _ = write!(client, "{line}\r\nContent-Length: 0\r\n\r\n");
            return;
        }
    };
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    // Real proxies add a reason phrase and a header.
    let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n");
    let (mut from, mut to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}
