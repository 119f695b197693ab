//! `etcdsnap open [FILE]`: the inspector page on the loopback address.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use etcdsnap::printable_path;
use tiny_http::{Header, Method, Request, Response, Server};

use super::args::OpenArgs;
use super::exit::{Exit, Failure};
use super::output;

/// The page that was built before this program; empty when none was.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html"));

/// Headers of every answer. The page brings its own Content-Security-Policy, which forbids it every connection.
const HEADERS: [(&str, &str); 5] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
];

/// Serves the page until Ctrl-C.
///
/// # Errors
/// When there is no page, FILE is not there, or the port is taken.
pub fn run(args: &OpenArgs) -> Result<Exit, Failure> {
    let page = page(args)?;
    let server = listen(args.port)?;
    let address = server.server_addr().to_ip().ok_or_else(|| Failure::new("no address to listen on", ""))?;
    let file = args.file.as_deref().map(existing).transpose()?;
    output::print(&format!("http://{address}/\n"))?;
    match file {
        Some(file) => output::tell(&format!("Open this address in a browser and drag {file} into the page.\n")),
        None => output::tell("Open this address in a browser and drag a snapshot into the page.\n"),
    }
    output::tell("Nothing leaves this machine. Ctrl-C ends it.\n");
    for request in server.incoming_requests() {
        // A browser that went away in the middle is its own affair.
        let _ = answer(request, &page, address);
    }
    Ok(Exit::Done)
}

fn page(args: &OpenArgs) -> Result<Vec<u8>, Failure> {
    match &args.page {
        Some(path) => fs::read(path)
            .map_err(|cause| Failure::new(format!("cannot read the page {}: {cause}", printable_path(path)), "")),
        None if PAGE.is_empty() => Err(Failure::new(
            "this program was built without the page",
            "Build the page first (cargo xtask page) and then the program again, or give a page with --page PATH.",
        )),
        None => Ok(PAGE.to_vec()),
    }
}

/// Where the file is, in full, for a person to find it in a file manager.
fn existing(file: &Path) -> Result<String, Failure> {
    let full =
        file.canonicalize().map_err(|cause| Failure::from(etcdsnap::Error::Open { path: file.to_owned(), cause }))?;
    Ok(printable_path(&full))
}

/// Only the loopback addresses, so that nobody else on the network sees it.
fn listen(port: u16) -> Result<Server, Failure> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    Server::http(v4).or_else(|_| Server::http(v6)).map_err(|cause| {
        let advice = "Leave --port out, and a free one is taken.";
        Failure::new(format!("cannot listen on port {port} of this machine: {cause}"), advice)
    })
}

fn answer(request: Request, page: &[u8], address: SocketAddr) -> io::Result<()> {
    let (code, kind, body): (u16, &str, &[u8]) = if !is_ours(&request, address) {
        (421, "text/plain; charset=utf-8", b"This server answers only under its own address.\n")
    } else if !matches!(request.method(), Method::Get | Method::Head) {
        (405, "text/plain; charset=utf-8", b"There is only a page to read here.\n")
    } else {
        match request.url().split(['?', '#']).next() {
            Some("/" | "/index.html") => (200, "text/html; charset=utf-8", page),
            _ => (404, "text/plain; charset=utf-8", b"There is only / here.\n"),
        }
    };
    let mut response = Response::from_data(body).with_status_code(code);
    for (name, value) in HEADERS.into_iter().chain([("Content-Type", kind)]) {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    request.respond(response)
}

/// Whether the browser was really sent to this address: a foreign name that resolves to it (DNS rebinding) is refused.
fn is_ours(request: &Request, address: SocketAddr) -> bool {
    let mut hosts = request.headers().iter().filter(|header| header.field.equiv("Host"));
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.value.as_str();
    host == address.to_string() || host == format!("localhost:{}", address.port())
}
