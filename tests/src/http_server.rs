//! Runs the program's two HTTP servers, `open` and the metrics of `save --every`, as a person does, and sends them requests.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli;

/// How long a client waits.
const TIMEOUT: Duration = Duration::from_secs(20);

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// `etcdsnap open`.
    Page,
    /// The metrics of `etcdsnap save --every`.
    Metrics,
}

/// A running program whose server listens on a loopback port that the system chose.
pub struct HttpServer {
    /// Which server it is.
    pub kind: ServerKind,
    /// The address it listens on.
    pub address: SocketAddr,
    child: Child,
    /// The rest of its log or messages.
    log: BufReader<std::process::ChildStderr>,
    _folder: tempfile::TempDir,
}

impl HttpServer {
    /// Starts the server through `wrapper`, a program with arguments that runs the command that follows, such as `prlimit --nofile=40`; it may be empty.
    ///
    /// # Panics
    /// Panics if the server does not start.
    #[must_use]
    pub fn start(kind: ServerKind, wrapper: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let page = folder.path().join("page.html");
        fs::write(&page, "x".repeat(2 << 20)).expect("a page");
        let out = folder.path().join("{time}.db");
        let mut words: Vec<std::ffi::OsString> = wrapper.iter().map(Into::into).collect();
        words.push(cli::program().into());
        match kind {
            ServerKind::Page => words.extend(["open".into(), "--page".into(), page.into()]),
            ServerKind::Metrics => {
                // Nothing listens at port 1, so each save fails and the service continues.
                let flags = "save --every=1h --endpoints=127.0.0.1:1 --log-format=json --metrics-listen=localhost:0";
                words.extend(flags.split(' ').map(Into::into));
                words.push(out.into());
            }
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let address = match kind {
            ServerKind::Page => {
                let mut line = String::new();
                BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
                line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned()
            }
            ServerKind::Metrics => loop {
                let line = line(&mut log).expect("the service says where it listens");
                let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                // A name may have an IPv6 address too.
                match value["address"].as_str() {
                    Some(address) if address.starts_with("127.") => break address.to_owned(),
                    _ => {}
                }
            },
        };
        let address = address.parse().unwrap_or_else(|_| panic!("{address:?} is no address"));
        Self { kind, address, child, log, _folder: folder }
    }

    /// Returns the path that it serves.
    #[must_use]
    pub fn path(&self) -> &'static str {
        match self.kind {
            ServerKind::Page => "/",
            ServerKind::Metrics => "/metrics",
        }
    }

    /// Sends a valid request and returns the whole answer, which must arrive within a second. It tries four times, because the machine may be busy; a client that could block
    /// others would do so for longer.
    ///
    /// # Panics
    /// Panics if no answer arrives.
    #[must_use]
    pub fn valid_answer(&self, after: &str) -> String {
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.path(), self.address);
        let answer = (0..4).find_map(|_| {
            let since = Instant::now();
            let answer = exchange(self.address, request.as_bytes(), Duration::from_secs(1));
            (since.elapsed() < Duration::from_secs(1) && answer.starts_with("HTTP/1.1 200")).then_some(answer)
        });
        answer.unwrap_or_else(|| panic!("{:?}: no answer within a second after: {after}", self.kind))
    }

    /// Returns its peak memory so far, in bytes.
    ///
    /// # Panics
    /// Panics if the process is gone.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Returns the processor time it has used, in hundredths of a second.
    ///
    /// # Panics
    /// Panics if the process is gone.
    #[must_use]
    pub fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(self.proc("stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        [11, 12].into_iter().map(|field| fields[field].parse::<u64>().expect("a number")).sum()
    }

    fn proc(&self, name: &str) -> std::path::PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    /// Sends a signal and waits for the end. Returns the exit status and the output not read yet.
    ///
    /// # Panics
    /// Panics if waiting fails.
    #[must_use]
    pub fn stop(mut self, signal: Signal) -> (ExitStatus, String) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it ends"), rest)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(log: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    log.read_line(&mut line).ok().filter(|len| *len > 0).map(|_| line)
}

/// Connects to the server.
///
/// # Panics
/// Panics if it cannot connect.
#[must_use]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time");
    stream.set_write_timeout(Some(TIMEOUT)).expect("a time");
    stream
}

/// Sends a request and returns the answer, until the server closes the connection or the time is over.
///
/// # Panics
/// Panics if it cannot connect.
#[must_use]
pub fn exchange(address: SocketAddr, request: &[u8], timeout: Duration) -> String {
    let mut stream = connect(address);
    // A server may close the connection before it has read everything.
    let _ = stream.write_all(request);
    read_answer(&mut stream, timeout)
}

/// Reads until the server closes the connection or the time is over.
///
/// # Panics
/// Panics if the timeout cannot be set.
#[must_use]
pub fn read_answer(stream: &mut TcpStream, timeout: Duration) -> String {
    let since = Instant::now();
    let mut answer = Vec::new();
    let mut block = vec![0; 1 << 16];
    while let Some(left) = timeout.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) {
        stream.set_read_timeout(Some(left)).expect("a time");
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&block[..count]),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Writes a block repeatedly until the server closes the connection or `max_bytes` bytes are written. Returns the number of bytes.
#[must_use]
pub fn write_until_closed(stream: &mut TcpStream, block: &[u8], max_bytes: usize) -> usize {
    let mut poured = 0;
    while poured < max_bytes && stream.write_all(block).is_ok() {
        poured += block.len();
    }
    let _ = stream.shutdown(Shutdown::Write);
    poured
}
