//! The documentation is true: settings, schemas and man pages come from the program, and what the
//! pages tell a person to type works.

mod citations;
mod manual;
mod pages;
mod picture;
mod schemas;
mod settings;

use std::path::PathBuf;

/// A file of the folder `docs`.
fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name)
}
