use crate::shares::Shares;
use std::time::Duration;

/// How often what is kept is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Less than this is not worth it.
const WORTH: usize = 8 * 1024 * 1024;

/// Has memory given back to the system, for ever, whenever most of what was kept has been let go. What goes up and down all
/// the time, as under steady streams, is left alone: it is about to be used again.
pub(crate) async fn run(shares: &Shares, reclaim: Option<fn()>) {
    let Some(reclaim) = reclaim else { return std::future::pending().await };
    let (mut high, mut low_before) = (0, false);
    loop {
        tokio::time::sleep(LOOK).await;
        let (kept, most) = shares.kept_bytes();
        high = high.max(most);
        let low = high >= WORTH && kept <= high / 2;
        if low && low_before {
            let _ = tokio::task::spawn_blocking(reclaim).await;
            high = kept;
        }
        low_before = low;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_exchange::Limits;
    use afield_transport::Principal;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static CALLS: AtomicUsize = AtomicUsize::new(0);

    /// Proves that memory is given back once most of what was kept is gone and stays gone, once, and not for a little (case 141).
    #[tokio::test(start_paused = true)]
    async fn memory_is_given_back_when_most_of_it_was_let_go() {
        let shares = Shares::new(&Limits::default(), 1);
        let share = shares.of(&Principal::stdio()).bytes.clone();
        let reclaiming = async { run(&shares, Some(|| _ = CALLS.fetch_add(1, Ordering::SeqCst))).await };
        let playing = async {
            let calls = async |looks: u32| {
                tokio::time::sleep(LOOK * looks).await;
                CALLS.load(Ordering::SeqCst)
            };
            // Between two looks.
            tokio::time::sleep(LOOK / 2).await;
            drop(share.take(WORTH / 2));
            assert_eq!(calls(5).await, 0, "too little");
            let large = share.take(WORTH).unwrap();
            assert_eq!(calls(5).await, 0, "it is kept");
            drop(large);
            assert_eq!(calls(1).await, 0, "it may be used again at once");
            assert_eq!(calls(2).await, 1);
            assert_eq!(calls(20).await, 1, "once");
            drop(share.take(WORTH));
            assert_eq!(calls(3).await, 2, "also where it was kept for less than the time between two looks");
        };
        tokio::select! {
            () = reclaiming => (),
            () = playing => (),
        }
    }
}
