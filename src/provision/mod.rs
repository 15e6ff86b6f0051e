//! Making a key: generate, register, prove, record; each step durable before the next.
//!
//! Knows `transport`'s values, `bitbucket`, `identity`, `prompt`. The records it keeps lie in
//! `~/.ssh/bitbucket-ssh/`.
