//! Sessions against a real sshd, with real agents and keys of ssh-keygen.

mod login;
mod reach;
mod streams;
mod support;
