//! The two HTTP servers of the program, `open` and the metrics of `save --every`, run as a person runs them; and what a client can say to them.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli;

/// How long a client here waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `etcdsnap open`.
    Page,
    /// The metrics of `etcdsnap save --every`.
    Metrics,
}

/// A running program with its server on a loopback port that the system chose.
pub struct HttpServer {
    /// Which it is.
    pub which: Which,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    /// Lines of its log, or what it says to a person.
    log: BufReader<std::process::ChildStderr>,
    _folder: tempfile::TempDir,
}

impl HttpServer {
    /// Starts it below `wrapper`, a program with arguments that runs what follows, such as `prlimit --nofile=40`; it may be empty.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(which: Which, wrapper: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let page = folder.path().join("page.html");
        fs::write(&page, "x".repeat(2 << 20)).expect("a page");
        let out = folder.path().join("{time}.db");
        let mut words: Vec<std::ffi::OsString> = wrapper.iter().map(Into::into).collect();
        words.push(cli::program().into());
        match which {
            Which::Page => words.extend(["open".into(), "--page".into(), page.into()]),
            Which::Metrics => {
                // Nothing listens at port 1, so the service fails and goes on.
                let flags = "save --every=1h --endpoints=127.0.0.1:1 --log-format=json --metrics-listen=localhost:0";
                words.extend(flags.split(' ').map(Into::into));
                words.push(out.into());
            }
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let address = match which {
            Which::Page => {
                let mut line = String::new();
                BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
                line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned()
            }
            Which::Metrics => loop {
                let line = line(&mut log).expect("the service says where it listens");
                let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                // A name may have an IPv6 address as well.
                match value["address"].as_str() {
                    Some(address) if address.starts_with("127.") => break address.to_owned(),
                    _ => {}
                }
            },
        };
        let address = address.parse().unwrap_or_else(|_| panic!("{address:?} is no address"));
        Self { which, address, child, log, _folder: folder }
    }

    /// The path that it serves.
    #[must_use]
    pub fn path(&self) -> &'static str {
        match self.which {
            Which::Page => "/",
            Which::Metrics => "/metrics",
        }
    }

    /// A proper request: the whole answer, which must come within a second. A second try is for a machine that stood still; a server that is kept busy fails both.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    pub fn proper_answer(&self, after: &str) -> String {
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.path(), self.address);
        let answers = [0, 1].map(|_| {
            let since = Instant::now();
            let answer = exchange(self.address, request.as_bytes(), Duration::from_secs(1));
            (since.elapsed() < Duration::from_secs(1))
                .then_some(answer)
                .filter(|answer| answer.starts_with("HTTP/1.1 200"))
        });
        let answer = answers.into_iter().flatten().next();
        answer.unwrap_or_else(|| panic!("{:?}: no answer within a second after: {after}", self.which))
    }

    /// The most memory that it had so far, in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// The time that processors spent on it, in hundredths of a second.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(self.proc("stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        [11, 12].into_iter().map(|field| fields[field].parse::<u64>().expect("a number")).sum()
    }

    fn proc(&self, name: &str) -> std::path::PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    /// Sends a signal and waits for the end: how it ended, and what it said that nobody read yet.
    ///
    /// # Panics
    /// When it cannot be waited for.
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

/// A connection.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time");
    stream
}

/// What comes back until the server closes the connection, or for so long.
///
/// # Panics
/// When there is no connection.
#[must_use]
pub fn exchange(address: SocketAddr, request: &[u8], patience: Duration) -> String {
    let mut stream = connect(address);
    // A server that has heard enough may close the connection.
    let _ = stream.write_all(request);
    read_answer(&mut stream, patience)
}

/// What comes until the server closes the connection, or for so long.
///
/// # Panics
/// When no time can be set.
#[must_use]
pub fn read_answer(stream: &mut TcpStream, patience: Duration) -> String {
    let since = Instant::now();
    let mut answer = Vec::new();
    let mut block = vec![0; 1 << 16];
    while let Some(left) = patience.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) {
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

/// Writes a block again and again until the server has heard enough: how many bytes it took.
#[must_use]
pub fn pour(stream: &mut TcpStream, block: &[u8], at_most: usize) -> usize {
    let mut poured = 0;
    while poured < at_most && stream.write_all(block).is_ok() {
        poured += block.len();
    }
    let _ = stream.shutdown(Shutdown::Write);
    poured
}
