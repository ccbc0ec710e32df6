//! The figures for people and for programs.

pub mod json;
pub mod markdown;
