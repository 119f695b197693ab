//! Releases of Helm 3. Helm stores them in Secrets, or in ConfigMaps if its driver is set to that.
//!
//! ```text
//! Secret sh.helm.release.v1.NAME.vN, type helm.sh/release.v1
//! data.release: base64 (the API's, of bytes) of base64 (Helm's) of gzip of JSON:
//!   {name, namespace, version, info {last_deployed, status, notes, …}, chart {metadata, templates, …}, config, manifest, hooks}
//! ConfigMap with the label owner=helm: data.release is Helm's base64 itself
//! ```
//!
//! Source: `helm.sh/helm/v3/pkg/storage/driver`.

use std::borrow::Cow;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

use super::conceal::HIDDEN;
use super::object_tree::{Builder, Node};
use super::object_visitor::Sink;
use super::raw_json;
use super::registry_keys::Object;

/// Maximum length of an unpacked release, in bytes of JSON. A packed release has less than 1.5 MiB; the largest charts in use unpack to some 10 MiB.
const MAX_JSON: u64 = 32 << 20;

/// Maximum number of values of a release in memory.
const MAX_VALUES: u32 = 500_000;

/// The prefix of the names of Helm's objects.
const PREFIX: &str = "sh.helm.release.v1.";

/// Returns namespace, name and revision number of the release that an object's key names; `None` if the object is not Helm's.
#[must_use]
pub fn stored_release<'k>(object: &Object<'k>) -> Option<(&'k str, &'k str, u64)> {
    let is_of_helm = object.group.is_empty() && matches!(object.resource, b"secrets" | b"configmaps");
    let (name, number) = named(std::str::from_utf8(object.name).ok().filter(|_| is_of_helm)?)?;
    Some((std::str::from_utf8(object.namespace).ok()?, name, number))
}

/// Returns name and revision number of the release that an object's name contains; `None` if the object is not Helm's.
#[must_use]
pub fn named(name: &str) -> Option<(&str, u64)> {
    let (release, revision) = name.strip_prefix(PREFIX)?.rsplit_once(".v")?;
    Some((release, revision.parse().ok()?)).filter(|_| !release.is_empty())
}

/// Unpacks the JSON of a release from a Secret or ConfigMap.
///
/// # Errors
/// The reason why it cannot be unpacked, as the end of a sentence.
pub fn unpack(object: &Node<'_>) -> Result<Vec<u8>, &'static str> {
    let text = |path: &[&str]| object.at(path).and_then(Node::text).unwrap_or_default();
    let stored = text(&["data", "release"]);
    let outer = match text(&["kind"]) {
        "Secret" if text(&["type"]) == "helm.sh/release.v1" => {
            Cow::Owned(STANDARD.decode(stored).map_err(|_| "has a data.release that is not base64")?)
        }
        "ConfigMap" if text(&["metadata", "labels", "owner"]) == "helm" => Cow::Borrowed(stored.as_bytes()),
        _ => return Err("is not Helm's, according to its type or label"),
    };
    if outer.is_empty() {
        return Err("has no data.release");
    }
    let packed = STANDARD.decode(&*outer).map_err(|_| "has a data.release without Helm's base64")?;
    if !packed.starts_with(&[0x1f, 0x8b, 8]) {
        // Helm also accepts releases that are not packed.
        return Ok(packed);
    }
    let mut json = Vec::new();
    let mut unpacking = GzDecoder::new(packed.as_slice()).take(MAX_JSON.saturating_add(1));
    unpacking.read_to_end(&mut json).map_err(|_| "has a gzip in data.release that cannot be unpacked")?;
    if json.len() as u64 > MAX_JSON {
        return Err("unpacks to more than any release has");
    }
    Ok(json)
}

/// Parses a release, without its hooks and without the templates and files of its chart.
///
/// # Errors
/// The reason why it cannot be parsed, as the end of a sentence.
pub fn read(json: &[u8]) -> Result<Node<'_>, &'static str> {
    let mut wanted = ReleaseFilter {
        builder: Builder::default(),
        depth: 0,
        chart: false,
        dropping: 0,
        drops_next: false,
        values: 0,
    };
    raw_json::read(json, &mut wanted).map_err(|_| "unpacks to something other than JSON")?;
    if wanted.values > MAX_VALUES {
        return Err("has more values than any release");
    }
    match wanted.builder.finish() {
        release @ Node::Object(_) => Ok(release),
        _ => Err("unpacks to something other than a release"),
    }
}

/// The facts about a release that a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// The status, such as `deployed`.
    pub status: String,
    /// When it was last deployed, as Helm wrote it.
    pub updated: String,
    /// The chart's name and version: `nginx-1.2.3`.
    pub chart: String,
    /// The version of the application that the chart installs.
    pub app_version: String,
    /// Helm's description of its last action.
    pub description: String,
}

impl ReleaseFacts {
    /// Reads the facts from a release.
    #[must_use]
    pub fn of(release: &Node<'_>) -> Self {
        let text = |path: &[&str]| release.at(path).and_then(Node::text).unwrap_or_default().to_owned();
        let (name, version) = (text(&["chart", "metadata", "name"]), text(&["chart", "metadata", "version"]));
        Self {
            status: text(&["info", "status"]),
            updated: text(&["info", "last_deployed"]),
            chart: if version.is_empty() { name } else { format!("{name}-{version}") },
            app_version: text(&["chart", "metadata", "appVersion"]),
            description: text(&["info", "description"]),
        }
    }
}

impl ReleaseFacts {
    /// Hides the texts that Helm or a chart wrote, because messages about failures quote values.
    #[must_use]
    pub fn without_texts(self) -> Self {
        let description = if self.description.is_empty() { String::new() } else { HIDDEN.to_owned() };
        Self { description, ..self }
    }
}

/// Replaces all values by a remark; their names stay.
pub fn hide_values(node: &mut Node<'_>) {
    match node {
        Node::Object(members) => members.iter_mut().for_each(|(_, value)| hide_values(value)),
        Node::Array(items) => items.iter_mut().for_each(hide_values),
        Node::Null => {}
        other => *other = Node::Text(Cow::Borrowed(HIDDEN)),
    }
}

/// Passes on the wanted parts of a release.
struct ReleaseFilter<'a> {
    builder: Builder<'a>,
    /// Number of open objects and lists.
    depth: u32,
    /// Whether the open member of the release is its chart.
    chart: bool,
    /// Number of open objects and lists in the part that is dropped.
    dropping: u32,
    /// Whether the value of the last key is dropped.
    drops_next: bool,
    values: u32,
}

impl<'a> ReleaseFilter<'a> {
    /// Decides whether a value that is neither an object nor a list is passed on.
    fn takes(&mut self) -> bool {
        let drops = std::mem::take(&mut self.drops_next) || self.dropping > 0;
        self.values = self.values.saturating_add(u32::from(!drops));
        !drops && self.values <= MAX_VALUES
    }

    /// Decides whether an object or a list is passed on, at its start.
    fn opens(&mut self) -> bool {
        if self.dropping > 0 || std::mem::take(&mut self.drops_next) {
            self.dropping = self.dropping.saturating_add(1);
            return false;
        }
        self.depth = self.depth.saturating_add(1);
        true
    }

    /// Returns, at the end of an object or a list, whether it was passed on.
    fn closes(&mut self) -> bool {
        if self.dropping > 0 {
            self.dropping = self.dropping.saturating_sub(1);
            return false;
        }
        self.depth = self.depth.saturating_sub(1);
        true
    }
}

impl<'a> Sink<'a> for ReleaseFilter<'a> {
    fn begin_object(&mut self) {
        if self.opens() {
            self.builder.begin_object();
        }
    }

    fn end_object(&mut self) {
        if self.closes() {
            self.builder.end_object();
        }
    }

    fn begin_array(&mut self) {
        if self.opens() {
            self.builder.begin_array();
        }
    }

    fn end_array(&mut self) {
        if self.closes() {
            self.builder.end_array();
        }
    }

    fn key(&mut self, key: Cow<'a, str>) {
        if self.dropping > 0 {
            return;
        }
        match self.depth {
            1 => {
                self.chart = key == "chart";
                self.drops_next =
                    !matches!(&*key, "name" | "namespace" | "version" | "info" | "chart" | "config" | "manifest");
            }
            2 => self.drops_next = self.chart && key != "metadata",
            _ => self.drops_next = false,
        }
        if !self.drops_next {
            self.builder.key(key);
        }
    }

    fn null(&mut self) {
        if self.takes() {
            self.builder.null();
        }
    }

    fn bool(&mut self, value: bool) {
        if self.takes() {
            self.builder.bool(value);
        }
    }

    fn int(&mut self, value: i64) {
        if self.takes() {
            self.builder.int(value);
        }
    }

    fn uint(&mut self, value: u64) {
        if self.takes() {
            self.builder.uint(value);
        }
    }

    fn float(&mut self, value: f64) {
        if self.takes() {
            self.builder.float(value);
        }
    }

    fn string(&mut self, value: Cow<'a, str>) {
        if self.takes() {
            self.builder.string(value);
        }
    }

    fn bytes(&mut self, value: &'a [u8]) {
        if self.takes() {
            self.builder.bytes(value);
        }
    }

    fn raw(&mut self, json: &'a [u8]) {
        if self.takes() {
            self.builder.raw(json);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::json::JsonText;
    use super::super::manifest::tests::parsed;
    use super::*;

    fn packed(json: &[u8]) -> String {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(json).unwrap();
        STANDARD.encode(gzip.finish().unwrap())
    }

    fn secret(json: &[u8]) -> String {
        let release = STANDARD.encode(packed(json));
        format!(r#"{{"kind":"Secret","type":"helm.sh/release.v1","data":{{"release":"{release}"}}}}"#)
    }

    const RELEASE: &[u8] = br#"{"name":"web","info":{"status":"deployed","last_deployed":"2026-03-09T10:00:00Z"},"chart":{"metadata":{"name":"nginx","version":"1.2.3","appVersion":"9"},"templates":[{"name":"a","data":"eA=="}],"values":{"x":[1,{}]}},"config":{"a":{"b":"S3CRET","n":[1,null]}},"hooks":[{"manifest":"x"}],"manifest":"kind: Pod\n","version":3}"#;

    #[test]
    fn a_release_comes_out_of_both_drivers() {
        let json = unpack(&parsed(&secret(RELEASE))).unwrap();
        assert_eq!(json, RELEASE);
        let map = format!(
            r#"{{"kind":"ConfigMap","metadata":{{"labels":{{"owner":"helm"}}}},"data":{{"release":"{}"}}}}"#,
            packed(RELEASE)
        );
        assert_eq!(unpack(&parsed(&map)).unwrap(), RELEASE);
        let mut release = read(&json).unwrap();
        let facts = ReleaseFacts::of(&release);
        assert_eq!((&*facts.status, &*facts.chart, &*facts.app_version), ("deployed", "nginx-1.2.3", "9"));
        let text = |node: &Node<'_>| {
            let mut text = JsonText::default();
            node.print(&mut text);
            String::from_utf8(text.finish()).unwrap()
        };
        let all = text(&release);
        assert!(!all.contains("templates") && !all.contains("hooks") && all.contains("\"version\":3"), "{all}");
        let config = release.get_mut("config").unwrap();
        hide_values(config);
        assert!(!text(config).contains("S3CRET") && text(config).contains("\"b\":\"(hidden"), "{config:?}");
    }

    #[test]
    fn names_tell_release_and_revision() {
        assert_eq!(named("sh.helm.release.v1.web.v12"), Some(("web", 12)));
        assert_eq!(named("sh.helm.release.v1.a.v1.v2"), Some(("a.v1", 2)));
        for other in ["web", "sh.helm.release.v1.web", "sh.helm.release.v1..v1", "sh.helm.release.v1.web.vx"] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn hostile_releases_are_bounded() {
        let bomb = unpack(&parsed(&secret(&vec![b' '; 40 << 20])));
        assert_eq!(bomb, Err("unpacks to more than any release has"));
        let many = format!(r#"{{"config":[{}0]}}"#, "0,".repeat(600_000));
        assert_eq!(read(many.as_bytes()), Err("has more values than any release"));
        assert!(read(br#"{"hooks":[[[1,2]]],"chart":[1]}"#).is_ok());
        for (json, cause) in [
            (r#"{"kind":"Secret","type":"Opaque"}"#.to_owned(), "is not Helm's"),
            (r#"{"kind":"Secret","type":"helm.sh/release.v1"}"#.to_owned(), "has no data.release"),
            (r#"{"kind":"Secret","type":"helm.sh/release.v1","data":{"release":"%"}}"#.to_owned(), "not base64"),
        ] {
            assert!(unpack(&parsed(&json)).unwrap_err().contains(cause), "{json}");
        }
        assert!(read(b"[]").is_err() && read(b"x").is_err());
    }
}
