//! A Bitbucket on loopback.
