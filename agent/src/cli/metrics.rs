//! What a service of snapshots tells Prometheus.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use etcdsnap::save::{SaveError, Saved};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tiny_http::{Header, Method, Request, Response, Server};

use super::exit::Failure;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Number = Gauge<f64, AtomicU64>;

/// The figures of this process.
#[derive(Default)]
pub struct Metrics {
    last_success: Number,
    last_duration: Number,
    last_size: Number,
    last_revision: Gauge,
    saves: Counter,
    failures: Family<Vec<(String, String)>, Counter>,
}

impl Metrics {
    /// A snapshot is in place.
    pub fn saved(&self, saved: &Saved) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_success.set(since.as_secs_f64());
        self.last_duration.set(saved.seconds);
        self.last_size.set(saved.file_bytes as f64);
        self.last_revision.set(saved.revision.unwrap_or_default());
        self.saves.inc();
    }

    /// None came about.
    pub fn failed(&self, error: &SaveError) {
        self.failures.get_or_create(&vec![("cause".into(), error.cause().into())]).inc();
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("etcdsnap");
        let last = "of the last snapshot that was saved and verified";
        registry.register(
            "last_success_timestamp",
            format!("When, {last}; 0 before the first"),
            self.last_success.clone(),
        );
        registry.register_with_unit(
            "last_duration",
            format!("How long it took, {last}"),
            Unit::Seconds,
            self.last_duration.clone(),
        );
        registry.register_with_unit(
            "last_size",
            format!("The file's size, {last}"),
            Unit::Bytes,
            self.last_size.clone(),
        );
        registry.register("last_revision", format!("The revision, {last}"), self.last_revision.clone());
        registry.register("saves", "Snapshots saved since the start", self.saves.clone());
        registry.register("failures", "Failures since the start, by cause", self.failures.clone());
        registry
    }

    /// Serves the figures on a thread; the address is told, as the port may have been left to the system.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn serve(self: &Arc<Self>, address: SocketAddr) -> Result<SocketAddr, Failure> {
        let server = Server::http(address).map_err(|cause| {
            let advice = "Give a free one with --metrics-listen, or `off`.";
            Failure::new(format!("the metrics cannot be served at {address}: {cause}"), advice)
        })?;
        let listens = server.server_addr().to_ip().unwrap_or(address);
        let registry = self.registry();
        let serve = move || {
            for request in server.incoming_requests() {
                // Whoever asked and went away will ask again.
                let _ = answer(request, &registry);
            }
        };
        thread::Builder::new()
            .name("metrics".into())
            .spawn(serve)
            .map_err(|cause| Failure::new(format!("no thread could be started: {cause}"), ""))?;
        Ok(listens)
    }
}

fn answer(request: Request, registry: &Registry) -> std::io::Result<()> {
    let is_ours = matches!(request.method(), Method::Get | Method::Head) && request.url() == "/metrics";
    let mut body = String::new();
    if !is_ours || encode(&mut body, registry).is_err() {
        return request.respond(Response::from_string("There is only /metrics here.\n").with_status_code(404));
    }
    let mut response = Response::from_string(body);
    if let Ok(header) = Header::from_bytes("Content-Type", CONTENT_TYPE) {
        response.add_header(header);
    }
    request.respond(response)
}
