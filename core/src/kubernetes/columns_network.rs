//! Columns of Services, and of the types that route traffic to them.

use super::label_text::{labels, selector_or_none};
use super::node_path::{int, text};
use super::object_tree::Node;
use super::table_row::{AGE, Column, NAME, Row, column, few, non_empty_or, scalar, wide};

pub(super) fn columns(plural: &str) -> Option<&'static [Column]> {
    Some(match plural {
        "services" => SERVICES,
        "endpoints" => ENDPOINTS,
        "endpointslices" => ENDPOINT_SLICES,
        "ingresses" => INGRESSES,
        "ingressclasses" => INGRESS_CLASSES,
        "networkpolicies" => POLICIES,
        "servicecidrs" => SERVICE_CIDRS,
        "ipaddresses" => ADDRESSES,
        _ => return None,
    })
}

const SERVICES: &[Column] = &[
    NAME,
    column("TYPE", |row| row.text("spec.type")),
    column("CLUSTER-IP", |row| {
        let first = row.items("spec.clusterIPs").first().and_then(Node::text);
        first.map_or_else(|| row.text_or("spec.clusterIP", "<none>"), str::to_owned)
    }),
    column("EXTERNAL-IP", external),
    column("PORT(S)", |row| {
        let ports: Vec<String> = row.items("spec.ports").iter().map(port).collect();
        if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }
    }),
    AGE,
    wide("SELECTOR", |row| labels(row.at("spec.selector"))),
];

fn port(port: &Node<'_>) -> String {
    let node = match int(port, "nodePort") {
        0 => String::new(),
        node => format!(":{node}"),
    };
    format!("{}{node}/{}", int(port, "port"), text(port, "protocol"))
}

fn external(row: &Row<'_>) -> String {
    let given = row.joined("spec.externalIPs");
    let some = |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
    match row.text("spec.type").as_str() {
        "ClusterIP" | "NodePort" => some(given, "<none>"),
        "LoadBalancer" => {
            let all: Vec<String> = [balancers(row), given].into_iter().filter(|part| !part.is_empty()).collect();
            some(all.join(","), "<pending>")
        }
        "ExternalName" => row.text("spec.externalName"),
        _ => "<unknown>".to_owned(),
    }
}

/// Returns the addresses of load balancers, sorted.
fn balancers(row: &Row<'_>) -> String {
    let address = |ingress: &Node<'_>| match text(ingress, "ip") {
        "" => text(ingress, "hostname").to_owned(),
        ip => ip.to_owned(),
    };
    let mut all: Vec<String> =
        row.items("status.loadBalancer.ingress").iter().map(address).filter(|address| !address.is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    all.join(",")
}

const ENDPOINTS: &[Column] = &[
    NAME,
    column("ENDPOINTS", |row| {
        let subsets = row.items("subsets");
        if subsets.is_empty() {
            return "<none>".to_owned();
        }
        let mut all = Vec::new();
        for subset in subsets {
            let list = |name: &str| subset.get(name).map(Node::items).unwrap_or_default();
            let addresses: Vec<&str> = list("addresses").iter().map(|address| text(address, "ip")).collect();
            if list("ports").is_empty() {
                all.extend(addresses.iter().map(|&ip| ip.to_owned()));
            }
            for port in list("ports") {
                let port = int(port, "port");
                all.extend(
                    addresses
                        .iter()
                        .map(|ip| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }),
                );
            }
        }
        few(&all, 3)
    }),
    AGE,
];

const ENDPOINT_SLICES: &[Column] = &[
    NAME,
    column("ADDRESSTYPE", |row| row.text("addressType")),
    column("PORTS", |row| {
        let number = |port: &Node<'_>| match (port.get("port").and_then(scalar), port.get("name")) {
            (Some(number), _) => number,
            (None, Some(name)) => name.text().unwrap_or_default().to_owned(),
            (None, None) => "*".to_owned(),
        };
        unset(&row.items("ports").iter().map(number).collect::<Vec<_>>())
    }),
    column("ENDPOINTS", |row| {
        let addresses = row.items("endpoints").iter().filter_map(|endpoint| endpoint.get("addresses"));
        let all: Vec<String> = addresses.flat_map(Node::items).filter_map(Node::text).map(str::to_owned).collect();
        unset(&all)
    }),
    AGE,
];

fn unset(all: &[String]) -> String {
    non_empty_or(&few(all, 3), "<unset>")
}

const INGRESSES: &[Column] = &[
    NAME,
    column("CLASS", |row| row.scalar_or("spec.ingressClassName", "<none>")),
    column("HOSTS", |row| {
        let rules = row.items("spec.rules");
        // All rules count, including those without a host.
        let mut hosts = Vec::new();
        let mut more = false;
        for rule in rules {
            more |= hosts.len() == 3;
            let host = text(rule, "host");
            if !more && !host.is_empty() {
                hosts.push(host);
            }
        }
        let hosts = hosts.join(",");
        match (hosts.is_empty(), more) {
            (true, _) => "*".to_owned(),
            (false, false) => hosts,
            (false, true) => format!("{hosts} + {} more...", rules.len().saturating_sub(3)),
        }
    }),
    column("ADDRESS", balancers),
    column("PORTS", |row| if row.count("spec.tls") > 0 { "80, 443" } else { "80" }.to_owned()),
    AGE,
];

const INGRESS_CLASSES: &[Column] = &[
    column("NAME", |row| {
        let annotations = row.at("metadata.annotations");
        let is_default = annotations
            .and_then(|annotations| annotations.get("ingressclass.kubernetes.io/is-default-class"))
            .is_some_and(|value| value.text() == Some("true"));
        row.text("metadata.name") + if is_default { " (default)" } else { "" }
    }),
    column("CONTROLLER", |row| row.text("spec.controller")),
    column("PARAMETERS", |row| {
        let Some(parameters) = row.at("spec.parameters") else { return "<none>".to_owned() };
        let group = parameters.get("apiGroup").and_then(Node::text).map(|group| format!(".{group}"));
        format!("{}{}/{}", text(parameters, "kind"), group.unwrap_or_default(), text(parameters, "name"))
    }),
    AGE,
];

const POLICIES: &[Column] = &[NAME, column("POD-SELECTOR", |row| selector_or_none(row.at("spec.podSelector"))), AGE];

const SERVICE_CIDRS: &[Column] = &[NAME, column("CIDRS", |row| row.joined("spec.cidrs")), AGE];

const ADDRESSES: &[Column] = &[
    NAME,
    column("PARENTREF", |row| {
        let Some(parent) = row.at("spec.parentRef") else { return "<none>".to_owned() };
        let part = |name: &str, before: &str| match text(parent, name) {
            "" => String::new(),
            part => format!("{before}{part}"),
        };
        let resource = format!("{}{}", text(parent, "resource"), part("group", ".")).to_lowercase();
        format!("{resource}{}/{}", part("namespace", "/"), text(parent, "name"))
    }),
];
