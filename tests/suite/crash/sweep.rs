//! Many cases side by side, all of them or a drawn sample.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use super::aftermath::Verdict;

/// Whether every case is run: `CRASHES=all` in the environment.
pub fn all() -> bool {
    std::env::var("CRASHES").is_ok_and(|value| value == "all")
}

/// The cases to run: `most` of them, drawn by a fixed seed, or by the number in `CRASHES`; every
/// one with `CRASHES=all`.
pub fn drawn<T>(mut cases: Vec<T>, most: usize) -> Vec<T> {
    if all() {
        return cases;
    }
    let seed = std::env::var("CRASHES")
        .ok()
        .and_then(|text| text.parse().ok());
    fastrand::Rng::with_seed(seed.unwrap_or(2026)).shuffle(&mut cases);
    cases.truncate(most);
    cases
}

/// Runs each case; fails with the words of every one that does not hold. Gives their number.
pub fn sweep<T: std::fmt::Debug + Send>(
    cases: Vec<T>,
    holds: impl Fn(&T) -> Verdict + Sync,
) -> usize {
    let number = cases.len();
    let waiting = Mutex::new(VecDeque::from(cases));
    let failed = Mutex::new(Vec::new());
    // Most of a case is waiting.
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(case) = waiting.lock().unwrap().pop_front() else {
                        return;
                    };
                    if let Err(why) = holds(&case) {
                        failed.lock().unwrap().push(format!("{case:?}: {why}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {number} cases:\n{}",
        failed.len(),
        failed.join("\n")
    );
    number
}
