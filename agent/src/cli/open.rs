//! `etcdsnap open [FILE]`: the inspector page on the loopback address.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use etcdsnap::small_file::{MAX_PAGE_FILE, read_small_file};
use etcdsnap::{NoProgress, printable_path};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};

use super::args::OpenArgs;
use super::exit::Exit;
use super::failure::Failure;
use super::http_server::{HttpAnswer, Responder, Server, text};
use super::{judge_files, log, output, signals};

/// The page, if it was built before this program; otherwise empty.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html"));

/// Headers of every answer. The page has its own Content-Security-Policy, which forbids all connections.
const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Serves the page until Ctrl-C or SIGTERM; that counts as success.
///
/// # Errors
/// When the program has no page, FILE does not exist, or the port is in use.
pub fn run(args: &OpenArgs) -> Result<Exit, Failure> {
    let named: Vec<_> = [&args.file, &args.page].into_iter().flatten().map(PathBuf::as_path).collect();
    judge_files::check_not_written(&named)?;
    let page = page(args)?;
    let server = listen(args.port)?;
    let unusable = |cause| Failure::new(format!("the page cannot be served: {cause}"), "");
    let address =
        *server.addresses().map_err(unusable)?.first().ok_or_else(|| Failure::new("no address to listen on", ""))?;
    let file = args.file.as_deref().map(absolute_path).transpose()?;
    log::bare(false);
    // From here on, a signal stops the server in an orderly way.
    let _guard = signals::Cancellable::new(NoProgress);
    let stop = signals::token();
    output::print(&format!("http://{address}/\n"))?;
    match file {
        Some(file) => {
            output::print_to_stderr(&format!("Open this address in a browser and drag {file} into the page.\n"))
        }
        None => output::print_to_stderr("Open this address in a browser and drag a snapshot into the page.\n"),
    }
    output::print_to_stderr("No data leaves this machine. Press Ctrl-C to stop.\n");
    let longest_answer = page.len() as u64;
    let responder = Responder { answer: Box::new(move |request| answer(request, &page, address)), longest_answer };
    server.run(Arc::new(responder), signals::wait_for_signal(stop)).map_err(unusable)?;
    Ok(Exit::Done)
}

fn page(args: &OpenArgs) -> Result<Bytes, Failure> {
    match &args.page {
        Some(path) => read_small_file(path, MAX_PAGE_FILE)
            .map(Bytes::from)
            .map_err(|cause| Failure::new(format!("cannot read the page {}: {cause}", printable_path(path)), "")),
        None if PAGE.is_empty() => Err(Failure::new(
            "this program was built without the page",
            "Build the page first (cargo xtask page) and then the program again, or give a page with --page PATH.",
        )),
        None => Ok(Bytes::from_static(PAGE)),
    }
}

/// Returns the full path of the file, so that a person can find it in a file manager.
fn absolute_path(file: &Path) -> Result<String, Failure> {
    let full =
        file.canonicalize().map_err(|cause| Failure::from(etcdsnap::Error::Open { path: file.to_owned(), cause }))?;
    Ok(printable_path(&full))
}

/// Listens only on loopback addresses, so that no other machine can reach the page.
fn listen(port: u16) -> Result<Server, Failure> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    Server::bind(&[v4]).or_else(|_| Server::bind(&[v6])).map_err(|cause| {
        let advice = "Leave --port out to use a free port.";
        Failure::new(format!("cannot listen on port {port} of this machine: {cause}"), advice)
    })
}

fn answer(request: &Request<Incoming>, page: &Bytes, address: SocketAddr) -> HttpAnswer {
    let mut answer = if !names_this_server(request, address) {
        text(StatusCode::MISDIRECTED_REQUEST, "This server answers only under its own address.\n")
    } else if matches!(request.uri().path(), "/" | "/index.html") {
        html(page)
    } else {
        text(StatusCode::NOT_FOUND, "There is only / here.\n")
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

fn html(page: &Bytes) -> HttpAnswer {
    let mut answer = Response::new(Full::new(page.clone()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

/// Whether the request names this server's own address. A foreign name that resolves to it (DNS rebinding) is refused. The address in the request line counts
/// like the one in `Host` (RFC 9112, 3.2.2).
fn names_this_server(request: &Request<Incoming>, address: SocketAddr) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let in_line = request.uri().authority().map(|authority| authority.as_str());
    host.is_some_and(|host| is_host_of(host, address)) && in_line.is_none_or(|host| is_host_of(host, address))
}

/// Whether a browser writes `host` for `address`; it leaves out the default port.
fn is_host_of(host: &str, address: SocketAddr) -> bool {
    let (ip, port) = (address.ip(), address.port());
    let ip = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    let is = |name: &str| {
        host.eq_ignore_ascii_case(&format!("{name}:{port}")) || (port == 80 && host.eq_ignore_ascii_case(name))
    };
    is(&ip) || is("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_accepted() {
        let v4: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        for (host, address, ours) in [
            ("127.0.0.1:8080", v4, true),
            ("localhost:8080", v4, true),
            ("LocalHost:8080", v4, true),
            ("127.0.0.1", v4, false),
            ("127.0.0.1:8081", v4, false),
            ("evil.example:8080", v4, false),
            ("127.0.0.1:8080@evil.example", v4, false),
            ("user@127.0.0.1:8080", v4, false),
            ("", v4, false),
            ("[::1]:80", v6, true),
            ("[::1]", v6, true),
            ("localhost", v6, true),
            ("::1", v6, false),
        ] {
            assert_eq!(is_host_of(host, address), ours, "{host}");
        }
    }
}
