//! Sessions against a real sshd, with real agents and keys of ssh-keygen.

mod endpoints;
mod login;
mod streams;
mod support;
