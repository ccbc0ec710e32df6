//! The house rules of this workspace, each as a test whose name is the rule.

mod contract;
mod dependencies;
mod manifests;
mod readme;
mod siblings;
mod source;
mod versions;
mod workspace;
