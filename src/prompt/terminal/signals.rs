//! Signals while a question stands: noted, and passed on when the terminal is as it was.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::low_level::{self, pipe};

/// What ends or stops a process at a terminal.
const CAUGHT: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP];

/// Whether signals do what they do by default. Once a signal was caught, nothing else gives it
/// its effect back: signal-hook's handler stays.
static AS_EVER: OnceLock<Arc<AtomicBool>> = OnceLock::new();

fn as_ever() -> io::Result<&'static AtomicBool> {
    if let Some(as_ever) = AS_EVER.get() {
        return Ok(as_ever);
    }
    let condition = Arc::new(AtomicBool::new(true));
    for signal in CAUGHT {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&condition))?;
    }
    Ok(AS_EVER.get_or_init(|| condition))
}

/// Caught from here on until it is dropped.
pub(super) struct Signals {
    last: Arc<AtomicUsize>,
    /// Readable when one came, whichever thread the system gave it to.
    wake: UnixStream,
    registered: Vec<SigId>,
    as_ever: &'static AtomicBool,
}

impl Signals {
    pub(super) fn caught() -> io::Result<Self> {
        let (wake, waker) = UnixStream::pair()?;
        let mut signals = Self {
            last: Arc::new(AtomicUsize::new(0)),
            wake,
            registered: Vec::new(),
            as_ever: as_ever()?,
        };
        for signal in CAUGHT {
            let number = usize::try_from(signal).expect("signals are positive");
            let last = Arc::clone(&signals.last);
            let noted = signal_hook::flag::register_usize(signal, last, number)?;
            signals.registered.push(noted);
            let woken = pipe::register(signal, waker.try_clone()?)?;
            signals.registered.push(woken);
        }
        signals.as_ever.store(false, Ordering::SeqCst);
        Ok(signals)
    }

    /// To be polled beside the terminal.
    pub(super) fn wake(&self) -> &UnixStream {
        &self.wake
    }

    pub(super) fn arrived(&self) -> bool {
        self.last.load(Ordering::SeqCst) != 0
    }

    /// Lets what came take effect: the process ends here, or it was stopped and goes on now
    /// (`true`). `false`: nothing came.
    pub(super) fn take_effect(self) -> bool {
        let last = Arc::clone(&self.last);
        drop(self);
        let signal = i32::try_from(last.load(Ordering::SeqCst)).unwrap_or_default();
        signal != 0 && low_level::emulate_default_handler(signal).is_ok()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.as_ever.store(true, Ordering::SeqCst);
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}
