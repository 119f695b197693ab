//! The metrics of `save --every` for Prometheus.

use std::net::ToSocketAddrs;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use etcdsnap::save::{FailureCause, SaveError, Saved};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Request, Response, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::http_server::{HttpAnswer, Responder, Server, text};

const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bytes of the answer at most; it has a handful of lines.
const MAX_ANSWER_LEN: u64 = 16 << 10;

/// The pause before a failed metrics server is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

type Number = Gauge<f64, AtomicU64>;

/// The metrics of this process.
pub struct Metrics {
    last_success: Number,
    last_duration: Number,
    last_size: Number,
    last_revision: Gauge,
    last_compared: Gauge,
    last_diverged: Gauge,
    last_not_removed: Gauge,
    saves: Counter,
    divergences: Counter,
    failures: Family<Vec<(String, String)>, Counter>,
}

impl Default for Metrics {
    /// Creates all metrics with the value zero: Prometheus' `increase()` does not see a counter that starts at 1.
    fn default() -> Self {
        let failures = Family::<Vec<(String, String)>, Counter>::default();
        // A save that a signal stops does not count as a failure, so it has no counter.
        for cause in FailureCause::ALL.into_iter().filter(|cause| *cause != FailureCause::Cancelled) {
            let _ = failures.get_or_create(&label(cause));
        }
        Self {
            last_success: Number::default(),
            last_duration: Number::default(),
            last_size: Number::default(),
            last_revision: Gauge::default(),
            last_compared: Gauge::default(),
            last_diverged: Gauge::default(),
            last_not_removed: Gauge::default(),
            saves: Counter::default(),
            divergences: Counter::default(),
            failures,
        }
    }
}

fn label(cause: FailureCause) -> Vec<(String, String)> {
    vec![("cause".into(), cause.as_str().into())]
}

impl Metrics {
    /// Records a saved snapshot.
    pub fn saved(&self, saved: &Saved) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_success.set(since.as_secs_f64());
        self.last_duration.set(saved.seconds);
        self.last_size.set(saved.file_bytes as f64);
        self.last_revision.set(saved.revision.unwrap_or_default().get());
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let compared = saved.comparison.as_ref();
        self.last_compared
            .set(compared.map_or(0, |compared| count(compared.same().saturating_add(compared.differing()))));
        self.last_diverged.set(compared.map_or(0, |compared| count(compared.differing())));
        self.last_not_removed.set(count(saved.not_removed.len()));
        self.saves.inc();
        if saved.is_diverged() {
            self.divergences.inc();
        }
    }

    /// Records a failed save.
    pub fn failed(&self, error: &SaveError) {
        self.failures.get_or_create(&label(error.cause())).inc();
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
        registry.register(
            "last_compared_members",
            format!("Members of the cluster whose data could be compared, its own counted, {last}"),
            self.last_compared.clone(),
        );
        registry.register(
            "last_diverged_members",
            format!("Members of the cluster that have other data, {last}"),
            self.last_diverged.clone(),
        );
        registry.register(
            "last_not_removed",
            format!("Old snapshots that could not be removed, {last}"),
            self.last_not_removed.clone(),
        );
        registry.register("saves", "Snapshots saved since the start", self.saves.clone());
        registry.register(
            "divergences",
            "Snapshots since the start after which members of the cluster had other data",
            self.divergences.clone(),
        );
        registry.register("failures", "Failures since the start, by cause", self.failures.clone());
        registry
    }

    /// Serves the metrics at `address`, HOST:PORT, on its own thread. Later problems of that thread are logged and do not stop the service.
    ///
    /// # Errors
    /// When this machine does not have the address, or it is in use.
    pub fn serve(self: &Arc<Self>, address: &str) -> Result<MetricsServer, Failure> {
        let failed = |cause: std::io::Error| {
            let advice = "Give another address with --metrics-listen, or `off`.";
            Failure::new(format!("the metrics cannot be served at {address}: {cause}"), advice)
        };
        let addresses: Vec<_> = address.to_socket_addrs().map_err(failed)?.collect();
        let server = Server::bind(&addresses).map_err(failed)?;
        for address in server.addresses().map_err(failed)? {
            tracing::info!(%address, "serving metrics");
        }
        let stop = CancellationToken::new();
        let registry = self.registry();
        let responder = Arc::new(Responder {
            answer: Box::new(move |request| answer(request, &registry)),
            longest_answer: MAX_ANSWER_LEN,
        });
        let token = stop.clone();
        let begun = thread::Builder::new().name("metrics".into()).spawn(move || serve(&server, &responder, &token));
        if let Err(cause) = &begun {
            tracing::error!(
                "The metrics are not served, because no thread could be started: {cause}. Snapshots are still taken."
            );
        }
        Ok(MetricsServer { stop, thread: begun.ok() })
    }
}

/// Serves the metrics until it is dropped.
pub struct MetricsServer {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.stop.cancel();
        // The thread logs its own problems.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Serves until `stop`, and starts again after a failure.
fn serve(server: &Server, responder: &Arc<Responder>, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let run = || server.run(Arc::clone(responder), stop.clone().cancelled_owned());
        let reason = match panic::catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => continue,
            Ok(Err(cause)) => cause.to_string(),
            Err(_) => "a defect in etcdsnap itself; please report it".to_owned(),
        };
        tracing::error!("The metrics are not served: {reason}. Snapshots are still taken; trying again.");
        let begun = std::time::Instant::now();
        while !stop.is_cancelled() && begun.elapsed() < RESTART_PAUSE {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn answer(request: &Request<Incoming>, registry: &Registry) -> HttpAnswer {
    let mut body = String::new();
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, "There is only /metrics here.\n");
    }
    if encode(&mut body, registry).is_err() {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written.\n");
    }
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS_TYPE));
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
