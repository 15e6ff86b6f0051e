//! Provisioning against an account that is a folder, so that it outlives killed processes.

mod child;
mod earlier_files;
mod found;
mod interrupted;
#[cfg(target_os = "linux")]
mod keyring;
mod leaving;
mod machine;
mod making;
mod person;
mod side_by_side;
mod site;
