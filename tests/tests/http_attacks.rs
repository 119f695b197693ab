//! Attacks of hostile and broken clients on the two HTTP servers. After each attack the server answers a valid request within a second, and its memory is bounded.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use etcdsnap_tests::http_server::{HttpServer, ServerKind, connect, exchange, read_answer, write_until_closed};
use rustix::process::Signal;

/// How much memory a server may use for all attacks together.
const MEMORY_LIMIT: u64 = 24 << 20;

/// The possible status codes of the answer to an attack; 0 for no answer.
type Statuses = &'static [u16];

/// Attacks that are one request, with `PATH` and `HOST` replaced by valid values: a name, the request, and the status codes that the page and the metrics may answer.
const REQUESTS: &[(&str, &str, Statuses, Statuses)] = &[
    ("a huge length", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999\r\n\r\n", &[400], &[400]),
    (
        "a length beyond 64 bits",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        &[400],
        &[400],
    ),
    (
        "the largest length",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 18446744073709551615\r\n\r\n",
        &[400, 431],
        &[400, 431],
    ),
    ("a negative length", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n", &[400], &[400]),
    ("a length with a sign", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: +5\r\n\r\nhello", &[400], &[400]),
    ("a length that is no number", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: five\r\n\r\n", &[400], &[400]),
    ("an empty length", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: \r\n\r\n", &[400], &[400]),
    (
        "two lengths",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        &[400],
        &[400],
    ),
    ("a list of lengths", "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5, 5\r\n\r\nhello", &[400], &[400]),
    (
        "an open request of 3 GB",
        "POST PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3000000000\r\n\r\n",
        &[405],
        &[405],
    ),
    (
        "a chunk without end",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx",
        &[400],
        &[400],
    ),
    (
        "a chunk size beyond 64 bits",
        "POST PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nx",
        &[405],
        &[405],
    ),
    (
        "both kinds of length",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        &[400],
        &[400],
    ),
    (
        "an unknown encoding",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        &[400],
        &[400],
    ),
    (
        "an encoding behind chunks",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        &[400],
        &[400],
    ),
    (
        "a space before the colon",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        &[400],
        &[400],
    ),
    (
        "chunks in HTTP/1.0",
        "GET PATH HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
        &[400],
    ),
    ("an unknown version", "GET PATH HTTP/9.9\r\nHost: HOST\r\n\r\n", &[400], &[400]),
    ("HTTP/0.9", "GET PATH\r\n\r\n", &[400], &[400]),
    ("a version in small letters", "GET PATH http/1.1\r\nHost: HOST\r\n\r\n", &[400], &[400]),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0, 400], &[0, 400]),
    ("CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n", &[405], &[405]),
    ("CONNECT to this server", "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n", &[405], &[405]),
    ("TRACE", "TRACE PATH HTTP/1.1\r\nHost: HOST\r\n\r\n", &[405], &[405]),
    ("OPTIONS of everything", "OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n", &[405], &[405]),
    ("GET of everything", "GET * HTTP/1.1\r\nHost: HOST\r\n\r\n", &[400, 404], &[400, 404]),
    ("the own address in the line", "GET http://HOST/metrics HTTP/1.1\r\nHost: HOST\r\n\r\n", &[404], &[200]),
    ("a foreign address in the line", "GET http://evil.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n", &[421], &[404]),
    ("a foreign name", "GET PATH HTTP/1.1\r\nHost: evil.example\r\n\r\n", &[421], &[200]),
    ("a foreign name with the port", "GET PATH HTTP/1.1\r\nHost: HOST.evil.example\r\n\r\n", &[421], &[200]),
    ("two names", "GET PATH HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n\r\n", &[400], &[400]),
    ("no name", "GET PATH HTTP/1.1\r\n\r\n", &[400], &[400]),
    ("no name in HTTP/1.0", "GET PATH HTTP/1.0\r\n\r\n", &[421], &[200]),
    ("an empty name", "GET PATH HTTP/1.1\r\nHost:\r\n\r\n", &[421], &[200]),
    ("a zero byte in the path", "GET PATH\0x HTTP/1.1\r\nHost: HOST\r\n\r\n", &[400], &[400]),
    ("a zero byte in a header", "GET PATH HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n", &[400], &[400]),
    ("a zero byte in a header's name", "GET PATH HTTP/1.1\r\nHost: HOST\r\nX\0: a\r\n\r\n", &[400], &[400]),
    ("a folded line", "GET PATH HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n", &[400], &[400]),
    ("a header without a name", "GET PATH HTTP/1.1\r\nHost: HOST\r\n: a\r\n\r\n", &[400], &[400]),
    ("a header without a colon", "GET PATH HTTP/1.1\r\nHost: HOST\r\nnonsense\r\n\r\n", &[400], &[400]),
    ("a carriage return in a header", "GET PATH HTTP/1.1\r\nHost: HOST\r\nX: a\rb\r\n\r\n", &[400], &[400]),
    ("a method in small letters", "get PATH HTTP/1.1\r\nHost: HOST\r\n\r\n", &[405], &[405]),
    ("a method of no letters", "\u{1}\u{2} PATH HTTP/1.1\r\nHost: HOST\r\n\r\n", &[400], &[400]),
    ("a way out of the folder", "GET /../../etc/passwd HTTP/1.1\r\nHost: HOST\r\n\r\n", &[404], &[404]),
    ("a way out in other letters", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: HOST\r\n\r\n", &[404], &[404]),
    (
        "a body that waits for leave",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
        &[400],
        &[400],
    ),
    (
        "a post that waits for leave",
        "POST PATH HTTP/1.1\r\nHost: HOST\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
        &[405],
        &[405],
    ),
    (
        "another protocol is wanted",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        &[200],
        &[200],
    ),
    (
        "HTTP/2 is wanted",
        "GET PATH HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        &[200],
        &[200],
    ),
    (
        "a greeting of TLS",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{7c}\u{3}\u{3}0123456789012345678901234567890123456789\r\n\r\n",
        &[0, 400],
        &[0, 400],
    ),
    ("a greeting of SSH", "SSH-2.0-OpenSSH_9.9\r\n\r\n", &[0, 400], &[0, 400]),
    ("a question", "GET PATH?x=1&y=../../ HTTP/1.1\r\nHost: HOST\r\n\r\n", &[200], &[200]),
    ("HEAD", "HEAD PATH HTTP/1.1\r\nHost: HOST\r\n\r\n", &[200], &[200]),
];

/// An attack with its name.
type Attack = (&'static str, fn(&HttpServer));

/// A name, a number of connections, and the function that opens each of them.
type ConnectionFlood = (&'static str, usize, fn(&HttpServer) -> TcpStream);

/// Attacks that need more than one request, or a misbehaving client.
const ATTACKS: &[Attack] = &[
    ("a head of 300 MB", |server| {
        let mut stream = connect(server.address);
        let _ = write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\n", server.path());
        let line = format!("X-Line: {}\r\n", "y".repeat(1000)).repeat(64);
        let poured = write_until_closed(&mut stream, line.as_bytes(), 300 << 20);
        assert!(poured < 32 << 20, "{poured} bytes of a head were read");
        assert!(matches!(status(&read_answer(&mut stream, Duration::from_secs(5))), 0 | 431));
    }),
    ("one line of 64 MB", |server| endless(server, "GET / HTTP/1.1\r\nHost: x\r\nX: ", b"yyyyyyyy")),
    ("a path of 64 MB", |server| endless(server, "GET /", b"yyyyyyyy")),
    ("a method of 64 MB", |server| endless(server, "", b"GETGETGE")),
    ("empty lines without end", |server| endless(server, "", b"\r\n\r\n\r\n\r\n")),
    ("zero bytes without end", |server| endless(server, "", &[0; 8])),
    ("ten thousand lines", |server| {
        let head = "X: y\r\n".repeat(10_000);
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n{head}\r\n", server.path(), server.address);
        let answer = exchange(server.address, request.as_bytes(), Duration::from_secs(5));
        assert!(matches!(status(&answer), 0 | 400 | 431), "{answer}");
    }),
    ("extensions of a chunk without end", |server| {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n5;",
            server.path(),
            server.address
        );
        endless(server, &head, b"a=b;c=d;");
    }),
    ("trailers without end", |server| {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            server.path(),
            server.address
        );
        endless(server, &head, b"X: yyy\r\n");
    }),
    ("a body that was not announced", |server| {
        let head = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", server.path(), server.address);
        endless(server, &head, b"yyyyyyyy");
    }),
    ("a thousand requests at once", |server| {
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", server.path(), server.address).repeat(1000);
        let answer = exchange(server.address, request.as_bytes(), Duration::from_secs(5));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    }),
    ("a request that is closed half-way", |server| {
        let mut stream = connect(server.address);
        stream.write_all(b"GET / HT").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(matches!(status(&read_answer(&mut stream, Duration::from_secs(5))), 0 | 400));
    }),
    ("a client that says nothing and closes its side", |server| {
        let mut stream = connect(server.address);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(status(&read_answer(&mut stream, Duration::from_secs(5))), 0);
    }),
    ("a client that closes its side and waits for the answer", |server| {
        let mut stream = connect(server.address);
        write!(stream, "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", server.path(), server.address).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(status(&read_answer(&mut stream, Duration::from_secs(5))), 200);
    }),
    ("connections that are cut at once", |server| (0..300).for_each(|_| reset(connect(server.address)))),
    ("answers that are cut in the middle", |server| {
        for _ in 0..100 {
            let mut stream = connect(server.address);
            write!(stream, "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", server.path(), server.address).unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 100]);
            reset(stream);
        }
    }),
];

/// Attacks by connections that stay open while a proper client sends its request.
const CONNECTION_FLOODS: &[ConnectionFlood] = &[
    ("one client that says nothing", 1, |server| connect(server.address)),
    ("as many as there may be", 64, |server| connect(server.address)),
    ("many more than there may be", 400, |server| connect(server.address)),
    ("many that stop in the head", 200, |server| {
        let mut stream = connect(server.address);
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ");
        stream
    }),
    ("many that stop in a long head", 200, |server| {
        let mut stream = connect(server.address);
        let _ = stream.write_all(format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(30_000)).as_bytes());
        stream
    }),
    ("many that never read the answer", 200, |server| {
        let mut stream = connect(server.address);
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", server.path(), server.address);
        let _ = stream.write_all(request.repeat(20).as_bytes());
        stream
    }),
    ("many that wait for leave to send a body", 200, |server| {
        let mut stream = connect(server.address);
        let _ = stream
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000000\r\nExpect: 100-continue\r\n\r\n");
        stream
    }),
];

/// Returns the status code of an answer; 0 if there is none.
fn status(answer: &str) -> u16 {
    let number = answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 "));
    number.and_then(|rest| rest.get(..3)).map_or(0, |number| number.parse().unwrap())
}

/// Writes endlessly after `head`; the server must close the connection soon.
fn endless(server: &HttpServer, head: &str, block: &[u8; 8]) {
    let mut stream = connect(server.address);
    let _ = stream.write_all(head.as_bytes());
    let poured = write_until_closed(&mut stream, &block.repeat(8192), 64 << 20);
    assert!(poured < 32 << 20, "{poured} bytes were read");
}

/// Resets a connection.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

fn run_attacks(kind: ServerKind) {
    let server = HttpServer::start(kind, &[]);
    let _ = server.valid_answer("nothing");
    let before = server.peak_memory();
    let still_well = |after: &str| {
        let _ = server.valid_answer(after);
        let taken = server.peak_memory().saturating_sub(before);
        assert!(taken < MEMORY_LIMIT, "{kind:?}: {taken} bytes were taken by: {after}");
    };
    for (name, request, by_page, by_metrics) in REQUESTS {
        let request = request.replace("PATH", server.path()).replace("HOST", &server.address.to_string());
        let answer = exchange(server.address, request.as_bytes(), Duration::from_secs(4));
        let wanted = if kind == ServerKind::Page { by_page } else { by_metrics };
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        assert!(wanted.contains(&status(&answer)), "{kind:?}: {name}: {head:?} instead of {wanted:?}");
        still_well(name);
    }
    for (name, deed) in ATTACKS {
        deed(&server);
        still_well(name);
    }
    for (name, count, client) in CONNECTION_FLOODS {
        let crowd: Vec<TcpStream> = (0..*count).map(|_| client(&server)).collect();
        still_well(name);
        drop(crowd);
        still_well(&format!("{name} and went away"));
    }
    // A request that arrives byte by byte takes no longer than one that stops.
    let mut slow: Vec<TcpStream> = (0..100).map(|_| connect(server.address)).collect();
    for byte in b"GET / HTTP/1.1\r\n" {
        slow.iter_mut().for_each(|stream| drop(stream.write_all(&[*byte])));
        still_well("heads that drip");
        sleep(Duration::from_millis(50));
    }
    let (status, _) = server.stop(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{kind:?}");
}

#[test]
fn the_page_withstands_attacks() {
    run_attacks(ServerKind::Page);
}

#[test]
fn the_metrics_withstand_attacks() {
    run_attacks(ServerKind::Metrics);
}

#[test]
fn there_are_at_least_sixty_attacks() {
    assert!(REQUESTS.len() + ATTACKS.len() + CONNECTION_FLOODS.len() >= 60);
}

/// If no file descriptors are left, old connections are closed, and the server neither spins nor ends.
#[test]
fn serves_without_spare_file_descriptors() {
    for kind in [ServerKind::Page, ServerKind::Metrics] {
        let server = HttpServer::start(kind, &["prlimit", "--nofile=24"]);
        let _ = server.valid_answer("nothing");
        let crowd: Vec<TcpStream> = (0..200).map(|_| connect(server.address)).collect();
        let begun = server.processor_time();
        sleep(Duration::from_secs(2));
        let spent = server.processor_time() - begun;
        assert!(spent < 50, "{kind:?}: {spent} hundredths of a second");
        let _ = server.valid_answer("200 connections");
        drop(crowd);
        let _ = server.valid_answer("200 connections that went away");
        let (status, _) = server.stop(Signal::INT);
        assert_eq!(status.code(), Some(0));
    }
}

/// The headers of the page tell the browser to treat its content strictly.
#[test]
fn responses_have_strict_headers() {
    let page = HttpServer::start(ServerKind::Page, &[]);
    let answer = page.valid_answer("nothing");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    for header in [
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "x-frame-options: deny",
        "cross-origin-resource-policy: same-origin",
        "cache-control: no-store",
        "content-type: text/html; charset=utf-8",
        "content-length: 2097152",
        "connection: close",
    ] {
        assert!(head.lines().any(|line| line == header), "{header} is not in {head}");
    }
    assert_eq!(body.len(), 2 << 20);
    let request = format!("HEAD / HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", page.address.port());
    let answer = exchange(page.address, request.as_bytes(), Duration::from_secs(5));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(page.address.ip().is_loopback());

    let metrics = HttpServer::start(ServerKind::Metrics, &[]);
    let answer = metrics.valid_answer("nothing");
    let counted = |line: &str| answer.lines().find(|other| other.starts_with(line)).map(str::to_owned);
    for cause in ["refused", "stream", "stalled", "damaged", "disk", "deadline", "configuration"] {
        let name = format!("etcdsnap_failures_total{{cause=\"{cause}\"}}");
        assert_eq!(counted(&name), Some(format!("{name} 0")));
    }
    // Whether the first save has failed by now depends on timing.
    assert!(counted("etcdsnap_failures_total{cause=\"connect\"}").is_some());
    assert!(answer.contains("application/openmetrics-text") && answer.ends_with("# EOF\n"));
    let (status, log) = metrics.stop(Signal::TERM);
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("stopped by a signal"), "{log}");
}
