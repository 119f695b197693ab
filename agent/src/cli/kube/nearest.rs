//! Guesses the name that the user meant.

use etcdsnap::printable;

/// The minimum similarity of two names, from 0 to 1.
const ALIKE: f64 = 0.75;

/// Returns the name that is most similar to a word, escaped for a terminal; `None` if none is similar enough.
pub fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let word = word.to_lowercase();
    // Many words begin with a short name.
    let names = names.filter(|name| name.len().saturating_mul(2) > word.len());
    let like = names.map(|name| (strsim::jaro_winkler(&word, &name.to_lowercase()), name));
    let best = like.filter(|(like, _)| *like > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    best.map(|(_, name)| printable(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_names_are_suggested() {
        let names = || ["shop", "kube-system", "default"].into_iter();
        assert_eq!(nearest("shp", names()).as_deref(), Some("shop"));
        assert_eq!(nearest("kubesystem", names()).as_deref(), Some("kube-system"));
        assert_eq!(nearest("zzz", names()), None);
        assert_eq!(nearest("nothing", ["no"].into_iter()), None);
    }
}
