//! A REST request that is held at a given moment until the test releases it: for tests that kill
//! the client at exactly that moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// When a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has come in whole; nothing was done.
    BeforeStoring,
    /// It was executed; nothing was answered.
    AfterStoring,
}

/// What happens to a held request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Word {
    /// It is waited for.
    #[default]
    None,
    /// It continues, even if its client has gone.
    Go,
    /// Its connection ends; what was not done stays undone.
    Lost,
}

/// One held request. Dropping it releases the request.
#[derive(Debug)]
pub struct Hold {
    gate: Arc<Gate>,
}

impl Hold {
    /// Waits until the request has come to its moment. `false`: not within `patience`.
    pub fn reached(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while !*self.gate.reached.borrow() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// The request continues, even if its client has gone.
    pub fn go(self) {
        self.gate.word.send_replace(Word::Go);
    }

    /// Its connection ends; what was not done stays undone.
    pub fn lose(self) {
        self.gate.word.send_replace(Word::Lost);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.gate.word.send_if_modified(|word| {
            let open = *word == Word::None;
            *word = if open { Word::Go } else { *word };
            open
        });
    }
}

#[derive(Debug)]
struct Gate {
    number: usize,
    moment: Moment,
    reached: watch::Sender<bool>,
    word: watch::Sender<Word>,
}

/// The holds that are set.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<Vec<Arc<Gate>>>);

impl Gates {
    pub(crate) fn set(&self, number: usize, moment: Moment) -> Hold {
        let gate = Arc::new(Gate {
            number,
            moment,
            reached: watch::Sender::new(false),
            word: watch::Sender::new(Word::None),
        });
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.push(Arc::clone(&gate));
        Hold { gate }
    }

    /// Waits where the request of this number is held at this moment. `false`: it is lost.
    pub(crate) async fn pass(&self, number: usize, moment: Moment) -> bool {
        let found = {
            let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut gates = gates.iter();
            gates
                .find(|gate| gate.number == number && gate.moment == moment)
                .cloned()
        };
        let Some(gate) = found else { return true };
        gate.reached.send_replace(true);
        let mut words = gate.word.subscribe();
        let word = words.wait_for(|word| *word != Word::None).await;
        word.is_ok_and(|word| *word == Word::Go)
    }
}
