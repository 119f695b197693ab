//! A proxy on the loopback address that disturbs a stream as networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// How the proxy disturbs the bytes that a server sends; each number is an offset from the start of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFault {
    /// Nothing.
    None,
    /// Ends the connection after this many bytes.
    Cut(usize),
    /// Resets the connection.
    Reset(usize),
    /// Stops sending, but keeps the connection open.
    Stall(usize),
    /// Changes the byte at this offset.
    Flip(usize),
    /// Swaps two consecutive HTTP/2 DATA frames at this offset.
    Swap(usize),
    /// Sends this many bytes each hundredth of a second.
    Drip(usize),
}

/// A running proxy, which ends with the test's process.
pub struct FaultyProxy {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl FaultyProxy {
    /// Starts a proxy for the server at `port`. `fault` returns the disturbance of each connection, by its number.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    #[must_use]
    pub fn start(port: u16, fault: impl Fn(usize) -> NetworkFault + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let fault = fault(count.fetch_add(1, Ordering::Relaxed));
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                between(client, server, fault);
            }
        });
        Self { address, connections }
    }

    /// Returns the proxy's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn between(client: TcpStream, server: TcpStream, fault: NetworkFault) {
    let (mut from, mut to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = pass(&server, &client, fault);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    });
}

fn pass(mut server: &TcpStream, mut client: &TcpStream, fault: NetworkFault) -> std::io::Result<()> {
    if let NetworkFault::Swap(at) = fault {
        return swap(server, client, at);
    }
    let mut passed = 0;
    let mut block = vec![0; if let NetworkFault::Drip(bytes) = fault { bytes } else { 16 << 10 }];
    loop {
        let count = server.read(&mut block)?;
        if count == 0 {
            return Ok(());
        }
        let bytes = &mut block[..count];
        let reached = |at: usize| (passed..passed + count).contains(&at);
        match fault {
            NetworkFault::Flip(at) if reached(at) => bytes[at - passed] ^= 0x20,
            NetworkFault::Cut(at) if reached(at) => return client.write_all(&bytes[..at - passed]),
            NetworkFault::Reset(at) if reached(at) => {
                client.write_all(&bytes[..at - passed])?;
                set_socket_linger(client, Some(Duration::ZERO))?;
                return Ok(());
            }
            NetworkFault::Stall(at) if reached(at) => {
                client.write_all(&bytes[..at - passed])?;
                // Until the other side gives up.
                let mut rest = [0; 1];
                while client.peek(&mut rest)? > 0 {
                    thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
            NetworkFault::Drip(_) => thread::sleep(Duration::from_millis(10)),
            _ => {}
        }
        client.write_all(bytes)?;
        passed += count;
    }
}

/// Forwards frames (RFC 9113, 4.1: length in 3 bytes, type, flags, stream in 4), and swaps two of them.
fn swap(mut server: &TcpStream, mut client: &TcpStream, at: usize) -> std::io::Result<()> {
    let mut passed = 0;
    let mut held: Option<Vec<u8>> = None;
    let mut swapped = false;
    loop {
        let mut frame = vec![0; 9];
        server.read_exact(&mut frame)?;
        let len = usize::from(frame[0]) << 16 | usize::from(frame[1]) << 8 | usize::from(frame[2]);
        let is_data = frame[3] == 0 && len > 100;
        frame.resize(9 + len, 0);
        server.read_exact(&mut frame[9..])?;
        passed += frame.len();
        if is_data && passed > at && !swapped && held.is_none() {
            held = Some(frame);
            continue;
        }
        client.write_all(&frame)?;
        if is_data && let Some(held) = held.take() {
            client.write_all(&held)?;
            swapped = true;
        }
    }
}
