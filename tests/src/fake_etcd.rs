//! A server that speaks as much HTTP/2 and gRPC as a save needs, and that streams any snapshot a test chooses.
//!
//! It identifies requests by their order on a connection: the status, the members, the snapshot. All later requests fail.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use etcdsnap_core::proto::etcdserverpb::{
    Member, MemberListResponse, ResponseHeader, SnapshotResponse, StatusResponse,
};
use prost::Message;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `SETTINGS_INITIAL_WINDOW_SIZE`.
const INITIAL_WINDOW: u16 = 4;
/// The longest frame that every peer accepts.
const FRAME: usize = 16_384;

/// `:status: 200` and `content-type: application/grpc`. Source: RFC 7541, appendix A.
const HEAD: &[u8] = b"\x88\x0f\x10\x10application/grpc";
const OK: &[u8] = b"\x00\x0bgrpc-status\x010";
const UNIMPLEMENTED: &[u8] = b"\x00\x0bgrpc-status\x0212";

/// A stream on which the server sends pieces of a snapshot.
pub struct Pieces<'c> {
    connection: &'c Connection,
    stream: u32,
}

impl Pieces<'_> {
    /// Sends one message of the stream.
    ///
    /// # Errors
    /// Fails if the client is gone.
    pub fn send(&self, remaining_bytes: u64, blob: &[u8]) -> io::Result<()> {
        let header = Some(ResponseHeader { cluster_id: 77, member_id: 88, revision: 5, raft_term: 2 });
        let piece = SnapshotResponse { header, remaining_bytes, blob: blob.to_vec().into(), version: String::new() };
        self.connection.message(self.stream, &piece)
    }

    /// Sends a database in pieces of `len` bytes, then its SHA-256, as etcd does.
    ///
    /// # Errors
    /// Fails if the client is gone.
    pub fn send_snapshot(&self, snapshot: &[u8], len: usize) -> io::Result<()> {
        let (database, sha256) = snapshot.split_at(snapshot.len() - 32);
        let mut left = database.len();
        for piece in database.chunks(len) {
            left -= piece.len();
            self.send(left as u64, piece)?;
        }
        self.send(0, sha256)
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// Fails if the client is gone.
    pub fn end(&self) -> io::Result<()> {
        self.connection.frame(HEADERS, END_STREAM | END_HEADERS, self.stream, OK)
    }
}

/// A running server, which ends with the test's process.
pub struct FakeEtcd {
    address: SocketAddr,
}

impl FakeEtcd {
    /// Starts a server. `snapshot` sends the pieces; the stream stays open if `snapshot` returns without ending it.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub fn start(snapshot: impl Fn(&Pieces<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let snapshot: Arc<Snapshot> = Arc::new(snapshot);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let snapshot = Arc::clone(&snapshot);
                // The connection ends when the client goes away.
                thread::spawn(move || drop(serve(client, &snapshot)));
            }
        });
        Self { address }
    }

    /// Returns the server's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

type Snapshot = dyn Fn(&Pieces<'_>) -> io::Result<()> + Send + Sync;

struct Connection {
    out: Mutex<TcpStream>,
    windows: Mutex<Windows>,
    changed: Condvar,
}

/// How many bytes the client accepts: on the connection, and on each new stream. Of the streams only that of the snapshot counts.
struct Windows {
    connection: i64,
    initial: i64,
    stream: i64,
    is_gone: bool,
}

impl Connection {
    fn frame(&self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        self.out.lock().unwrap().write_all(&bytes)
    }

    fn message(&self, stream: u32, message: &impl Message) -> io::Result<()> {
        let message = message.encode_to_vec();
        let mut bytes = vec![0];
        bytes.extend((message.len() as u32).to_be_bytes());
        bytes.extend(message);
        for piece in bytes.chunks(FRAME) {
            let len = piece.len() as i64;
            let mut windows = self.windows.lock().unwrap();
            while windows.connection < len || windows.initial + windows.stream < len {
                if windows.is_gone {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                windows = self.changed.wait_timeout(windows, Duration::from_secs(1)).unwrap().0;
            }
            windows.connection -= len;
            windows.stream -= len;
            drop(windows);
            self.frame(DATA, 0, stream, piece)?;
        }
        Ok(())
    }
}

fn serve(mut client: TcpStream, snapshot: &Arc<Snapshot>) -> io::Result<()> {
    let windows = Windows { connection: 65_535, initial: 65_535, stream: 0, is_gone: false };
    let (out, windows) = (Mutex::new(client.try_clone()?), Mutex::new(windows));
    let connection = Arc::new(Connection { out, windows, changed: Condvar::new() });
    connection.frame(SETTINGS, 0, 0, &[])?;
    client.read_exact(&mut [0; 24])?;
    let outcome = answer(&mut client, &connection, snapshot);
    connection.windows.lock().unwrap().is_gone = true;
    connection.changed.notify_all();
    outcome
}

fn answer(client: &mut TcpStream, connection: &Arc<Connection>, snapshot: &Arc<Snapshot>) -> io::Result<()> {
    let header = Some(ResponseHeader { cluster_id: 77, member_id: 88, revision: 5, raft_term: 2 });
    let mut requests = 0;
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head)?;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap()) & 0x7fff_ffff;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        client.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => {
                let mut windows = connection.windows.lock().unwrap();
                for setting in payload.chunks_exact(6) {
                    if setting[..2] == INITIAL_WINDOW.to_be_bytes() {
                        windows.initial = i64::from(u32::from_be_bytes(setting[2..].try_into().unwrap()));
                    }
                }
                drop(windows);
                connection.frame(SETTINGS, ACK, 0, &[])?;
            }
            PING if flags & ACK == 0 => connection.frame(PING, ACK, 0, &payload)?,
            WINDOW_UPDATE => {
                let more = i64::from(u32::from_be_bytes(payload[..4].try_into().unwrap()));
                let mut windows = connection.windows.lock().unwrap();
                if stream == 0 {
                    windows.connection += more
                } else {
                    windows.stream += more
                }
                drop(windows);
                connection.changed.notify_all();
            }
            HEADERS => {
                requests += 1;
                connection.frame(HEADERS, END_HEADERS, stream, HEAD)?;
                match requests {
                    1 => {
                        let (version, db_size) = ("3.6.0".to_owned(), 20_480);
                        let status = StatusResponse { header, version, db_size, leader: 88, ..Default::default() };
                        connection.message(stream, &status)?;
                        connection.frame(HEADERS, END_STREAM | END_HEADERS, stream, OK)?;
                    }
                    2 => {
                        let member = Member { id: 88, name: "fake".into(), ..Default::default() };
                        connection.message(stream, &MemberListResponse { header, members: vec![member] })?;
                        connection.frame(HEADERS, END_STREAM | END_HEADERS, stream, OK)?;
                    }
                    3 => {
                        connection.windows.lock().unwrap().stream = 0;
                        let (connection, snapshot) = (Arc::clone(connection), Arc::clone(snapshot));
                        thread::spawn(move || drop(snapshot(&Pieces { connection: &connection, stream })));
                    }
                    _ => connection.frame(HEADERS, END_STREAM | END_HEADERS, stream, UNIMPLEMENTED)?,
                }
            }
            _ => {}
        }
    }
}
