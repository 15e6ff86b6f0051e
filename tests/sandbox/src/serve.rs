//! The sandbox for trying things by hand, until Ctrl-C.

use std::thread;
use std::time::Duration;

use sandbox::{Permission, SCOPES_ALL, Sandbox, Visibility};

use crate::interrupt::Interrupt;
use crate::machine::Machine;
use crate::{Stopped, programs, say};

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";

const SSH_COMMAND: &str = "[core]\n\tsshCommand = bitbucket-ssh\n";

pub(crate) fn run(interrupt: &Interrupt) -> Result<(), Stopped> {
    let programs = programs::folder()?;
    let sandbox = Sandbox::start();
    sandbox.add_account(ALICE, "alice");
    sandbox.add_account(BOB, "bob");
    for (name, visibility, email) in [
        ("acme/site", Visibility::Private, ALICE),
        ("umbrella/tools", Visibility::Private, BOB),
        ("acme/handbook", Visibility::Public, ALICE),
    ] {
        sandbox.add_repository(name, visibility);
        sandbox.grant(email, name, Some(Permission::Admin));
    }
    sandbox.add_administrator(ALICE, "acme");
    let token = sandbox.add_token(ALICE, SCOPES_ALL);
    let machine = Machine::new(&sandbox, &programs, (ALICE, &token), SSH_COMMAND)
        .map_err(|error| Stopped::Failed(error.to_string()))?;
    say(&format!(
        "Bitbucket on loopback: REST {}, SSH {}.\n\
         {ALICE}: acme/site (private), acme/handbook (public). {BOB}: umbrella/tools (private).\n\
         A token of {BOB}: {}\n\n\
         Paste into another shell (best after `env -i bash --norc`):\n",
        sandbox.api_url(),
        sandbox.ssh_host(),
        sandbox.add_token(BOB, SCOPES_ALL),
    ));
    for (name, value) in machine.variables() {
        say(&format!("export {name}='{}'", value.display()));
    }
    say(&format!(
        "export PATH='{}':\"$PATH\"\ncd \"$HOME\" && git clone git@bitbucket.org:acme/site.git\n\n\
         Ctrl-C ends it and removes everything.",
        programs.display()
    ));
    while !interrupt.came() {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
