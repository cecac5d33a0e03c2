/// How often what is to be proved to go well has happened at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub cuts: u64,
    pub half_open: u64,
    pub evictions: u64,
    pub late_attempts: u64,
    pub dead_attempts: u64,
    pub expiries: u64,
    pub lost_safe: u64,
    pub lost_unknown: u64,
    pub asked_while_away: u64,
    pub inline: u64,
    pub failed: u64,
    pub aborted: u64,
    pub resumed_as_new: u64,
    pub resumed_before_head: u64,
    pub resumed_mid_body: u64,
    pub resumed_mid_upload: u64,
    pub resumed_gone: u64,
    pub blocked_origins: u64,
    pub uploads_short_of_credit: u64,
    pub uploads_whole: u64,
    pub uploads_aborted: u64,
    pub uploads_unwanted: u64,
    pub answered_during_upload: u64,
    pub cancelled_unsent: u64,
    pub cancelled_before_head: u64,
    pub cancelled_mid_body: u64,
    pub cancelled_away: u64,
    pub ended_during_sync: u64,
    pub informational: u64,
    pub trailers: u64,
    pub upload_trailers: u64,
    pub uploads_asked_for: u64,
}

impl Counts {
    pub fn each(&self) -> Vec<(String, u64)> {
        // The names are the fields' own.
        let text = format!("{self:?}");
        let fields = text.trim_start_matches("Counts { ").trim_end_matches(" }");
        let pairs = fields.split(", ").filter_map(|field| field.split_once(": "));
        pairs.map(|(name, count)| (name.to_owned(), count.parse().unwrap())).collect()
    }
}
