//! Signals during a question: recorded, and effective once the terminal's modes are restored.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::low_level::{self, pipe};

/// What ends or stops a process at a terminal.
const CAUGHT: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP];

/// Whether signals have their default effect. Once a signal was caught, nothing else restores that:
/// signal-hook's handler stays.
static DEFAULT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

fn default_effect() -> io::Result<&'static AtomicBool> {
    if let Some(default_effect) = DEFAULT.get() {
        return Ok(default_effect);
    }
    let condition = Arc::new(AtomicBool::new(true));
    for signal in CAUGHT {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&condition))?;
    }
    Ok(DEFAULT.get_or_init(|| condition))
}

/// Caught from here on until it is dropped.
pub(super) struct Signals {
    last: Arc<AtomicUsize>,
    /// Readable when one arrived, whichever thread the system gave it to.
    wake: UnixStream,
    registered: Vec<SigId>,
    default_effect: &'static AtomicBool,
}

impl Signals {
    pub(super) fn caught() -> io::Result<Self> {
        let (wake, waker) = UnixStream::pair()?;
        let mut signals = Self {
            last: Arc::new(AtomicUsize::new(0)),
            wake,
            registered: Vec::new(),
            default_effect: default_effect()?,
        };
        for signal in CAUGHT {
            let number = usize::try_from(signal).expect("signals are positive");
            let last = Arc::clone(&signals.last);
            let recorded = signal_hook::flag::register_usize(signal, last, number)?;
            signals.registered.push(recorded);
            let woken = pipe::register(signal, waker.try_clone()?)?;
            signals.registered.push(woken);
        }
        signals.default_effect.store(false, Ordering::SeqCst);
        Ok(signals)
    }

    /// To be polled beside the terminal.
    pub(super) fn wake(&self) -> &UnixStream {
        &self.wake
    }

    pub(super) fn arrived(&self) -> bool {
        self.last.load(Ordering::SeqCst) != 0
    }

    /// Gives the last one its effect: the process ends here, or it was stopped and continues now
    /// (`true`). `false`: none arrived.
    pub(super) fn take_effect(self) -> bool {
        let last = Arc::clone(&self.last);
        drop(self);
        let signal = i32::try_from(last.load(Ordering::SeqCst)).unwrap_or_default();
        signal != 0 && low_level::emulate_default_handler(signal).is_ok()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.default_effect.store(true, Ordering::SeqCst);
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}
