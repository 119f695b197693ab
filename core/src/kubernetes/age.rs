//! Ages as kubectl prints them, counted to the time of the snapshot.

use super::object_tree::Node;
use super::special_types::parse_rfc3339;

/// Formats a duration as kubectl's tables do: at most two units, and only one for long durations. Source: `HumanDuration` of `k8s.io/apimachinery/pkg/util/duration`.
#[must_use]
pub fn human(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".into();
    }
    let seconds = seconds.max(0);
    let [minutes, hours, days] = [60, 3600, 86_400].map(|unit: i64| seconds.div_euclid(unit));
    let with = |whole: i64, name: &str, rest: i64, rest_name: &str| {
        if rest == 0 { format!("{whole}{name}") } else { format!("{whole}{name}{rest}{rest_name}") }
    };
    let years = days.div_euclid(365);
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => with(minutes, "m", seconds.rem_euclid(60), "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => with(hours, "h", minutes.rem_euclid(60), "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => with(days, "d", hours.rem_euclid(24), "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 2920 => with(years, "y", days.rem_euclid(365), "d"),
        () => format!("{years}y"),
    }
}

/// Returns the creation time of an object, in seconds since 1970.
#[must_use]
pub fn created(object: &Node<'_>) -> Option<i64> {
    parse_rfc3339(object.at(&["metadata", "creationTimestamp"])?.text()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_those_of_kubectl() {
        // The cases of Kubernetes' own test.
        for (seconds, want) in [
            (1, "1s"),
            (70, "70s"),
            (190, "3m10s"),
            (70 * 60, "70m"),
            (47 * 3600, "47h"),
            (49 * 3600, "2d1h"),
            (8 * 86_400 + 2 * 3600, "8d"),
            (367 * 86_400, "367d"),
            (365 * 2 * 86_400 + 25 * 3600, "2y1d"),
            (365 * 8 * 86_400 + 2 * 3600, "8y"),
            (3 * 3600 + 5 * 60, "3h5m"),
            (0, "0s"),
            (-1, "0s"),
            (-5, "<invalid>"),
        ] {
            assert_eq!(human(seconds), want);
        }
    }
}
