//! A proxy that holds every byte back for a while, both ways.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A proxy to the port on 127.0.0.1; its own port.
pub fn proxy(port: u16, one_way: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(("127.0.0.1", port)).expect("the server");
            for stream in [&near, &far] {
                stream.set_nodelay(true).expect("TCP_NODELAY");
            }
            let copies = (
                near.try_clone().expect("a copy"),
                far.try_clone().expect("a copy"),
            );
            carry(near, far, one_way);
            carry(copies.1, copies.0, one_way);
        }
    });
    own
}

fn carry(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(4096);
    thread::spawn(move || {
        let mut block = vec![0u8; 1 << 16];
        while let Ok(count) = from.read(&mut block) {
            let due = Instant::now() + one_way;
            if count == 0 || sender.send((due, block[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
