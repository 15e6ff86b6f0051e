//! The site does not do what it is asked.

use sandbox::RestFault;

use super::{SITE, Scene, holds};
use crate::support::World;

/// Every request ends so, until it passes.
fn failing(fault: RestFault) -> Scene {
    let world = World::new();
    world.configure("bitbucket.passphrase", "none");
    world.sandbox.faults().rest("", "", fault, 999);
    Scene::new(world, SITE).afterwards(|world| world.sandbox.faults().clear())
}

#[test]
fn too_many_requests() {
    holds("Too many requests", || {
        failing(RestFault::TooManyRequests {
            retry_after: Some(3600),
        })
    });
}

#[test]
fn a_site_that_is_down() {
    holds("The site is down", || {
        failing(RestFault::Answer {
            status: 503,
            body: r#"{"type":"error","error":{"message":"Service Unavailable"}}"#.to_owned(),
        })
    });
}

#[test]
fn an_api_that_cannot_be_reached() {
    holds("The API cannot be reached", || {
        failing(RestFault::DropBefore)
    });
}
