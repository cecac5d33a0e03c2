/// The known word that `word` was most likely meant to be, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let scored = known.into_iter().map(|known| {
        let plain = known.to_lowercase().replace('-', "_");
        (strsim::jaro_winkler(&word, &plain), strsim::damerau_levenshtein(&word, &plain), known)
    });
    scored
        .filter(|(likeness, distance, _)| *likeness > 0.85 || *distance <= 2)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(.., known)| known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    /// Proves that slips of the finger find the word that was meant, and that a far word finds none.
    #[test]
    fn a_slip_finds_its_word() {
        let known = ["url", "headers", "headers_from_env", "environment", "tool_timeout"];
        assert_eq!(nearest("enviroment", known), Some("environment"));
        assert_eq!(nearest("tool-timeout", known), Some("tool_timeout"));
        assert_eq!(nearest("ulr", known), Some("url"));
        assert_eq!(nearest("zebra", known), None);
    }
}
