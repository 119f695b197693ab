//! Formats the metrics of a HorizontalPodAutoscaler for a cell. Source: `formatHPAMetrics` of `k8s.io/kubernetes/pkg/printers/internalversion`.

use super::node_path::{at, text};
use super::object_tree::Node;
use super::table_row::scalar;

/// Formats the first two metrics, each with its current value and its target.
pub(super) fn metrics(object: &Node<'_>) -> String {
    let list = |path: &str| at(object, path).map(Node::items).unwrap_or_default();
    let (wanted, found) = (list("spec.metrics"), list("status.currentMetrics"));
    if wanted.is_empty() {
        // `autoscaling/v1` has one field for its only metric.
        return match at(object, "spec.targetCPUUtilizationPercentage").and_then(scalar) {
            Some(target) => {
                let current = at(object, "status.currentCPUUtilizationPercentage").and_then(scalar);
                let current = current.map_or_else(|| "<unknown>".to_owned(), |current| format!("{current}%"));
                format!("cpu: {current}/{target}%")
            }
            None => "<none>".to_owned(),
        };
    }
    let all: Vec<String> = wanted.iter().enumerate().map(|(number, metric)| one(metric, found.get(number))).collect();
    let shown = all.get(..all.len().min(2)).unwrap_or_default().join(", ");
    let more = all.len().saturating_sub(2);
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

fn one(metric: &Node<'_>, found: Option<&Node<'_>>) -> String {
    let (member, is_resource) = match text(metric, "type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let target = |field: &str| at(metric, &format!("{member}.target.{field}")).and_then(scalar);
    let current = |field: &str| {
        let current = found.and_then(|found| at(found, &format!("{member}.current.{field}"))).and_then(scalar);
        current.unwrap_or_else(|| "<unknown>".to_owned())
    };
    let name = if is_resource { format!("{}: ", text(metric, &format!("{member}.name"))) } else { String::new() };
    let average = target("averageValue").map(|target| format!("{}/{target}", current("averageValue")));
    match (average, is_resource, member) {
        (Some(average), false, "external" | "object") => format!("{average} (avg)"),
        (Some(average), ..) => format!("{name}{average}"),
        (None, false, _) => format!("{}/{}", current("value"), target("value").unwrap_or_default()),
        (None, true, _) => {
            let percent = |text: String| if text.starts_with('<') { text } else { format!("{text}%") };
            let target = target("averageUtilization").unwrap_or_else(|| "<auto>".to_owned());
            format!("{name}{}/{}", percent(current("averageUtilization")), percent(target))
        }
    }
}
