//! Doorframe.

fn main() {}
